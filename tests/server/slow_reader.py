"""A server that sends 200 MB to a client that reads nothing; run by test_slow_readers.

It prints what happened as JSON: by how much its memory has grown, in bytes.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import defer, endpoints, task

from tests.wiring import opening_headers
from txengineio import Engine, EngineIOProtocol

PIECE = 50_000
PIECES = 4000
PAUSE = 0.0005


def peak() -> int:
    """Return the most memory that this program has had, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    # Not the line above: on Linux it begins with what the process had before it ran
    # this program, when it was a copy of the one that runs the tests.
    (line,) = (each for each in status.read_text().splitlines() if "VmHWM:" in each)
    return int(line.split()[1]) * 1024


async def open_session(reactor: Any, engine: Engine, port: int, transport: str) -> Any:
    """Open a session by a client that sends its requests and reads no more."""
    before = set(engine.sessions)
    client = socket.create_connection(("127.0.0.1", port))
    headers = opening_headers() if transport == "websocket" else {}
    lines = [f"GET /engine.io/?EIO=4&transport={transport} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    while not set(engine.sessions) - before:
        await task.deferLater(reactor, 0.01)
    (sid,) = set(engine.sessions) - before
    session = engine.sessions[sid]
    if transport == "polling":
        target = f"/engine.io/?EIO=4&transport=polling&sid={sid}"
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not session.transport.writable:
            await task.deferLater(reactor, 0.01)
    return session, client


async def send_all(reactor: Any, session: Any, heed: bool) -> dict[str, Any]:
    before = peak()
    reasons: list[Any] = []
    session.when_closed().addCallback(reasons.append)
    for _ in range(PIECES):
        if heed and not session.writable:
            break
        # Another one each time, which takes memory of its own.
        session.send(b"x" * PIECE)
        await task.deferLater(reactor, PAUSE)
        if reasons:
            break
    reason = reasons[0].value if reasons else None
    return {"growth": peak() - before, "reason": reason}


async def run(reactor: Any, transport: str) -> None:
    engine = Engine(EngineIOProtocol, reactor=reactor)
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = (await engine.listen(endpoint)).getHost().port
    clients = []
    results = []
    for heed in (True, False):
        session, client = await open_session(reactor, engine, port, transport)
        clients.append(client)
        results.append(await send_all(reactor, session, heed))
    print(json.dumps({**results[1], "heeding": results[0]}))  # noqa: T201


if __name__ == "__main__":
    task.react(lambda reactor: defer.ensureDeferred(run(reactor, sys.argv[1])))
