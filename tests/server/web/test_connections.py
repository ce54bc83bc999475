"""Many requests over one connection: whole ones, and those that come in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connection import Connection, make_request
from tests.doubles import ended_with
from tests.frames import TEXT, make_frame
from tests.wiring import PollingClient, Server, WebSocketClient, opening_headers
from txengineio.errors import CloseReason

IDLE_TIMEOUT = 60
STEP = 0.5


@pytest.fixture
def server(short_path: bool) -> Server:
    return Server.new(
        own_site=True,
        short_path=short_path,
        ping_interval=1000.0,
        first_poll_timeout=None,
    )


def pass_time(server: Server, seconds: int) -> None:
    for _ in range(seconds):
        server.advance(1)


def send_poll(
    client: PollingClient, connection: Connection, *, whole: bool = True
) -> None:
    """Send a GET, and answer it."""
    exchange = connection.expect()
    data = make_request("GET", client.server.target(sid=client.sid))
    connection.send(*([data] if whole else [data[:10], data[10:]]))
    client.session.send("a")
    assert exchange.answer.packets == ["4a"]


def assert_is_closed_after(server: Server, connection: Connection, left: int) -> None:
    for _ in range(left):
        assert not connection.is_closed
        server.advance(1)
    assert connection.is_closed
    assert not connection.was_reset


# --- the idle time-out ----------------------------------------------------------------


@pytest.mark.parametrize("pause", [1, 30, 59])
def test_a_connection_is_idle_since_the_last_answer(server: Server, pause: int) -> None:
    client = server.open_polling()
    connection = server.connect()
    for _ in range(4):
        pass_time(server, pause)
        send_poll(client, connection)
    assert_is_closed_after(server, connection, IDLE_TIMEOUT)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3, 0.7, 1 / 3])
def test_no_rounding_keeps_the_idle_time_out_away(
    server: Server, fraction: float
) -> None:
    for number in range(1, 25):
        server.clock.advance(100 + fraction - server.clock.seconds() % 1)
        connection = server.connect()
        server.advance(number * fraction)
        assert connection.request("GET", server.target()).answer.status == 200
        served_at = server.clock.seconds()
        while not connection.is_closed:
            # Each call is made when it is time, not later.
            calls = server.clock.getDelayedCalls()
            due = min(call.getTime() for call in calls)
            server.advance(due - server.clock.seconds())
        # Never early. Late by what rounds a due time up, and what its loop is off.
        late = server.clock.seconds() - served_at - IDLE_TIMEOUT
        assert -0.01 < late < 2 * STEP


@pytest.mark.parametrize(
    "kinds", [(True, False), (False, True), (True, False, True), (False, True, False)]
)
@pytest.mark.parametrize("pause", [1, 19, 59])
def test_requests_of_both_kinds_keep_a_connection(
    server: Server, kinds: tuple[bool, ...], pause: int
) -> None:
    client = server.open_polling()
    connection = server.connect()
    for whole in kinds:
        pass_time(server, pause)
        send_poll(client, connection, whole=whole)
    assert_is_closed_after(server, connection, IDLE_TIMEOUT)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("parked_for", [1, 59, 60, 61, 150])
def test_a_parked_poll_is_not_idle(
    server: Server, whole: bool, parked_for: int
) -> None:
    client = server.open_polling()
    connection = server.connect()
    pass_time(server, 20)
    exchange = connection.expect()
    data = make_request("GET", server.target(sid=client.sid))
    connection.send(*([data] if whole else [data[:10], data[10:]]))
    pass_time(server, parked_for)
    assert not connection.is_closed
    client.session.send("a")
    assert exchange.answer.packets == ["4a"]
    assert_is_closed_after(server, connection, IDLE_TIMEOUT)


def test_a_connection_that_is_closed_leaves_no_time_out(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    send_poll(client, connection)
    pass_time(server, 30)
    client.session.close(discard=True)
    connection.lose()
    server.assert_nothing_left()


def test_a_client_that_does_not_read_its_answers_is_dropped(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    poll = connection.request("GET", server.target(sid=client.sid))
    connection.transport.stop_reading()
    client.session.send("x" * 100_000)
    # So many more seconds may it take to close a connection.
    for _ in range(IDLE_TIMEOUT + 15):
        assert not connection.was_reset
        server.advance(1)
    assert connection.was_reset
    assert poll.is_pending


@pytest.mark.parametrize("digits", [1, 19, 4301, 8000, 15_000])
@pytest.mark.parametrize("target", ["/engine.io/", "/elsewhere"])
def test_no_length_is_too_long(server: Server, digits: int, target: str) -> None:
    headers = {"Content-Length": "9" * digits, "X-Behind": ""}
    connection = server.connect()
    exchange = connection.request("POST", target, None, headers)
    if digits > 4300:
        # More than Python converts.
        connection.send(b"x")
        assert exchange.answer.status == 400
        assert connection.is_closed
    elif digits > 1 and target == "/engine.io/":
        assert exchange.answer.status == 413
    else:
        assert exchange.is_pending


# --- what old Internet Explorers send behind a POST -----------------------------------


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("mixed", [True, False])
def test_a_line_end_behind_a_post_is_nothing(
    server: Server, apart: bool, mixed: bool
) -> None:
    client = server.open_polling()
    connection = server.connect()
    post = make_request("POST", server.target(sid=client.sid), b"4a")
    for _ in range(5):
        exchange = connection.expect("POST")
        connection.send(*([post, b"\r\n"] if apart else [post + b"\r\n"]))
        assert exchange.answer.body == b"ok"
        if mixed:
            send_poll(client, connection)
    # Without one again, and cut within it.
    for pieces in ([post], [post + b"\r", b"\n"], [post]):
        exchange = connection.expect("POST")
        connection.send(*pieces)
        assert exchange.answer.body == b"ok"
    assert client.protocol.messages == ["a"] * 8
    pass_time(server, IDLE_TIMEOUT)
    assert connection.is_closed


def test_a_line_end_may_come_while_the_post_waits_for_its_answer(
    server: Server,
) -> None:
    client = server.open_polling()
    connection = server.connect()
    send_poll(client, connection)
    poll = connection.expect()
    connection.send(make_request("GET", server.target(sid=client.sid)), b"\r\n")
    client.session.send("a")
    assert poll.answer.packets == ["4a"]
    server.settle()
    send_poll(client, connection)


# --- requests behind others -----------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_requests_behind_a_parked_poll_wait_for_it(server: Server, whole: bool) -> None:
    client = server.open_polling()
    connection = server.connect()
    target = server.target(sid=client.sid)
    data = make_request("GET", target)
    exchanges = [connection.expect(method) for method in ("GET", "POST", "GET")]
    connection.send(*([data] if whole else [data[:10], data[10:]]))
    connection.send(make_request("POST", target, b"4a") + data)
    assert client.protocol.messages == []
    client.session.send("a")
    assert exchanges[0].answer.packets == ["4a"]
    server.settle()
    assert client.protocol.messages == ["a"]
    assert exchanges[1].answer.body == b"ok"
    assert exchanges[2].is_pending
    client.session.send("b")
    assert exchanges[2].answer.packets == ["4b"]
    server.settle()
    send_poll(client, connection)


@pytest.mark.parametrize("size", [1, 2, 100, 16_000, 16_384, 17_000])
def test_much_behind_a_parked_poll_is_not_read_now(server: Server, size: int) -> None:
    client = server.open_polling()
    connection = server.connect()
    poll = connection.request("GET", server.target(sid=client.sid))
    headers = {"X-Padding": "x" * (size // 2)}
    posts = [connection.expect("POST") for _ in range(3)]
    for _ in posts:
        target = server.target(sid=client.sid)
        connection.send(make_request("POST", target, b"4a", headers))
    assert connection.transport.reading is (3 * (size // 2 + 150) < 0x4000)
    client.session.send("a")
    assert poll.answer.packets == ["4a"]
    server.settle()
    assert [post.answer.body for post in posts] == [b"ok"] * 3
    assert client.protocol.messages == ["a"] * 3
    assert connection.transport.reading
    send_poll(client, connection)


def test_a_client_that_does_not_read_is_not_read_from_until_it_does(
    server: Server,
) -> None:
    client = server.open_polling()
    connection = server.connect()
    target = server.target(sid=client.sid)
    poll = connection.request("GET", target)
    connection.transport.stop_reading()
    client.session.send("x" * 100_000)
    posts = [connection.request("POST", target, b"4a") for _ in range(3)]
    connection.transport.start_reading()
    server.settle()
    assert len(poll.answer.body) == 100_001
    assert [post.answer.body for post in posts] == [b"ok"] * 3
    assert client.protocol.messages == ["a"] * 3
    assert connection.transport.reading


@pytest.mark.parametrize("last", [b"Connection: close", b"connection:Close"])
def test_nothing_is_served_behind_the_last_request(server: Server, last: bytes) -> None:
    client = server.open_polling()
    connection = server.connect()
    post = make_request("POST", server.target(sid=client.sid), b"4a")
    exchange = connection.expect("POST")
    connection.send(post.replace(b"\r\n", b"\r\n%b\r\n" % last, 1))
    assert exchange.answer.body == b"ok"
    # TLS would still read until the client has closed the connection, too.
    protocol: Any = connection.transport.protocol
    protocol.dataReceived(post)
    assert client.protocol.messages == ["a"]


def test_nothing_is_served_after_the_idle_time_out(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    send_poll(client, connection)
    pass_time(server, IDLE_TIMEOUT)
    client.session.send("for the next poll")
    # As above: what comes now has no answer, and is sent again on another connection.
    protocol: Any = connection.transport.protocol
    protocol.dataReceived(make_request("POST", server.target(sid=client.sid), b"4a"))
    protocol.dataReceived(make_request("GET", server.target(sid=client.sid)))
    assert client.protocol.messages == []
    assert client.poll().answer.packets == ["4for the next poll"]


def test_requests_in_pieces_hold_only_themselves_up() -> None:
    server = Server.new(own_site=True)
    client = server.open_polling()
    connection = server.connect()
    were_whole: list[bool] = []
    server.engine.use(
        lambda request: were_whole.append(vars(request).get("received_by") is not None)
    )
    for whole in (True, True, False, True, True, False, False, True):
        send_poll(client, connection, whole=whole)
    assert were_whole == [True, True, False, True, True, False, False, True]
    post = make_request("POST", server.target(sid=client.sid), b"4a")
    # The request behind the line end is not whole, nor are those behind others.
    connection.send(post + b"\r\n", post, post, post * 2, post)
    assert were_whole[8:] == [False, False, True, False, False, True]


# --- upgrades -------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("used", [True, False])
def test_a_connection_becomes_a_websocket(
    server: Server, whole: bool, used: bool
) -> None:
    connection = server.connect()
    if used:
        assert connection.request("GET", server.target()).answer.status == 200
    opening = connection.expect()
    target = server.target("websocket")
    data = make_request("GET", target, None, opening_headers())
    connection.send(*([data] if whole else [data[:10], data[10:]]))
    websocket = WebSocketClient(connection, opening)
    assert websocket.sid
    websocket.send("4a")
    websocket.send("4b")
    protocol = server.application.built[-1]
    assert protocol.messages == ["a", "b"]
    # No time-out of a request is its.
    pass_time(server, 200)
    websocket.send("4c")
    assert protocol.messages == ["a", "b", "c"]
    connection.lose()
    assert ended_with(protocol) is CloseReason.TRANSPORT_CLOSE


@pytest.mark.parametrize("cut", [0, 1, 3, 7])
def test_frames_may_come_right_behind_the_opening_request(
    server: Server, cut: int
) -> None:
    frames = make_frame(TEXT, b"4a") + make_frame(TEXT, b"4b")
    websocket = server.open_websocket(early=frames[:cut])
    websocket.connection.send(frames[cut:])
    websocket.connection.send(make_frame(TEXT, b"4c"))
    assert server.application.only.messages == ["a", "b", "c"]


@pytest.mark.parametrize("early", [b"", make_frame(TEXT, b"2probe")])
def test_a_session_is_upgraded_over_a_connection_that_was_used(
    server: Server, early: bytes
) -> None:
    client = server.open_polling()
    connection = client.handshake.connection
    opening = connection.expect()
    target = server.target("websocket", client.sid)
    connection.send(make_request("GET", target, None, opening_headers()) + early)
    websocket = WebSocketClient(connection, opening)
    if not early:
        websocket.send("2probe")
    assert websocket.packets() == ["3probe"]
    websocket.send("5", "4a")
    assert client.is_upgraded()
    assert client.protocol.messages == ["a"]


def test_an_upgrade_behind_a_parked_poll_waits_for_it(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    poll = connection.request("GET", server.target(sid=client.sid))
    opening = connection.expect()
    target = server.target("websocket", client.sid)
    request = make_request("GET", target, None, opening_headers())
    connection.send(request, make_frame(TEXT, b"2probe"))
    client.session.send("a")
    assert poll.answer.packets == ["4a"]
    server.settle()
    assert WebSocketClient(connection, opening).packets() == ["3probe"]
