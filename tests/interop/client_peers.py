"""Servers for our client: those that others wrote, and ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.launch import TLS, Launch
from tests.interop.messages import LARGE_LIMIT
from tests.interop.recorder import Recorder, open_session
from tests.interop.servers import HERE, ServerProcess, running_server

__all__ = ["SERVERS", "Peer", "running_peer"]

# python-engineio tells whole seconds only.
PING_INTERVALS = {"python": 1.0}
PING_INTERVAL = 0.3
ENGINE = {
    "ping_timeout": 10.0,
    "max_http_buffer_size": LARGE_LIMIT,
}

SERVERS: dict[str, tuple[list[str | Path] | None, int]] = {
    "node": (["node", HERE / "node" / "echo.cjs", "engine.io"], 4),
    "node-3": (["node", HERE / "node" / "echo.cjs", "engine.io-3"], 3),
    "python": ([sys.executable, HERE / "aiohttp_server.py"], 4),
    "ours": (None, 4),
    "ours-3": (None, 3),
}


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    process: ServerProcess
    revision: int

    async def open(self, **options: Any) -> Recorder:
        options.setdefault("revision", self.revision)
        return await open_session(self.process.url, **options)


@contextmanager
def running_peer(name: str, tls: TLS | None = None) -> Iterator[Peer]:
    command, revision = SERVERS[name]
    interval = PING_INTERVALS.get(name, PING_INTERVAL)
    options = ENGINE | {"ping_interval": interval}
    if command is None:
        options["allow_eio3"] = revision == 3
    with running_server(Launch(engine=options, tls=tls), command) as process:
        yield Peer(name, process, revision)
