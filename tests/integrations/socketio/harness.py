"""Socket.IO servers in memory, and clients that are nothing but their packets."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from tests.wiring import Server, WebSocketClient
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication

__all__ = ["connected", "opened", "wired"]


def wired(
    sio_class: Any, *, clock: Clock | None = None, **options: Any
) -> tuple[Any, Server]:
    """Make a Socket.IO server, and the site in memory that serves it."""
    clock = clock or Clock()
    sio = sio_class(reactor=clock, **options)
    server = Server(
        application=RecordingApplication(),
        engine=sio.engine,
        site=engine_site(sio.engine, reactor=clock),
        clock=clock,
    )
    return sio, server


def opened(server: Server) -> WebSocketClient:
    """Open a session of the engine that has not connected to a namespace."""
    client = server.open_websocket()
    assert client.sid
    return client


def connected(server: Server, namespace: str = "") -> WebSocketClient:
    """Connect a client to a namespace."""
    client = opened(server)
    client.send(f"40{namespace}")
    server.settle()
    (answer,) = client.packets()
    assert str(answer).startswith(f'40{namespace}{{"sid":"'), answer
    return client
