"""Frames that are made once for all: they go past the write buffer where they may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doubles import ended_with, has_fired
from tests.wiring import Server, WebSocketClient
from txengineio.errors import CloseReason
from txengineio.server.broadcast import EncodedMessage
from txengineio.testing import RecordingApplication, RecordingProtocol

LARGE = "x" * 100_000


@pytest.fixture
def server(short_path: bool) -> Server:
    return Server.new(short_path=short_path, max_buffered_bytes=1_000_000)


@pytest.fixture
def slow(server: Server) -> WebSocketClient:
    """A client that reads nothing for now."""
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.connection.transport.stop_reading()
    return websocket


def test_what_a_slow_client_does_not_read_is_counted(
    server: Server, slow: WebSocketClient
) -> None:
    session = server.application.only.session
    server.engine.broadcast(LARGE)
    assert not session.writable
    assert session.buffered_bytes >= len(LARGE)
    drained = session.when_drained()
    assert not has_fired(drained)
    slow.connection.transport.start_reading()
    assert has_fired(drained)
    assert session.buffered_bytes == 0
    assert slow.packets() == ["4" + LARGE]


def test_a_client_that_never_reads_ends(server: Server, slow: WebSocketClient) -> None:
    sent = 0
    while server.engine.broadcast(LARGE):
        sent += 1
    assert sent == 9
    assert ended_with(server.application.only) is CloseReason.BUFFER_OVERFLOW
    slow.connection.lose()
    server.assert_nothing_left()


def test_nothing_overtakes_what_waits(server: Server, slow: WebSocketClient) -> None:
    session = server.application.only.session
    session.send(LARGE)
    server.engine.broadcast("second")
    session.send("third")
    slow.connection.transport.start_reading()
    server.engine.broadcast("fourth")
    packets = ["4" + LARGE, "4second", "4third", "4fourth"]
    assert slow.packets() == packets


def test_nothing_overtakes_what_is_collected(short_path: bool) -> None:
    def answer(protocol: RecordingProtocol, message: str | bytes) -> None:
        protocol.session.send("first")
        protocol.session.engine.broadcast("second")
        protocol.session.send("third")

    server = Server.new(RecordingApplication(on_message=answer), short_path=short_path)
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.send("4go")
    assert websocket.packets() == ["4first", "4second", "4third"]


@pytest.mark.parametrize("owner", ["engine", "session"])
def test_who_listens_learns_of_each(owner: str, server: Server) -> None:
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    events: list[str] = []
    emitter: Any = server.engine if owner == "engine" else session
    for event in ("flush", "drain"):
        emitter.on(event, lambda *_arguments, event=event: events.append(event))
    server.engine.broadcast("message")
    assert events == ["flush", "drain"]
    assert websocket.packets() == ["4message"]


def test_what_is_counted_counts_them(server: Server) -> None:
    server.engine.keep_statistics()
    websocket = server.open_websocket()
    server.engine.broadcast("message")
    traffic = server.session(websocket.sid).traffic
    assert traffic is not None
    assert traffic.messages_out == 1
    assert traffic.bytes_out >= len("4message")


@pytest.mark.parametrize("discard", [False, True])
def test_a_session_that_is_over_or_about_to_be_takes_none(
    discard: bool, server: Server, slow: WebSocketClient
) -> None:
    session: Any = server.application.only.session
    session.send(LARGE)
    session.send("waits for the transport")
    session.close(discard=discard)
    message = EncodedMessage("late")
    assert not message.send_to(session)
    slow.connection.transport.start_reading()
    assert not message.send_to(session)
    assert "4late" not in slow.packets()
    slow.connection.lose()
    server.assert_nothing_left()


def test_who_waits_for_one_is_told(server: Server) -> None:
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    carriers: list[Any] = []
    frame = b"\x81\x08" + b"4message"
    session.send("message", pre_encoded_frame=frame, on_flushed=carriers.append)
    assert carriers == [session.transport]
    server.engine.broadcast("another")
    assert has_fired(session.when_flushed())
    assert websocket.packets() == ["4message", "4another"]
