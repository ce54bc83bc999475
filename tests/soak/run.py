"""A soak: ``python -m tests.soak.run SECONDS [SEED]``.

Sessions come and go under random faults, first for a while to warm up, then for the
rest. Each time all are gone in the end, and so is what they needed: no session, no
delayed call, no connection, no more memory, no failure in the log. No message is lost
that was acknowledged, and all come in order.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.soak.clients import BEHAVIOURS, Client, run
from tests.soak.process import ServerProcess
from tests.soak.server import raise_file_limit

__all__ = ["Report", "soak"]

OPTIONS = {
    "ping_interval": 2.0,
    "ping_timeout": 1.5,
    "max_http_buffer_size": 20_000,
    "max_buffered_bytes": 500_000,
    "per_message_deflate": False,
}
CLIENTS = 150
GROWTH = 1.05
DRAIN = 30.0


@dataclass(kw_only=True)
class Report:
    """What came of it.

    Attributes:
        problems: Everything that must not be.
    """

    sessions: int = 0
    messages: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stats: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Soak:
    """One run."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._server = ServerProcess()
        self._clients: list[Client] = []
        self._ended: dict[str, int] = {}
        self._end = 0.0
        self.report = Report()

    async def run(self, seconds: float) -> Report:
        await self._server.start(**OPTIONS)
        try:
            # The first idle state is that of a server that has seen everything.
            for share in (0.35, 0.65):
                await self._load(seconds * share)
                await self._settle()
            self._compare()
        finally:
            log = await self._server.stop()
        if "Traceback" in log or "Unhandled" in log:
            self.report.problems.append(log[-3000:])
        return self.report

    async def _load(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._come_and_go())
            while time.monotonic() < self._end:
                await asyncio.sleep(1)
                await self._read_ledger()

    async def _come_and_go(self) -> None:
        while time.monotonic() < self._end:
            random = Random(self._random.random())
            client = Client(port=self._server.port, random=random)
            try:
                await run(client, random.choice(BEHAVIOURS))
            except (AssertionError, TimeoutError) as error:
                self.report.problems.append(f"client: {error!r}")
            if client.sid:
                self._clients.append(client)

    async def _settle(self) -> None:
        """Wait until nothing is left, and write down how that looks."""
        deadline = time.monotonic() + DRAIN
        while True:
            stats = await self._server.ask("stats")
            left = {
                name: stats[name]
                for name in ("sessions", "websockets", "buffered", "calls")
                if stats[name]
            }
            if not left or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        if left:
            self.report.problems.append(f"left behind: {left}")
        await self._read_ledger()
        self._compare_ledger()
        self.report.stats.append(await self._server.ask("stats"))

    async def _read_ledger(self) -> None:
        ledger: dict[str, Any] = await self._server.ask("ledger")
        for sid, (count, reason, faults) in ledger.items():
            self.report.sessions += 1
            self.report.messages += count
            self.report.reasons[reason] += 1
            self.report.problems += faults
            self._ended[sid] = count

    def _compare_ledger(self) -> None:
        """Compare what clients were told with what the application got."""
        for client in self._clients:
            count = self._ended.pop(client.sid, None)
            if count is None:
                self.report.problems.append("a session was never told that it is over")
            elif count < client.acknowledged:
                lost = f"{client.acknowledged} acknowledged, {count} arrived"
                self.report.problems.append(lost)
        # Of the others the client has not even seen the id.
        self._clients.clear()
        self._ended.clear()

    def _compare(self) -> None:
        first, last = self.report.stats
        for name in ("memory", "objects", "readers"):
            if last[name] > first[name] * GROWTH:
                growth = f"{name}: {first[name]} after warming up, {last[name]} later"
                self.report.problems.append(growth)


async def soak(seconds: float, seed: int = 0) -> Report:
    """Run a soak of about so many seconds."""
    raise_file_limit()
    return await Soak(seed).run(seconds)


def _main(seconds: str = "300", seed: str = "0") -> int:
    report = asyncio.run(soak(float(seconds), int(seed)))
    print(f"{report.sessions} sessions, {report.messages} messages", report.reasons)  # noqa: T201
    for stats in report.stats:
        print(stats)  # noqa: T201
    print("\n".join(report.problems) or "no problem")  # noqa: T201
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
