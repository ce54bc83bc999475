"""Clients that send more than is reasonable: each limit, and what it costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.doubles import ended_with
from tests.frames import BINARY, CONTINUATION, PING, PONG, TEXT, make_frame
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason, TransportError
from txengineio.testing import RecordingApplication, RecordingProtocol

MakeServer = Callable[..., Server]


@pytest.fixture
def websocket_server(short_path: bool) -> MakeServer:
    def new(application: RecordingApplication | None = None, **options: Any) -> Server:
        return Server.new(application, short_path=short_path, **options)

    return new


def problem_of(protocol: RecordingProtocol) -> str:
    (failure,) = protocol.lost
    problem = failure.value.description  # type: ignore[union-attr]
    assert isinstance(problem, TransportError)
    return str(problem)


# --- packets in a payload -------------------------------------------------------------


@pytest.mark.parametrize("revision", [3, 4])
def test_too_many_packets_in_a_payload(new_server: NewServer, revision: int) -> None:
    server = new_server(max_packets_per_payload=100, allow_eio3=True)
    client = server.open_polling(EIO=str(revision)) if revision == 4 else None
    if client is None:
        server.request(EIO="3")
        (sid,) = server.engine.sessions
        body = b"2:4a" * 101
    else:
        sid = client.sid
        body = b"\x1e".join([b"4a"] * 101)
    post = server.request("POST", sid=sid, body=body, EIO=str(revision))
    assert post.answer.status == 413
    protocol = server.application.only
    assert ended_with(protocol) is CloseReason.TRANSPORT_ERROR
    assert problem_of(protocol) == (
        "too many packets in a payload (at most 100 are allowed)"
    )
    # As with a packet that cannot be read: what came before it counts.
    assert protocol.messages == ["a"] * 100


def test_as_many_packets_as_are_allowed(new_server: NewServer) -> None:
    server = new_server(max_packets_per_payload=100)
    client = server.open_polling()
    assert client.post(*["4a"] * 100).answer.text == "ok"
    assert len(client.protocol.messages) == 100


def test_many_packets_are_allowed_unless_told_otherwise(new_server: NewServer) -> None:
    client = new_server().open_polling()
    assert client.post(*["4a"] * 10_000).answer.text == "ok"
    assert len(client.protocol.messages) == 10_000


# --- messages that wait for the application -------------------------------------------


def test_reading_pauses_when_as_many_messages_wait_as_may(
    websocket_server: MakeServer,
) -> None:
    done: list[Deferred[None]] = []

    def wait(_protocol: RecordingProtocol, _message: object) -> Deferred[None]:
        done.append(Deferred())
        return done[-1]

    server = websocket_server(
        RecordingApplication(on_message=wait), max_pending_messages=3
    )
    websocket = server.open_websocket()
    transport = websocket.connection.transport
    websocket.send("41", "42", "43")
    assert transport.is_read()
    websocket.send("44")
    assert not transport.is_read()
    for _ in range(4):
        done[-1].callback(None)
    assert transport.is_read()
    assert server.application.only.messages == ["1", "2", "3", "4"]


# --- fragments ------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_too_many_fragments(websocket_server: MakeServer, payload: bytes) -> None:
    server = websocket_server(max_message_fragments=100)
    websocket = server.open_websocket()
    websocket.send_frame(BINARY, b"", fin=False)
    for _ in range(99):
        websocket.send_frame(CONTINUATION, payload, fin=False)
    assert websocket.close_code() is None
    websocket.send_frame(CONTINUATION, payload, fin=False)
    assert websocket.close_code() == 1008
    protocol = server.application.only
    assert ended_with(protocol) is CloseReason.TRANSPORT_ERROR
    assert problem_of(protocol).startswith("too many fragments in a message")


def test_each_message_may_have_as_many_fragments(websocket_server: MakeServer) -> None:
    server = websocket_server(max_message_fragments=3)
    websocket = server.open_websocket()
    for _ in range(5):
        websocket.send_frame(TEXT, b"4a", fin=False)
        websocket.send_frame(PING, b"")
        websocket.send_frame(CONTINUATION, b"b", fin=False)
        websocket.send_frame(CONTINUATION, b"c")
    assert server.application.only.messages == ["abc"] * 5


def test_an_upgrade_that_sends_too_many_fragments_is_cancelled(
    websocket_server: MakeServer,
) -> None:
    server = websocket_server(max_message_fragments=3)
    client = server.open_polling()
    websocket = client.open_websocket()
    websocket.send_frame(TEXT, b"2probe", fin=False)
    for _ in range(3):
        websocket.send_frame(CONTINUATION, b"", fin=False)
    assert websocket.close_code() == 1008
    assert client.session.closed is None
    assert client.session.upgrade_attempt is None


@pytest.mark.parametrize("is_fragmented", [False, True])
def test_a_frame_in_crumbs_takes_little_more_than_its_size(
    websocket_server: MakeServer, is_fragmented: bool
) -> None:
    server = websocket_server()
    websocket = server.open_websocket()
    frame = make_frame(BINARY, bytes(range(256)) * 250, fin=not is_fragmented)
    protocol = websocket.connection.transport.protocol
    tracemalloc.start()
    try:
        for start in range(0, len(frame) - 2, 2):
            protocol.dataReceived(frame[start : start + 2])
        memory, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Kept apart they would take more than a megabyte.
    assert memory < 400_000
    websocket.connection.send(frame[-2:])
    if is_fragmented:
        websocket.send_frame(CONTINUATION, b"")
    assert server.application.only.messages == [bytes(range(256)) * 250]


# --- tiny frames ----------------------------------------------------------------------

TINY = {
    "ping": make_frame(PING, b""),
    "pong": make_frame(PONG, b"a" * 100),
    "fragment": make_frame(CONTINUATION, b"a", fin=False),
}


@pytest.mark.parametrize("tiny", TINY.values(), ids=TINY)
def test_tiny_frames_that_come_too_fast(
    websocket_server: MakeServer, tiny: bytes
) -> None:
    server = websocket_server(max_tiny_frames_per_second=100)
    websocket = server.open_websocket()
    lines: list[str] = []

    @provider(ILogObserver)
    def observer(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observer)
    try:
        websocket.send("4first")
        websocket.send_frame(BINARY, b"", fin=False)
        websocket.connection.send(tiny * 200)
        server.advance(1)
        websocket.connection.send(tiny * 100)
        assert websocket.close_code() is None
        websocket.connection.send(tiny * 100)
    finally:
        globalLogPublisher.removeObserver(observer)
    # A code, and not a word more.
    assert websocket.close_frame() == (1008).to_bytes(2, "big")
    protocol = server.application.only
    assert protocol.messages == ["first"]
    assert ended_with(protocol) is CloseReason.TRANSPORT_ERROR
    assert problem_of(protocol) == (
        "too many control frames and tiny fragments "
        "(at most 100 in a second are allowed)"
    )
    (line,) = lines
    assert "max_tiny_frames_per_second" in line
    # What it sends then is not even looked at, but its answer is.
    websocket.connection.send(tiny * 1000)
    websocket.close(1008)
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset
    server.assert_nothing_left()


def test_a_client_that_floods_and_does_not_answer_is_dropped(
    websocket_server: MakeServer,
) -> None:
    server = websocket_server(max_tiny_frames_per_second=100)
    websocket = server.open_websocket()
    websocket.connection.send(make_frame(PING, b"") * 300)
    server.advance(4.9)
    websocket.connection.send(make_frame(PING, b"") * 300)
    assert not websocket.connection.is_closed
    server.advance(0.2)
    assert websocket.connection.was_reset
    server.assert_nothing_left()


@pytest.mark.parametrize("revision", [3, 4])
def test_ordinary_clients_never_meet_the_limit(
    websocket_server: MakeServer, revision: int
) -> None:
    server = websocket_server(allow_eio3=True, max_http_buffer_size=5_000_000)
    websocket = server.open_websocket(EIO=str(revision))
    protocol = server.application.only
    large = bytes(4_000_000)
    for _ in range(3):
        # Heartbeats are messages to a WebSocket; revision 3's come from the client.
        websocket.send(*["2" if revision == 3 else "4a"] * 500)
        # 4 kB at a time, as proxies do it, and a rest.
        for start in range(0, len(large), 4096):
            websocket.send_frame(
                CONTINUATION if start else BINARY,
                large[start : start + 4096],
                fin=False,
            )
        websocket.send_frame(CONTINUATION, b"")
        # As many as one message may have.
        websocket.send_frame(TEXT, b"4", fin=False)
        one = make_frame(CONTINUATION, b"a", fin=False)
        websocket.connection.send(one * 6000, make_frame(CONTINUATION, b"a"))
        for _ in range(500):
            websocket.send_frame(PING, b"how long does it take?")
        server.advance(1)
    assert protocol.messages[-1] == "a" * 6001
    assert websocket.close_code() is None


# --- pings ----------------------------------------------------------------------------


def test_pings_whose_answers_nobody_reads_do_not_pile_up(
    websocket_server: MakeServer,
) -> None:
    server = websocket_server()
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    transport = websocket.connection.transport
    transport.stop_reading()
    session.send("x" * 70_000)
    for number in range(1000):
        websocket.send_frame(PING, b"%d" % number)
    transport.start_reading()
    # As RFC 6455, section 5.5.3, has it: the latest one is answered.
    (_, message), *pongs = websocket.frames()
    assert len(message) == 70_001
    assert pongs == [(PONG, b"999")]
    websocket.send_frame(PING, b"again")
    assert websocket.frames() == [(PONG, b"again")]


def test_probes_whose_answers_nobody_reads_end_the_attempt(
    websocket_server: MakeServer,
) -> None:
    server = websocket_server()
    client = server.open_polling()
    websocket = client.open_websocket()
    websocket.connection.transport.stop_reading()
    for _ in range(20):
        websocket.send(*["2probe"] * 1000)
        if client.session.upgrade_attempt is None:
            break
    assert client.session.upgrade_attempt is None
    assert client.session.closed is None


# --- headers and queries --------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("&x=" + "a" * 17_000, {}),
        ("", {"X-Long": "a" * 17_000}),
        ("", {f"X-{number}": "" for number in range(600)}),
    ],
)
def test_a_request_with_too_much_in_its_head_is_refused(
    new_server: NewServer, query: str, headers: dict[str, str]
) -> None:
    server = new_server()
    connection = server.connect()
    target = server.target() + query
    exchange = connection.request("GET", target, None, headers)
    # Twisted does this; one line that is too long it does not even answer.
    assert connection.is_closed
    assert exchange.is_pending or exchange.answer.status == 400
    assert server.application.built == []


def test_a_query_of_many_parameters_takes_no_time(new_server: NewServer) -> None:
    server = new_server()
    target = server.target() + "&a" * 7000 + "&=" * 400
    assert server.connect().request("GET", target).answer.status == 200
