"""What a server's session has and a client's has not."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from typing_extensions import override

from tests.server.conftest import NewServer
from tests.session.sessions import open_session
from tests.wiring import Server
from txengineio.application import EngineIOProtocol
from txengineio.errors import TransportError
from txengineio.server.session import Session


def test_it_follows_the_options_of_its_engine() -> None:
    opened = open_session(ping_interval=7.0, ping_timeout=3.0)
    assert opened.session.ping_interval == 7.0
    assert opened.session.ping_timeout == 3.0
    assert opened.session.engine is opened.engine


def test_it_knows_where_its_client_came_from() -> None:
    opened = open_session(revision=3, allow_eio3=True)
    assert opened.session.remote_address == "192.0.2.1"
    assert opened.session.request.query["transport"] == "polling"
    assert opened.session.protocol_revision == 3


# --- what is left of one --------------------------------------------------------------


@pytest.mark.parametrize("node", ["n1w0aaa", None])
def test_a_log_tells_sessions_of_one_node_apart(node: str | None) -> None:
    server = Server.new(node_name=node)
    session = server.open_polling().session
    prefix = "" if node is None else f"{node}-"
    short = session.short_id
    assert short.startswith(prefix)
    assert len(short) == len(prefix) + 6
    with capturedLogs() as events:
        session.transport_failed(TransportError("broken"))
    (said,) = [formatEvent(event) for event in events]
    assert said.startswith(f"session {short}… on polling ended: ")
    assert session.id not in said


def use_websocket(server: Server) -> None:
    websocket = server.open_websocket()
    websocket.send("4a")
    websocket.close(1000)


def upgrade(server: Server) -> None:
    websocket = server.open_polling().upgrade()
    websocket.send("4a")
    websocket.close(1000)


def lose(server: Server) -> None:
    server.open_websocket().connection.lose()


def use_polling(server: Server) -> None:
    client = server.open_polling()
    client.post("4a")
    client.post("1")


def is_of(each: object, server: Server) -> bool:
    return type(each) is Session and each.engine is server.engine


@pytest.mark.parametrize("use", [use_websocket, upgrade, lose, use_polling])
def test_a_session_that_ends_needs_no_collector(
    new_server: NewServer, use: Callable[[Server], None]
) -> None:
    class Application(EngineIOProtocol):
        @override
        def connectionMade(self) -> None:
            made.append(weakref.ref(self))

        @override
        def messageReceived(self, message: str | bytes) -> None:
            self.session.send(message)

        @override
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            assert self.session.protocol is self

    made: list[weakref.ref[Application]] = []
    application: Any = Factory.forProtocol(Application)
    server = new_server(application)
    gc.disable()
    try:
        use(server)
        server.settle()
        # What the test knows of them.
        server.connections.clear()
        assert [reference() for reference in made] == [None]
        assert [each for each in gc.get_objects() if is_of(each, server)] == []
    finally:
        gc.enable()
