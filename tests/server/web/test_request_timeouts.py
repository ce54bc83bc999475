"""Slow, half-open and vanishing clients: nothing waits for them forever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.connection import Connection, make_request
from tests.doubles import ended_with
from tests.frames import BINARY, make_frame
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.server.web.request_timeouts import HEAD_TIMEOUT


@pytest.fixture
def server(short_path: bool) -> Server:
    return Server.new(own_site=True, short_path=short_path)


def trickle(server: Server, connection: Connection, data: bytes, pause: float) -> float:
    """Send byte by byte; return for how long the server has put up with it."""
    start = server.clock.seconds()
    for number in range(len(data)):
        if connection.is_closed:
            break
        connection.send(data[number : number + 1])
        server.advance(pause)
    return server.clock.seconds() - start


@pytest.mark.parametrize("start", ["", "GET /engine.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_must_be_there_in_time(server: Server, start: str) -> None:
    connection = server.connect()
    connection.send(start.encode())
    rest = b"GET /" if not start else b"X-Padding: "
    assert trickle(server, connection, rest + b"x" * 1000, 1.0) <= HEAD_TIMEOUT + 1
    assert connection.was_reset
    server.assert_nothing_left()


def test_a_head_that_is_there_in_time_is_served(server: Server) -> None:
    connection = server.connect()
    exchange = connection.expect()
    head = make_request("GET", server.target(), None)
    trickle(server, connection, head, HEAD_TIMEOUT / len(head) / 2)
    assert exchange.answer.status == 200
    # The connection may be used again, at leisure.
    server.advance(50)
    second = connection.expect()
    trickle(server, connection, head, HEAD_TIMEOUT / len(head) / 2)
    assert second.answer.status == 200


def test_a_body_must_be_there_in_time(server: Server) -> None:
    client = server.open_polling()
    post = client.start_post(5000)
    waited = trickle(server, post.connection, b"4" + b"x" * 4999, 1.0)
    assert 30 <= waited <= 31
    assert post.answer.status == 408
    assert post.answer.header("Connection") == "close"
    assert not post.connection.was_reset
    # The client's session ends: its message was lost.
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = client.protocol.lost
    problem = failure.value.description  # type: ignore[union-attr]
    assert problem.message == "http request timeout"
    server.assert_nothing_left()


@pytest.mark.parametrize(
    ("allowed", "size", "seconds"),
    [(2.0, 5000, 2), (60.0, 5000, 35), (60.0, 500_000, 60)],
    ids=["what the option says", "the lowest rate", "what the option says, again"],
)
def test_a_body_has_as_long_as_the_option_says_or_the_lowest_rate(
    allowed: float, size: int, seconds: int, short_path: bool
) -> None:
    server = Server.new(
        own_site=True,
        short_path=short_path,
        http_request_body_timeout=allowed,
        ping_interval=1000.0,
        first_poll_timeout=None,
    )
    post = server.open_polling().start_post(size)
    server.advance(seconds - 0.5)
    assert post.is_pending
    server.advance(1)
    assert post.answer.status == 408


def test_a_slow_body_that_is_for_no_session_is_refused_too(server: Server) -> None:
    headers = {"Content-Length": "5"}
    post = server.connect().request("POST", server.target(), None, headers)
    server.advance(31)
    assert post.answer.status == 408
    assert post.connection.is_closed


def test_a_body_has_time_by_its_size(server: Server) -> None:
    client = server.open_polling()
    client.poll()
    post = client.start_post(100_000)
    for _ in range(10):
        post.connection.send(b"4" * 10_000)
        server.advance(2)
    assert post.answer.status == 200


def test_a_pipelined_request_does_not_wait_for_the_first_to_be_answered(
    server: Server,
) -> None:
    client = server.open_polling()
    poll = client.poll()
    poll.connection.send(b"GET /engine.io/")
    server.advance(HEAD_TIMEOUT + 1)
    # It is not its own fault that it is not read yet.
    assert not poll.connection.is_closed
    client.session.send("a")
    assert poll.answer.packets == ["4a"]
    server.settle()
    poll.connection.send(b"?EIO")
    server.advance(HEAD_TIMEOUT + 1)
    assert poll.connection.was_reset


def test_idle_connections_are_closed(new_server: NewServer) -> None:
    server = new_server()
    silent = server.connect()
    used = server.open_polling().handshake.connection
    server.advance(59)
    assert [silent.is_closed, used.is_closed] == [False, False]
    server.advance(2)
    assert [silent.is_closed, used.is_closed] == [True, True]


def test_a_websocket_is_not_bound_to_the_deadlines_of_requests(server: Server) -> None:
    websocket = server.open_websocket()
    assert websocket.sid
    for _ in range(5):
        server.advance(25)
        websocket.send("3")
    assert len(server.engine.sessions) == 1


# --- clients that vanish --------------------------------------------------------------


def parked(server: Server) -> list[Connection]:
    return [server.open_polling().poll().connection]


def uploading(server: Server) -> list[Connection]:
    client = server.open_polling()
    post = client.start_post(100)
    post.connection.send(b"4abc")
    return [post.connection]


def upgrading(server: Server) -> list[Connection]:
    client = server.open_polling()
    poll = client.poll()
    websocket = client.open_websocket()
    websocket.send("2probe")
    return [poll.connection, websocket.connection]


def in_mid_frame(server: Server) -> list[Connection]:
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.connection.send(make_frame(BINARY, b"x" * 1000)[:500])
    return [websocket.connection]


def in_mid_message(server: Server) -> list[Connection]:
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.send_frame(BINARY, b"x" * 1000, fin=False)
    return [websocket.connection]


vanishing = pytest.mark.parametrize(
    "begin", [parked, uploading, upgrading, in_mid_frame, in_mid_message]
)


@vanishing
def test_a_client_whose_connections_break(
    new_server: NewServer, begin: Callable[[Server], list[Connection]]
) -> None:
    server = new_server()
    for connection in begin(server):
        connection.lose()
    if begin is uploading:
        # An unmodified site does not tell that a body was on its way.
        server.advance(46)
    ended_with(server.application.only)
    server.assert_nothing_left()


@vanishing
def test_a_client_that_is_there_no_more_and_says_nothing(
    new_server: NewServer, begin: Callable[[Server], list[Connection]]
) -> None:
    server = new_server()
    for connection in begin(server):
        connection.transport.stop_reading()
    # As the heartbeat promises: an interval, a time-out, and the tick in between.
    for _ in range(47):
        server.advance(1)
    ended_with(server.application.only)
    # Connections that cannot be closed politely are dropped soon after.
    for _ in range(80):
        server.advance(1)
    server.assert_nothing_left()


@vanishing
def test_a_client_that_was_stopped_and_goes_on_in_time(
    new_server: NewServer, begin: Callable[[Server], list[Connection]]
) -> None:
    server = new_server(ping_timeout=60.0, first_poll_timeout=None)
    connections = begin(server)
    for connection in connections:
        connection.transport.stop_reading()
    server.advance(25)
    for connection in connections:
        connection.transport.start_reading()
    assert len(server.engine.sessions) == 1
    assert [event[0] for event in server.application.only.events] == ["made"]


def test_many_that_vanish_leave_nothing(server: Server) -> None:
    kinds: list[Any] = [parked, uploading, upgrading, in_mid_frame, in_mid_message]
    for _ in range(20):
        for begin in kinds:
            for connection in begin(server):
                connection.lose()
    assert len(server.application.built) == 100
    assert all(map(ended_with, server.application.built))
    server.assert_nothing_left()
