"""The load: ``python -m tests.soak.load [SESSIONS [SECONDS]]``.

So many sessions at once, one in ten of them polling, that answer each ping. Meanwhile
the application sends the time to some of them, and the clients say how old it is when
it arrives: both processes read the same clock. All heartbeats must be kept.
"""

from __future__ import annotations

import asyncio
import sys
import time
from random import Random
from statistics import quantiles
from typing import Any

from tests.frames import TEXT, make_frame
from tests.soak.clients import Client, Connection, Gone
from tests.soak.process import ServerProcess
from tests.soak.server import raise_file_limit

__all__ = ["Load"]

PING_INTERVAL = 25.0
AT_ONCE = 100
POLLING_SHARE = 10
BEATS_PER_SECOND = 5
SENT_PER_BEAT = 100


class Load:
    """One run.

    Attributes:
        delays: Seconds that each message has taken.
        pings: Pings that were answered.
        lost: Sessions that ended before their time.
    """

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.pings = 0
        self.lost = 0
        self._server = ServerProcess()
        self._is_over = False
        self._opening = asyncio.Semaphore(AT_ONCE)
        self._opened = 0
        self._kept: list[float] = []

    async def run(self, sessions: int, seconds: float) -> dict[str, Any]:
        await self._server.start(ping_interval=PING_INTERVAL)
        empty = await self._server.ask("stats")
        begun = time.monotonic()
        clients = [asyncio.create_task(self._client(i)) for i in range(sessions)]
        while self._opened < sessions:
            await asyncio.sleep(0.1)
        opened = time.monotonic()
        full = await self._server.ask("stats")
        self.delays.clear()
        sent = 0
        while time.monotonic() < opened + seconds:
            sent += await self._server.ask(f"beat {SENT_PER_BEAT}")
            await asyncio.sleep(1 / BEATS_PER_SECOND)
        await asyncio.sleep(1)
        last = await self._server.ask("stats")
        everybody = await self._broadcast(sessions)
        self._is_over = True
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        log = await self._server.stop()
        points = quantiles(everybody[1], n=100)
        return {
            "sessions": last["sessions"],
            "lost": self.lost,
            "opened in seconds": round(opened - begun, 1),
            "kB for each": (full["memory"] - empty["memory"]) / sessions / 1000,
            "pings answered": self.pings,
            "processor share": (last["cpu"] - full["cpu"]) / seconds,
            "sent": sent,
            "received": everybody[0],
            "delivery in ms, 50/90/99 %": self._percentiles(),
            "to all, in ms, 50/90/99 %": [
                round(points[i] * 1000, 1) for i in (49, 89, 98)
            ],
            "failures": log.count("Traceback"),
        }

    async def _broadcast(self, sessions: int) -> tuple[int, list[float]]:
        """Send to all; return how many messages came before, and the delays."""
        before, self._kept = len(self.delays), list(self.delays)
        await self._server.ask(f"beat {sessions}")
        await asyncio.sleep(5)
        return before, self.delays[before:]

    def _percentiles(self) -> list[float]:
        points = quantiles(self._kept, n=100)
        return [round(points[i] * 1000, 1) for i in (49, 89, 98)]

    async def _client(self, number: int) -> None:
        client = Client(port=self._server.port, random=Random(number))
        try:
            async with self._opening:
                first = await client.connect()
                if number % POLLING_SHARE:
                    await client.open_websocket(first)
                else:
                    await client.open_polling(first)
                self._opened += 1
            if number % POLLING_SHARE:
                await self._read_frames(first)
            else:
                await self._poll(client, first)
        except (Gone, OSError):
            if not self._is_over:
                self.lost += 1

    async def _read_frames(self, connection: Connection) -> None:
        while True:
            packet = await connection.read_packet()
            self._take(packet)
            if packet == "2":
                connection.write(make_frame(TEXT, b"3"))

    async def _poll(self, client: Client, connection: Connection) -> None:
        while True:
            connection.write_request("GET", client.target("polling"))
            packets = (await connection.read_body()).split("\x1e")
            for packet in packets:
                self._take(packet)
            if "2" in packets:
                await client.post(connection, ["3"])

    def _take(self, packet: str) -> None:
        if packet[:2] == "4t":
            self.delays.append(time.monotonic() - float(packet[2:]))
        elif packet == "2":
            self.pings += 1
        elif packet == "1":
            raise Gone


def _main(sessions: str = "10000", seconds: str = "60") -> int:
    limit = raise_file_limit()
    if limit < int(sessions) + 100:
        sys.exit(f"only {limit} open files are allowed: ulimit -n")
    figures = asyncio.run(Load().run(int(sessions), float(seconds)))
    for name, value in figures.items():
        print(f"{name}: {value}")  # noqa: T201
    kept = figures["sessions"] == int(sessions) and not figures["lost"]
    return 0 if kept and not figures["failures"] else 1


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
