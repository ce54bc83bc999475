"""WebSockets of a server: the same with and without the short path of reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import FlushLoggedErrors
from tests.doubles import echo, ended_by, ended_with, has_fired
from tests.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    make_frame,
    parse_frames,
)
from tests.wiring import Server, WebSocketClient
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication, RecordingProtocol

MakeServer = Callable[..., Server]


@pytest.fixture
def new_server(short_path: bool) -> MakeServer:
    def new(application: RecordingApplication | None = None, **options: Any) -> Server:
        return Server.new(application, short_path=short_path, **options)

    return new


def opened(server: Server) -> tuple[WebSocketClient, RecordingProtocol]:
    """Open a WebSocket session and take its open packet."""
    websocket = server.open_websocket()
    assert websocket.sid in server.engine.sessions
    return websocket, server.application.built[-1]


# --- messages -------------------------------------------------------------------------


@pytest.mark.behaviour("B089", "B092", "B095", "B202", "B203")
@pytest.mark.parametrize(
    "packet",
    ["4hello", "4", "4€", b"\x01\x02\x03\x04", b"", "4" + "a" * 200, b"a" * 70_000],
    ids=["text", "empty", "non-ascii", "binary", "no-bytes", "16-bit", "64-bit"],
)
def test_messages_come_and_go(packet: str | bytes, new_server: MakeServer) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    websocket, protocol = opened(server)
    websocket.send(packet)
    assert protocol.messages == [packet[1:] if isinstance(packet, str) else packet]
    assert websocket.packets() == [packet]


def test_base64_is_taken_from_a_client_that_cannot_send_binary(
    new_server: MakeServer,
) -> None:
    websocket, protocol = opened(new_server())
    websocket.send("bAQIDBA==")
    assert protocol.messages == [b"\x01\x02\x03\x04"]


def test_a_client_that_asked_for_base64_gets_it(new_server: MakeServer) -> None:
    server = new_server()
    websocket = server.open_websocket(b64="1")
    session = server.session(websocket.sid)
    session.send(b"\x01\x02\x03\x04")
    assert websocket.packets() == ["bAQIDBA=="]


@pytest.mark.behaviour("B090", "B091")
def test_what_is_sent_before_close_arrives_in_order(new_server: MakeServer) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    for text in "abc":
        protocol.session.send(text)
    closed = protocol.session.close()
    assert websocket.packets() == ["4a", "4b", "4c"]
    assert websocket.close_frame() == b""
    assert closed.result is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_the_answers_to_one_segment_are_one_write(new_server: MakeServer) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    websocket, _ = opened(server)
    before = len(websocket.connection.transport.writes)
    websocket.send("4a", "4b", "4c")
    assert len(websocket.connection.transport.writes) == before + 1
    assert websocket.packets() == ["4a", "4b", "4c"]


def test_a_message_may_come_in_fragments_with_pings_between(
    new_server: MakeServer,
) -> None:
    websocket, protocol = opened(new_server())
    websocket.send_frame(TEXT, b"4\xe2", fin=False)
    websocket.send_frame(PING, b"?")
    websocket.send_frame(CONTINUATION, b"\x82", fin=False)
    assert protocol.messages == []
    websocket.send_frame(CONTINUATION, b"\xac")
    websocket.send_frame(BINARY, b"\x01", fin=False)
    websocket.send_frame(CONTINUATION, b"\x02")
    assert protocol.messages == ["€", b"\x01\x02"]
    assert websocket.frames() == [(PONG, b"?")]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
def test_frames_may_be_cut_anywhere(step: int, new_server: MakeServer) -> None:
    websocket, protocol = opened(new_server())
    packets = ["4€" * 30, "4" + "a" * 130, "4", "4last"]
    data = b"".join(make_frame(TEXT, packet.encode()) for packet in packets)
    data += make_frame(BINARY, bytes(range(256)) * 260)
    step = step if step < 100 else 1000
    websocket.connection.send(*(data[i : i + step] for i in range(0, len(data), step)))
    assert protocol.messages == [
        *(packet[1:] for packet in packets),
        bytes(range(256)) * 260,
    ]


def test_websocket_pings_have_nothing_to_do_with_the_heartbeat(
    new_server: MakeServer,
) -> None:
    server = new_server(ping_interval=10.0, ping_timeout=5.0)
    websocket, protocol = opened(server)
    for _ in range(15):
        server.advance(1.1)
        websocket.send_frame(PING, b"alive")
    assert ended_with(protocol) is CloseReason.PING_TIMEOUT


@pytest.mark.behaviour("B207", "B208")
def test_heartbeats_go_over_the_websocket(new_server: MakeServer) -> None:
    server = new_server(ping_interval=0.3, ping_timeout=0.2)
    websocket, protocol = opened(server)
    for _ in range(3):
        server.advance(0.31)
        assert websocket.packets() == ["2"]
        websocket.send("3")
    server.advance(0.31)
    assert websocket.packets() == ["2"]
    server.advance(0.25)
    assert websocket.close_code() == 1005
    assert ended_with(protocol) is CloseReason.PING_TIMEOUT
    server.assert_nothing_left()


@pytest.mark.behaviour("B123")
def test_a_frame_that_was_made_before_is_sent_as_it_is(new_server: MakeServer) -> None:
    websocket, protocol = opened(new_server())
    protocol.session.send("test", pre_encoded_frame=b"\x81\x04" + b"4123")
    assert websocket.packets() == ["4123"]


# --- the ways out ---------------------------------------------------------------------


@pytest.mark.behaviour("B053")
@pytest.mark.parametrize("code", [None, 1000, 1001, 3000])
def test_a_close_frame_of_the_client_ends_the_session(
    code: int | None, new_server: MakeServer
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    websocket.close(code)
    assert websocket.close_frame() == (b"" if code is None else code.to_bytes(2, "big"))
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset
    assert ended_with(protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.parametrize("code", [None, 1000, 3000])
@pytest.mark.parametrize("discard", [True, False])
def test_what_a_goodbye_flushes_may_end_the_session(
    code: int | None, discard: bool, new_server: MakeServer
) -> None:
    def answer(protocol: RecordingProtocol, _message: str | bytes) -> None:
        end = lambda *_: protocol.session.close(discard) and None  # noqa: E731
        protocol.session.send("answer", on_flushed=end)

    server = new_server(RecordingApplication(on_message=answer))
    websocket, protocol = opened(server)
    said = b"" if code is None else code.to_bytes(2, "big")
    websocket.connection.send(make_frame(TEXT, b"4a") + make_frame(CLOSE, said))
    frames, _ = parse_frames(websocket.connection.peek())
    assert frames == [(TEXT, b"4answer"), (CLOSE, b"")]
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset
    assert ended_with(protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_a_lost_connection_ends_the_session(new_server: MakeServer) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    websocket.connection.lose()
    assert ended_with(protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B210")
def test_a_goodbye_packet_ends_the_session_at_once(new_server: MakeServer) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    websocket.send("4last", "1", "4too late")
    assert protocol.messages == ["last"]
    assert ended_with(protocol) is CloseReason.TRANSPORT_CLOSE
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


@pytest.mark.behaviour("B072", "B204")
@pytest.mark.parametrize("packet", ["abc", "", "7", "b!!!"])
def test_what_is_no_packet_ends_the_session(
    packet: str, new_server: MakeServer
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    websocket.send("4good", packet, "4too late")
    assert protocol.messages == ["good"]
    assert ended_with(protocol) is CloseReason.PARSE_ERROR
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        (make_frame(TEXT, b"4" * 11), 1009, "Max payload size exceeded"),
        (make_frame(BINARY, b"4" * 11), 1009, "Max payload size exceeded"),
        (
            make_frame(TEXT, b"4" * 6, fin=False) + make_frame(CONTINUATION, b"4" * 6),
            1009,
            "Max payload size exceeded",
        ),
        # The beginning of a frame is enough to know that it is too large.
        (make_frame(TEXT, b"4" * 1000)[:8], 1009, "Max payload size exceeded"),
        (make_frame(TEXT, b"4\xff"), 1007, "websocket error"),
        (make_frame(TEXT, b"4\xff", fin=False), 1007, "websocket error"),
        (make_frame(TEXT, b"4a", mask=None), 1002, "websocket error"),
        (make_frame(TEXT, b"4a", rsv=4), 1002, "websocket error"),
        (make_frame(0x3, b"4a"), 1002, "websocket error"),
        (make_frame(CONTINUATION, b"4a"), 1002, "websocket error"),
        (make_frame(TEXT, b"4a", length_bytes=2), 1002, "websocket error"),
        (make_frame(TEXT, b"4a", length_bytes=8), 1002, "websocket error"),
        (make_frame(PING, b"", fin=False), 1002, "websocket error"),
        (make_frame(PING, b"a" * 126), 1002, "websocket error"),
    ],
)
@pytest.mark.behaviour("B087")
def test_a_frame_that_breaks_a_rule_ends_the_session_with_its_code(
    frame: bytes, code: int, message: str, new_server: MakeServer
) -> None:
    server = new_server(max_http_buffer_size=10)
    websocket, protocol = opened(server)
    websocket.connection.send(make_frame(TEXT, b"4ok") + frame)
    # A code, and not a word more.
    assert websocket.close_frame() == code.to_bytes(2, "big")
    assert protocol.messages == ["ok"]
    assert ended_with(protocol) is CloseReason.TRANSPORT_ERROR
    assert ended_by(protocol) == message
    server.assert_nothing_left()


def test_a_message_of_exactly_the_limit_is_taken(new_server: MakeServer) -> None:
    websocket, protocol = opened(new_server(max_http_buffer_size=10))
    websocket.send("4" + "a" * 9, b"b" * 10)
    assert protocol.messages == ["a" * 9, b"b" * 10]


def test_a_client_that_answers_no_close_frame_is_dropped(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    protocol.session.close()
    assert websocket.close_frame() == b""
    assert not websocket.connection.is_closed
    server.advance(4.9)
    assert not websocket.connection.is_closed
    server.advance(0.2)
    assert websocket.connection.was_reset
    server.assert_nothing_left()


def test_a_client_that_answers_the_close_frame_closes_cleanly(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    protocol.session.close()
    websocket.close()
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset
    server.assert_nothing_left()


def test_what_comes_behind_the_servers_close_frame_is_ignored(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    protocol.session.close()
    websocket.send("4late", "invalid")
    websocket.close()
    assert protocol.messages == []
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset


def test_a_frame_that_was_half_there_when_the_session_ended_is_ignored(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    frame = make_frame(TEXT, b"4" + b"a" * 50)
    websocket.connection.send(frame[:20])
    protocol.session.close()
    assert websocket.close_frame() == b""
    websocket.connection.send(frame[20:])
    websocket.close()
    assert websocket.connection.is_closed
    assert not websocket.connection.was_reset
    assert protocol.messages == []
    server.assert_nothing_left()


def test_close_in_a_message_handler_ignores_the_rest_of_the_segment(
    new_server: MakeServer,
) -> None:
    application = RecordingApplication(
        on_message=lambda protocol, _: protocol.session.close() and None
    )
    server = new_server(application)
    websocket, protocol = opened(server)
    websocket.send("4a", "4b")
    assert protocol.messages == ["a"]
    assert ended_with(protocol) is CloseReason.FORCED_CLOSE
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


def test_an_exception_in_a_handler_does_not_stop_the_next_message(
    new_server: MakeServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    def fail(_protocol: RecordingProtocol, message: str | bytes) -> None:
        if message == "bad":
            raise ZeroDivisionError

    websocket, protocol = opened(new_server(RecordingApplication(on_message=fail)))
    websocket.send("4bad", "4good")
    assert protocol.messages == ["bad", "good"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


# --- a client that does not read ------------------------------------------------------


def congest(websocket: WebSocketClient, protocol: RecordingProtocol) -> None:
    """Let the client stop reading, and send more than the transport buffers."""
    websocket.connection.transport.stop_reading()
    protocol.session.send("a" * 70_000)


def test_what_a_congested_transport_does_not_take_stays_with_the_session(
    new_server: MakeServer,
) -> None:
    websocket, protocol = opened(new_server())
    congest(websocket, protocol)
    for text in ("b", "c"):
        protocol.session.send(text)
    assert [data for _, data in protocol.session.write_buffer] == ["b", "c"]
    websocket.connection.transport.start_reading()
    assert websocket.packets() == ["4" + "a" * 70_000, "4b", "4c"]
    assert protocol.session.write_buffer == []


def test_who_waits_for_a_flush_waits_for_the_congestion_to_end(
    new_server: MakeServer,
) -> None:
    websocket, protocol = opened(new_server())
    session = protocol.session
    flushed: list[str] = []
    websocket.connection.transport.stop_reading()
    session.send("a" * 70_000, on_flushed=lambda _: flushed.append("a"))
    session.send("b", on_flushed=lambda _: flushed.append("b"))
    waiting = session.when_flushed()
    assert flushed == []
    assert not has_fired(waiting)
    websocket.connection.transport.start_reading()
    assert flushed == ["a", "b"]
    assert has_fired(waiting)


def test_when_flushed_alone_waits_for_the_congestion_to_end(
    new_server: MakeServer,
) -> None:
    websocket, protocol = opened(new_server())
    congest(websocket, protocol)
    waiting = protocol.session.when_flushed()
    assert not has_fired(waiting)
    websocket.connection.transport.start_reading()
    assert has_fired(waiting)


def test_close_waits_for_what_a_congested_transport_has_not_taken(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    congest(websocket, protocol)
    protocol.session.send("last")
    closed = protocol.session.close()
    assert not has_fired(closed)
    websocket.connection.transport.start_reading()
    assert websocket.packets() == ["4" + "a" * 70_000, "4last"]
    assert websocket.close_frame() == b""
    assert has_fired(closed)
    server.assert_nothing_left()


def test_a_client_that_never_reads_again_is_found_out(new_server: MakeServer) -> None:
    server = new_server(ping_interval=10.0, ping_timeout=5.0)
    websocket, protocol = opened(server)
    congest(websocket, protocol)
    server.clock.pump([0.5] * 40)
    assert ended_with(protocol) is CloseReason.PING_TIMEOUT
    server.clock.pump([0.5] * 15)
    server.settle()
    assert websocket.connection.was_reset
    server.assert_nothing_left()


def test_a_connection_that_is_lost_while_congested_fails_who_waits(
    new_server: MakeServer,
) -> None:
    server = new_server()
    websocket, protocol = opened(server)
    congest(websocket, protocol)
    failures: list[object] = []
    protocol.session.when_flushed().addErrback(failures.append)
    websocket.connection.lose()
    assert len(failures) == 1
    assert ended_with(protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


# --- an application that takes its time -----------------------------------------------


def test_a_late_application_stops_the_reading_and_starts_it_again(
    new_server: MakeServer,
) -> None:
    done: Deferred[None] = Deferred()

    async def wait(_protocol: RecordingProtocol, _message: str | bytes) -> None:
        if not done.called:
            await done

    server = new_server(RecordingApplication(on_message=wait))
    websocket, protocol = opened(server)
    transport = websocket.connection.transport
    for number in range(33):
        assert transport.is_read()
        websocket.send(f"4{number}")
    assert not transport.is_read()
    websocket.send("4behind")
    assert protocol.messages == ["0"]
    # Nothing is read, so nothing can be missed: this is not the client's fault.
    server.clock.pump([1.0] * 200)
    assert not protocol.session.closed
    done.callback(None)
    server.settle()
    assert transport.is_read()
    assert protocol.messages == [*(str(number) for number in range(33)), "behind"]


def test_a_paused_session_that_is_closed_leaves_nothing(new_server: MakeServer) -> None:
    done: Deferred[None] = Deferred()
    server = new_server(RecordingApplication(on_message=lambda *_: done))
    websocket, protocol = opened(server)
    websocket.send(*(f"4{number}" for number in range(50)))
    protocol.session.close(discard=True)
    assert websocket.close_frame() == b""
    server.advance(6)
    assert websocket.connection.was_reset
    done.callback(None)
    assert protocol.messages == ["0"]
    assert ended_with(protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_what_comes_behind_a_goodbye_is_not_kept(short_path: bool) -> None:
    server = Server.new(short_path=short_path)
    websocket = server.open_websocket()
    protocol: Any = websocket.connection.transport.protocol
    reader = protocol.reader
    websocket.close(1000)
    # TLS would still read until the client has closed the connection, too.
    for _ in range(3):
        reader.receive(b"x" * 1000)
    assert not reader._pieces


def test_a_peer_that_says_goodbye_and_reads_nothing_has_gone(short_path: bool) -> None:
    server = Server.new(short_path=short_path)
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    websocket.connection.transport.stop_reading()
    websocket.close(1000)
    assert has_fired(session.when_closed())
    assert not session.send("lost")
