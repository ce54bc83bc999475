"""Clients that send more than is reasonable: each limit, and what it costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.doubles import RecordingApplication, RecordingProtocol, ended_with
from tests.frames import BINARY, CONTINUATION, PING, PONG, TEXT, make_frame
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason, TransportError

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
