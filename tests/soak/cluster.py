"""A soak of a cluster on Redis: ``python -m tests.soak.cluster [SECONDS] [--seed N]``.

As `tests.soak.workers`, with three nodes that find each other in Redis, behind HAProxy
without stickiness. Nodes are killed, stopped for a while, replaced, all after each
other, too, and cut off from the others, from Redis, or from both; Redis is killed and
started again, hangs, or cannot be reached. What happens to Redis must not end any
session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from typing_extensions import override

from tests.soak.cluster_server import ClusterServer, Stall
from tests.soak.history import NEAR, Event, Failure, Session
from tests.soak.supervised import Worker
from tests.soak.workers import Harm, WorkersSoak, main

__all__ = ["ClusterSoak"]

NODES = 3
LONG = 22.0
"""Seconds that some of what is done may take, and what it does."""

CHECKED = 1.0
"""Seconds until the proxy knows that a node serves."""

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
    killing = ("kill",)
    allowance = LINKS
    bystanders_of_a_kill = 24
    """All clients at most: a request of each may be on its way through the node."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._cluster = ClusterServer(NODES, folder)
        super().__init__(seed, folder, self._cluster)

    @override
    def harms(self) -> Mapping[str, Harm]:
        short: dict[str, Harm] = {
            "kill": self._kill,
            "stop for a moment": self._stop_for_a_moment,
            "replace": self._replace,
            "restart Redis": self._restart_redis,
            "let Redis hang": self._let_redis_hang,
            "let a link stall": self._let_a_link_stall,
            "cut off from Redis": self._cut_off_from_redis,
        }
        long: dict[str, Harm] = {
            "replace all": self._replace_all,
            "stop for long": self._stop_for_long,
            "let a link stall for long": self._let_a_link_stall_for_long,
            "cut off from Redis for long": self._cut_off_from_redis_for_long,
            "isolate": self._isolate,
            "swallow what is for Redis": self._swallow_redis,
        }
        is_there_time = self._end - time.monotonic() > LONG
        return short | long if is_there_time else short

    @override
    async def _kill(self, worker: Worker, chance: Random) -> None:
        await self._another_serves(worker)
        await super()._kill(worker, chance)

    @override
    async def _replace(self, worker: Worker, chance: Random) -> None:
        await self._another_serves(worker)
        await super()._replace(worker, chance)

    async def _another_serves(self, worker: Worker) -> None:
        """Wait until another node than this one does: clients must find one."""
        await self._cluster.until(
            lambda: any(each is not worker for each in self._cluster.serving())
        )
        await asyncio.sleep(CHECKED)

    async def _replace_all(self, _worker: Worker, _chance: Random) -> None:
        """Replace one after the other, as a rolling update does."""
        for worker in self._cluster.living():
            self.done["replace"] += 1
            self._cluster.replace(worker)
            await self._cluster.until(lambda: self._cluster.is_settled)

    async def _stop_for_long(self, worker: Worker, chance: Random) -> None:
        """Stop a node, perhaps until the others say that it is gone."""
        with self._cluster.stalling(worker):
            await self._cluster.stop_for(worker, chance.uniform(5, 18))

    async def _let_a_link_stall(self, worker: Worker, chance: Random) -> None:
        await self._cluster.swallow_links(worker, chance.uniform(0.5, 4))

    async def _let_a_link_stall_for_long(self, worker: Worker, chance: Random) -> None:
        with self._cluster.stalling(worker):
            await self._cluster.swallow_links(worker, chance.uniform(5, 12))

    async def _cut_off_from_redis(self, worker: Worker, chance: Random) -> None:
        await self._cluster.cut_off(worker, chance.uniform(0.5, 4))

    async def _cut_off_from_redis_for_long(
        self, worker: Worker, chance: Random
    ) -> None:
        """Cut a node off until its key is gone; its links are there."""
        await self._cluster.cut_off(worker, chance.uniform(14, 20))

    async def _isolate(self, worker: Worker, chance: Random) -> None:
        """Cut a node off until the others say that it is gone."""
        with self._cluster.stalling(worker):
            await self._cluster.isolate(worker, chance.uniform(14, 20))

    async def _swallow_redis(self, _worker: Worker, chance: Random) -> None:
        await self._cluster.swallow_redis(chance.uniform(10, 20))

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
    def _failed_attempts(self) -> list[Failure]:
        """Leave out those at a node that lets nobody in, before the proxy knows."""
        return [
            each
            for each in super()._failed_attempts()
            if not any(going.covers(each.at, NEAR) for going in self._cluster.goings)
        ]

    @override
    def _judge(self, within: float) -> None:
        self._joined = self._cluster.joined()
        for session in self.sessions:
            # A WebSocket may go through another node, too.
            session.has_moved = False
            if session.ends and not session.is_complete:
                session.was_cut_off = self._was_cut_off(session, session.ends[0])
        super()._judge(within)

    def _was_cut_off(self, session: Session, ended: float) -> bool:
        """Whether its node did not answer the others for long when it ended.

        Or, if it was perhaps a WebSocket or about to become one, another node through
        which that went.
        """
        stalls = self._cluster.stalls
        if "-polling-" in session.client:
            stalls = [each for each in stalls if each.node == session.node]
        else:
            stalls = stalls + self._cluster.goings
        stalls = [*stalls, *self._strange_to_each_other(session)]
        # Of a poll and a POST both may have to fail, and each comes by chance.
        return any(each.covers(ended, 2 * session.patience) for each in stalls)

    def _strange_to_each_other(self, session: Session) -> Iterator[Stall]:
        """List the times in which another node did not know the session's.

        One of them has joined then, and the other one was cut off from Redis.
        """
        for cut in self._cluster.cuts:
            new = {
                name
                for name, at in self._joined.items()
                if cut.since - 1 <= at <= cut.until
            }
            if new and session.node in (*new, cut.node):
                yield cut


if __name__ == "__main__":
    main(ClusterSoak, __doc__ or "", within=15.0)
