"""A Socket.IO server in a site of Twisted's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from tests.wiring import Server as Wiring
from txengineio.socketio import AsyncServer, Server, SocketIOResource, ThreadedServer
from txengineio.testing import RecordingApplication


@pytest.mark.parametrize("kind", [Server, ThreadedServer, AsyncServer])
def test_it_serves_the_engine_of_a_server_beside_other_things(kind: Any) -> None:
    clock = Clock()
    sio = kind(reactor=clock)
    root = Resource()
    root.putChild(b"socket.io", SocketIOResource(sio))
    root.putChild(b"page", Data(b"a page", "text/plain"))
    server = Wiring(
        application=RecordingApplication(),
        engine=sio.engine,
        site=Site(root, reactor=clock),
        clock=clock,
    )

    async def answer_at(path: str) -> str:
        server.path = path
        return server.request().answer.text

    assert asyncio.run(answer_at("/page")) == "a page"
    # An AsyncServer starts a task for the new session.
    assert asyncio.run(answer_at("/socket.io/")).startswith('0{"sid":')
    (session,) = sio.engine.sessions.values()
    assert session.engine is sio.engine
