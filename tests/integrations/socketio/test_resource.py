"""A Socket.IO server in a site of Twisted's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import socketio
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from tests.wiring import Server as Wiring
from txengineio import Engine, EngineIOProtocol, EngineIOResource, InvalidOption
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


@pytest.mark.parametrize(
    "server",
    [
        Server,
        Engine(EngineIOProtocol, reactor=Clock()),
        socketio.Server(async_mode="threading"),
    ],
)
def test_something_else_is_refused(server: Any) -> None:
    with pytest.raises(InvalidOption, match="server must be a Server, ThreadedServer"):
        SocketIOResource(server)


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_upstreams_ways_to_serve_it_say_what_to_use(kind: Any) -> None:
    sio = kind(reactor=Clock())
    with pytest.raises(AttributeError, match=r"by SocketIOResource\(sio\) in a site"):
        sio.handle_request({}, None)
    with pytest.raises(InvalidOption, match="engine must be an Engine"):
        EngineIOResource(sio)


def test_an_asyncio_server_is_attached_to_no_application() -> None:
    with pytest.raises(AttributeError, match=r"by SocketIOResource\(sio\) in a site"):
        AsyncServer(reactor=Clock()).attach(object())


def test_an_asyncio_server_wants_the_reactor_of_asyncio() -> None:
    program = """
from twisted.internet import selectreactor; selectreactor.install()
from txengineio.socketio import AsyncServer, SocketIOResource
SocketIOResource(AsyncServer())
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "as the reactor SelectReactor cannot run an AsyncServer" in ended.stderr
