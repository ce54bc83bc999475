"""A soak of a cluster on Redis: ``python -m tests.soak.cluster [SECONDS] [--seed N]``.

As `tests.soak.workers`, with three nodes that find each other in Redis, behind HAProxy
without stickiness. Nodes are killed, stopped for a moment, and replaced; Redis is
killed and started again, or hangs. What happens to Redis must not end any session.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from typing_extensions import override

from tests.soak.cluster_server import ClusterServer
from tests.soak.history import Event, Session
from tests.soak.supervised import Worker
from tests.soak.workers import Harm, WorkersSoak, main

__all__ = ["ClusterSoak"]

NODES = 3
LINKS = 60
"""Descriptors that a node may have beside those of its start: links of others, for some
time after their last request."""


class ClusterSoak(WorkersSoak):
    """One run.

    Args:
        seed: What chance begins with.
        folder: For the files of the nodes.
    """

    things = "nodes and Redis"
    killing = ("kill", "replace")
    allowance = LINKS
    bystanders_of_a_kill = 24
    """All clients at most: a request of each may be on its way through the node."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._cluster = ClusterServer(NODES, folder)
        super().__init__(seed, folder, self._cluster)

    @override
    def harms(self) -> dict[str, Harm]:
        return {
            "kill": self._kill,
            "stop for a moment": self._stop_for_a_moment,
            "replace": self._replace,
            "restart Redis": self._restart_redis,
            "let Redis hang": self._let_redis_hang,
        }

    async def _restart_redis(self, _worker: Worker, chance: Random) -> None:
        self._cluster.redis.kill()
        await asyncio.sleep(chance.uniform(0.1, 3))
        self._cluster.redis.start()

    async def _let_redis_hang(self, _worker: Worker, chance: Random) -> None:
        seconds = chance.uniform(0.5, 4)
        with self._cluster.redis.client() as client:
            client.execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
        await asyncio.sleep(seconds)

    @override
    def _unanswered(self, session: Session) -> None:
        """Note it, unless it is python-engineio's.

        That one goes on after a POST that has failed, without what was in it, when the
        node that it came to was killed.
        """
        is_excused = session.client.startswith("python") and any(
            fate.event is Event.KILLED and fate.dead >= session.opened
            for fate in self._cluster.fates.values()
        )
        if is_excused:
            session.sid = ""
        else:
            super()._unanswered(session)

    @override
    def _judge(self, within: float) -> None:
        for session in self.sessions:
            # A WebSocket may go through another node, too.
            session.has_moved = False
        super()._judge(within)


if __name__ == "__main__":
    main(ClusterSoak, __doc__ or "", within=15.0)
