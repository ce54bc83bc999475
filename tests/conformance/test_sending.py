"""What the application learns of what it has sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.memory import Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    open_websocket,
    server_for,
)
from txengineio import Session, SessionClosed


class Callbacks:
    """Remembers which callbacks ran, and with what transport."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []

    def of(self, name: str) -> Callable[[Any], None]:
        return lambda transport: self.ran.append((name, transport.name))


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


@pytest.mark.behaviour("B115")
def test_one_callback_for_one_message_by_polling(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("a", on_flushed=callbacks.of("a"))
    assert callbacks.ran == []
    assert peer.receive() == ["4a"]
    assert callbacks.ran == [("a", "polling")]


@pytest.mark.behaviour("B115")
def test_with_a_parked_poll_the_callback_runs_before_drain(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    PollingPeer(server, revision).poll()
    server.session.on("drain", lambda: callbacks.of("drain")(server.session.transport))
    server.session.send("a", on_flushed=callbacks.of("a"))
    assert [name for name, _ in callbacks.ran] == ["a", "drain"]


@pytest.mark.behaviour("B116")
@pytest.mark.parametrize("parked", [True, False])
def test_sent_as_an_upgrade_starts(
    revision: int, callbacks: Callbacks, parked: bool
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    session = server.session
    session.on(
        "upgrading", lambda transport: session.send("a", on_flushed=callbacks.of("a"))
    )
    poll = peer.poll() if parked else None
    websocket = peer.websocket()
    websocket.send("2probe")
    websocket.send("5")
    if poll is not None:
        assert poll.text in {"4a", "2:4a"}
        assert websocket.received() == ["3probe"]
    else:
        assert websocket.received() == ["3probe", "4a"]
    assert callbacks.ran == [("a", "polling" if parked else "websocket")]


@pytest.mark.behaviour("B117", "B119")
def test_as_many_callbacks_as_messages_by_websocket(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    for name in "abcd":
        server.session.send(name, on_flushed=callbacks.of(name))
    server.advance(0.2)
    assert websocket.received() == ["4a", "4b", "4c", "4d"]
    assert callbacks.ran == [(name, "websocket") for name in "abcd"]


@pytest.mark.behaviour("B118")
def test_sent_at_connection_to_an_upgrading_client(revision: int) -> None:
    def send(session: Session) -> None:
        for name in "abc":
            session.send(name)

    server = server_for(revision, on_connection=send)
    peer = PollingPeer(server, revision)
    websocket = peer.upgrade()
    assert websocket.received() == ["4a", "4b", "4c"]


@pytest.mark.behaviour("B120")
def test_as_many_callbacks_as_messages_by_polling(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    for name in "abcd":
        server.session.send(name, on_flushed=callbacks.of(name))
    assert peer.receive() == ["4a", "4b", "4c", "4d"]
    assert callbacks.ran == [(name, "polling") for name in "abcd"]


@pytest.mark.behaviour("B121")
def test_a_pending_callback_never_runs_after_the_client_closed(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("a", on_flushed=callbacks.of("a"))
    flushed = server.session.when_flushed()
    failures: list[object] = []
    flushed.addErrback(lambda failure: failures.append(failure.value))
    peer.post("1")
    assert peer.poll().status == 400
    server.advance(1)
    assert callbacks.ran == []
    (failure,) = failures
    assert isinstance(failure, SessionClosed)
    assert server.session.write_buffer == []


@pytest.mark.behaviour("B122")
def test_the_callback_of_unsent_data_never_runs(
    revision: int, callbacks: Callbacks
) -> None:
    def send(session: Session) -> None:
        session.send("a")
        session.send("b", on_flushed=callbacks.of("b"))

    server = server_for(revision, on_connection=send)
    PollingPeer(server, revision).post("1")
    assert server.closed == [("transport close", None)]
    assert callbacks.ran == []


@pytest.mark.behaviour("B122")
def test_nothing_is_sent_on_a_closed_session(
    revision: int, callbacks: Callbacks
) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    session = server.session
    session.close()
    assert session.send("late", on_flushed=callbacks.of("late")) is False
    assert websocket.received() == []
    assert callbacks.ran == []


PRE_ENCODED = bytes((0x81, 4)) + b"4123"


def send_pre_encoded(server: Server, revision: int, headers: Any = ()) -> WebSocketPeer:
    websocket = open_websocket(server, revision, headers=headers)
    server.session.send("test", pre_encoded_frame=PRE_ENCODED)
    return websocket


@pytest.mark.behaviour("B123")
def test_a_frame_encoded_beforehand_is_sent_as_it_is(revision: int) -> None:
    websocket = send_pre_encoded(server_for(revision), revision)
    assert websocket.received() == ["4123"]


@pytest.mark.behaviour("B123")
def test_a_frame_encoded_beforehand_is_not_for_polling(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("test", pre_encoded_frame=PRE_ENCODED)
    assert peer.receive() == ["4test"]


@pytest.mark.behaviour("B124")
def test_with_compression_the_message_is_encoded_instead(revision: int) -> None:
    server = server_for(revision, per_message_deflate=True)
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    websocket = send_pre_encoded(server, revision, headers)
    assert websocket.received() == ["4test"]
