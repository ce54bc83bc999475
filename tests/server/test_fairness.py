"""What one client sends in one piece keeps the reactor's timers waiting only shortly.

Time passes here only where the application takes some for a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.connection import make_request
from tests.frames import CLOSE, CONTINUATION, TEXT, make_frame
from tests.server.conftest import NewServer
from tests.wiring import Server, WebSocketClient
from txengineio.net.turns import SHARE, TURN
from txengineio.testing import RecordingApplication, RecordingProtocol

COST = 0.0001
TICK = 0.001


class Lateness:
    """How late a timer of a server's clock is, at most."""

    def __init__(self, server: Server) -> None:
        self._clock = server.clock
        self.most = 0.0
        self._schedule()

    def _schedule(self) -> None:
        self._due = self._clock.seconds() + TICK
        self._clock.callLater(TICK, self._tick)

    def _tick(self) -> None:
        self.most = max(self.most, self._clock.seconds() - self._due)
        self._schedule()


def slow_server(new: Callable[..., Server], **options: Any) -> Server:
    def take_time(protocol: Any, message: str | bytes) -> None:
        # Not `advance`, which would call what is due in the middle of this.
        server.clock.rightNow += COST
        protocol.session.send(message)

    server = new(RecordingApplication(on_message=take_time), **options)
    return server


MESSAGE = make_frame(TEXT, b"4a")
FRAGMENTS = make_frame(TEXT, b"4", fin=False) + make_frame(CONTINUATION, b"a")


@pytest.mark.parametrize("data", [MESSAGE, FRAGMENTS, MESSAGE + FRAGMENTS])
def test_messages_on_a_websocket(new_server: NewServer, data: bytes) -> None:
    server = slow_server(new_server)
    websocket = server.open_websocket()
    assert websocket.sid
    lateness = Lateness(server)
    number = 64_000 // len(data)
    websocket.connection.send(data * number)
    expected = number * (2 if data == MESSAGE + FRAGMENTS else 1)
    assert websocket.packets() == ["4a"] * expected
    # What is read before the time is looked at is bounded in frames.
    assert 0 < lateness.most < SHARE + TURN + 256 * COST
    # Afterwards everything is as before.
    websocket.send("4b")
    assert websocket.packets() == ["4b"]
    websocket.close()
    assert websocket.close_code() == 1005


def test_a_goodbye_after_many_messages_comes_last(new_server: NewServer) -> None:
    server = slow_server(new_server)
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.connection.send(MESSAGE * 2000 + make_frame(CLOSE))
    assert server.application.only.messages == ["a"] * 2000
    assert websocket.close_code() == 1005
    server.advance(10)
    server.assert_nothing_left()


def flooded(server: Server) -> tuple[WebSocketClient, RecordingProtocol]:
    """Open a session to which more messages have come than are handled at once."""
    websocket = server.open_websocket()
    assert websocket.sid
    [connection] = server.engine.websockets.connections
    connection.dataReceived(MESSAGE * 2000)
    protocol = server.application.only
    assert len(protocol.messages) < 2000
    return websocket, protocol


def test_what_waits_is_forgotten_with_the_connection(new_server: NewServer) -> None:
    server = slow_server(new_server)
    websocket, protocol = flooded(server)
    received = len(protocol.messages)
    websocket.connection.lose()
    server.settle()
    assert len(protocol.messages) == received
    server.assert_nothing_left()


def test_what_tls_has_decrypted_already_keeps_its_order(new_server: NewServer) -> None:
    server = slow_server(new_server)
    websocket, protocol = flooded(server)
    # More comes although nothing is to be read.
    websocket.connection.transport.protocol.dataReceived(make_frame(TEXT, b"4b"))
    server.settle()
    assert protocol.messages == [*["a"] * 2000, "b"]


def test_an_application_that_takes_its_time_gets_what_waits_later(
    new_server: NewServer,
) -> None:
    done: list[Deferred[None]] = []

    def take_time(_protocol: Any, _message: str | bytes) -> Deferred[None] | None:
        server.clock.rightNow += COST
        if len(server.application.only.messages) == 100:
            done.append(Deferred())
            return done[0]
        return None

    server = new_server(RecordingApplication(on_message=take_time))
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.connection.send(MESSAGE * 5000)
    assert len(server.application.only.messages) == 100
    done[0].callback(None)
    server.settle()
    assert server.application.only.messages == ["a"] * 5000
    websocket.send("4b")
    server.settle()
    assert server.application.only.messages[-1] == "b"


def test_requests_that_do_not_wait_for_answers() -> None:
    for own_path in (True, False):
        server = slow_server(Server.new, own_site=True, short_path=own_path)
        client = server.open_polling()
        lateness = Lateness(server)
        connection = server.connect()
        target = server.target(sid=client.sid)
        connection.send(make_request("POST", target, b"4a", {}) * 500)
        assert connection.peek().count(b"HTTP/1.1 200 OK") == 500
        assert 0 < lateness.most < SHARE + TURN
        # The connection goes on.
        connection.take(len(connection.peek()))
        connection.send(make_request("POST", target, b"4b", {}))
        assert connection.peek().count(b"HTTP/1.1 200 OK") == 1
        assert server.application.only.messages == [*["a"] * 500, "b"]


def test_a_connection_is_lost_between_two_requests() -> None:
    server = slow_server(Server.new, own_site=True)
    client = server.open_polling()
    connection = server.connect()
    target = server.target(sid=client.sid)
    channel: Any = connection.transport.protocol
    channel.dataReceived(make_request("POST", target, b"4a", {}) * 500)
    received = len(server.application.only.messages)
    assert received < 500
    connection.lose()
    server.settle()
    assert len(server.application.only.messages) == received
