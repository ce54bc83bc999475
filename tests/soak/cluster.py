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
from collections.abc import Mapping
from pathlib import Path
from random import Random

from typing_extensions import override

from tests.soak.cluster_server import ClusterServer, server_of
from tests.soak.history import AFTER, NEAR, Event, Failure, Session
from tests.soak.supervised import Worker
from tests.soak.workers import Harm, WorkersSoak, main

__all__ = ["ClusterSoak"]

NODES = 3
LONG = 22.0
"""Seconds that some of what is done may take, and what it does."""

CHECKED = 1.0
"""Seconds until the proxy knows that a node serves."""

STOPPED = "stopped"

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
        self._waiting: list[Session] = []
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
        with self._cluster.stalling(worker, STOPPED):
            await self._cluster.stop_for(worker, chance.uniform(5, 18))

    async def _let_a_link_stall(self, worker: Worker, chance: Random) -> None:
        await self._cluster.swallow_links(worker, chance.uniform(0.5, 4))

    async def _let_a_link_stall_for_long(self, worker: Worker, chance: Random) -> None:
        """Let it stall for longer than a connection takes; it ends no session."""
        await self._cluster.swallow_links(worker, chance.uniform(5, 13))

    async def _cut_off_from_redis(self, worker: Worker, chance: Random) -> None:
        await self._cluster.cut_off(worker, chance.uniform(0.5, 4))

    async def _cut_off_from_redis_for_long(
        self, worker: Worker, chance: Random
    ) -> None:
        """Cut a node off until its key is gone; its links are there."""
        await self._cluster.cut_off(worker, chance.uniform(14, 20))

    async def _isolate(self, worker: Worker, chance: Random) -> None:
        """Cut a node off until the others say that it is gone."""
        with self._cluster.stalling(worker, "isolated"):
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
        if session.client.startswith("python") and session.sid:
            self._waiting.append(session)
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
        self._log = self._cluster.proxy_log()
        for session in self._waiting:
            self._judge_waiting(session)
        for session in self.sessions:
            if session.ends and not session.is_complete:
                session.cut_off_by = self._cut_off_by(session, session.ends[0])
            # A WebSocket may go through another node, too: the proxy knows which.
            if session.has_moved:
                servers = self._log.websockets[session.sid]
                fates = map(_name_of, self._cluster.fates)
                session.broke_off_at = {
                    name for name in fates if server_of(name) in servers
                }
                session.has_moved = False
        super()._judge(within)

    def _judge_waiting(self, session: Session) -> None:
        fates = self._cluster.fates.values()
        if any(
            each.event is Event.KILLED and each.dead >= session.opened for each in fates
        ):
            self.left_open += 1
            self.sessions.remove(session)
        else:
            super()._unanswered(session)

    def _cut_off_by(self, session: Session, ended: float) -> str:
        """Tell what may have ended it although its node has gone on; empty if nothing.

        Its node may not have answered the others, so that one of them has given it up,
        and has refused a request of it, or dropped its WebSocket. Or a node through
        which it went was stopped for so long that its own one had heard nothing of it,
        or came to its end with its WebSocket.
        """
        websockets = self._log.websockets[session.sid]
        own = {server_of(session.node)}
        others = (websockets | self._log.refusals[session.sid]) - own
        ways = (websockets | self._log.delays[session.sid]) - own
        # Of a poll and a POST both may have to fail, and each comes by chance.
        patience = 2 * session.patience
        for stall in self._cluster.stalls:
            if stall.covers(ended, patience):
                if stall.node == session.node and others:
                    return f"its node was {stall.what}"
                if server_of(stall.node) in ways and stall.what == STOPPED:
                    return f"it went through a node that was {stall.what}"
        for going in self._cluster.goings:
            in_tunnel = server_of(going.node) in others & websockets
            if in_tunnel and going.covers(ended, patience):
                return f"its WebSocket went through a node that was {going.what}"
        return ""


def _name_of(fate: str) -> str:
    return fate.removeprefix(AFTER)


if __name__ == "__main__":
    main(ClusterSoak, __doc__ or "", within=15.0)
