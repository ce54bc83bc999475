"""Upgrades: under load, given up, repeated; and the events of packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import LoopingCall

from tests.conformance.frames import Frame
from tests.conformance.memory import Exchange
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    join,
    open_websocket,
    server_for,
    split,
)
from txengineio.protocol.packets import PacketType


@pytest.mark.behaviour("B125")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_the_packet_event_shows_a_message(revision: int, transport: str) -> None:
    seen: list[tuple[Any, ...]] = []
    server = server_for(revision)
    if transport == "polling":
        peer = PollingPeer(server, revision)
        server.session.on("packet", lambda *packet: seen.append(packet))
        peer.post("4a")
    else:
        websocket = open_websocket(server, revision)
        server.session.on("packet", lambda *packet: seen.append(packet))
        websocket.send("4a")
    assert seen == [(PacketType.MESSAGE, "a")]


@pytest.mark.behaviour("B126", "B128")
def test_the_packet_events_show_a_heartbeat(revision: int) -> None:
    seen: list[tuple[str, Any]] = []
    server = server_for(revision, ping_interval=0.1, ping_timeout=0.1)
    websocket = open_websocket(server, revision)
    session = server.session
    session.on("packet", lambda kind, data: seen.append(("packet", kind)))
    session.on("packet_create", lambda kind, data: seen.append(("create", kind)))
    session.on("heartbeat", lambda: seen.append(("heartbeat", None)))
    server.advance(0.12)
    websocket.send("3" if revision == 4 else "2")
    expected: list[tuple[str, Any]] = [
        ("create", PacketType.PING),
        ("packet", PacketType.PONG),
        ("heartbeat", None),
    ]
    if revision == 3:
        expected = [("packet", PacketType.PING), ("create", PacketType.PONG)]
        seen.remove(("heartbeat", None))
    assert seen == expected


@pytest.mark.behaviour("B127")
def test_the_packet_create_event_comes_before_the_message_is_sent(
    revision: int,
) -> None:
    seen: list[tuple[Any, ...]] = []
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    server.session.on(
        "packet_create", lambda *packet: seen.append((packet, websocket.received()))
    )
    server.session.send("a")
    assert seen == [((PacketType.MESSAGE, "a"), [])]
    assert websocket.received() == ["4a"]


@pytest.mark.behaviour("B125")
def test_the_data_event_comes_before_the_message_event(revision: int) -> None:
    seen: list[tuple[str, Any]] = []
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    for name in ("message", "data", "packet"):
        server.session.on(name, lambda *args, name=name: seen.append((name, args[-1])))
    peer.post("4a")
    assert seen == [("packet", "a"), ("data", "a"), ("message", "a")]


class Upgrader:
    """A client that sends numbers while it upgrades, as a real one would."""

    def __init__(self, peer: PollingPeer) -> None:
        self.peer = peer
        self.received: list[str] = []
        self.websocket: WebSocketPeer | None = None
        self.upgraded = False
        self._sent = 0
        self._poll: Exchange | None = None

    def step(self, number: int) -> None:
        """Live for a moment: take what has come, then send a number."""
        self._take_poll()
        if number == 15:
            self.websocket = self.peer.websocket()
            self.websocket.send("2probe")
        elif self.websocket is not None and not self.upgraded and self._poll is None:
            self.upgraded = True
            self.websocket.send("5")
        if number <= 50:
            self._send(f"4{number}")
        if self.upgraded:
            assert self.websocket is not None
            self.received += map(str, self.websocket.received())

    def _take_poll(self) -> None:
        if self._poll is not None and self._poll.answered:
            self.received += split(self.peer.revision, self._poll.text)
            self._poll = None
        # Polling is paused once the probe was sent; a pending poll may still end.
        if self._poll is None and self.websocket is None:
            self._poll = self.peer.poll()

    def _send(self, packet: str) -> None:
        if self.upgraded and self.websocket is not None:
            self.websocket.send(packet)
        else:
            assert self.peer.post(packet).status == 200


@pytest.mark.behaviour("B129")
def test_an_upgrade_under_load(revision: int) -> None:
    seen: list[tuple[str, str]] = []
    server = server_for(revision)
    client = Upgrader(PollingPeer(server, revision))
    session = server.session
    session.on("upgrade", lambda to: seen.append((to.name, session.transport.name)))
    numbers = iter(range(1, 51))
    loop = LoopingCall(lambda: session.send(str(next(numbers))))
    loop.clock = server.clock
    loop.start(0.002).addErrback(lambda failure: failure.trap(StopIteration))
    for number in range(1, 80):
        client.step(number)
        server.advance(0.004)
    assert client.upgraded
    expected = [str(number) for number in range(1, 51)]
    assert server.messages == expected
    received = [packet for packet in client.received if packet not in {"6", "3probe"}]
    assert received == [f"4{number}" for number in expected]
    assert session.request.query["transport"] == "polling"
    assert seen == [("websocket", "websocket")]
    assert session.upgraded
    assert client.websocket is not None
    client.websocket.close()
    assert server.closed == [("transport close", None)]


def send(*messages: str | bytes) -> Callable[[WebSocketPeer], None]:
    return lambda websocket: websocket.send(*messages)


WRONG_FRAMES = ["4early", "2", "2prob", "3probe", "1", "6", "x", "", b"\x04a", "0"]


@pytest.mark.behaviour("B238")
@pytest.mark.parametrize("frame", WRONG_FRAMES, ids=repr)
@pytest.mark.parametrize("probed", [False, True])
def test_a_wrong_frame_cancels_an_upgrade(
    revision: int, frame: str | bytes, probed: bool
) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    websocket.send(*(["2probe"] if probed else []), frame)
    assert websocket.close_code == 1005
    assert_a_new_attempt_succeeds(peer)


@pytest.mark.behaviour("B238")
@pytest.mark.parametrize(
    "failure",
    [
        lambda websocket: websocket.server.advance(10.1),
        lambda websocket: websocket.connection.abort(),
        lambda websocket: websocket.close(),
        lambda websocket: websocket.send_frames(Frame(opcode=3)),
        send("4" + "x" * 1_000_001),
    ],
    ids=["too slow", "lost", "closed", "broken", "too big"],
)
@pytest.mark.parametrize("probed", [False, True])
def test_a_lost_websocket_cancels_an_upgrade(
    revision: int, probed: bool, failure: Callable[[WebSocketPeer], None]
) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    if probed:
        websocket.send("2probe")
    failure(websocket)
    assert websocket.closed
    assert_a_new_attempt_succeeds(peer)


def assert_a_new_attempt_succeeds(peer: PollingPeer) -> None:
    assert peer.post("4still polling").status == 200
    assert peer.receive() == ["4still polling"]
    websocket = peer.upgrade()
    websocket.send("4upgraded")
    assert websocket.received() == ["4upgraded"]
    assert peer.server.closed == []


@pytest.mark.behaviour("B238")
def test_a_second_attempt_beside_the_first_is_closed(revision: int) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    first = peer.websocket()
    second = peer.websocket()
    assert second.closed
    first.send("2probe", "5")
    first.send("4a")
    assert first.received() == ["3probe", "4a"]


@pytest.mark.behaviour("B211", "B227")
def test_polling_stays_in_use_while_an_upgrade_is_probed(revision: int) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    websocket.send("2probe")
    assert peer.post("4a").status == 200
    assert peer.receive() == ["4a"]
    for _ in range(3):
        poll = peer.poll()
        assert poll.pending
        server.advance(0.105)
        assert poll.text == join(revision, "6")
    websocket.send("2probe")
    assert websocket.received() == ["3probe", "3probe"]


@pytest.mark.behaviour("B211", "B227")
def test_a_poll_that_is_parked_at_the_switch_is_ended_with_a_noop(
    revision: int,
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    websocket.send("2probe")
    poll = peer.poll()
    websocket.send("5")
    assert poll.text == join(revision, "6")
    assert not websocket.closed


@pytest.mark.behaviour("B075")
def test_a_poll_that_is_lost_during_an_upgrade_ends_the_session(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    websocket.send("2probe")
    peer.poll().connection.abort()
    assert server.closed[0][0] == "transport error"
    assert websocket.closed


@pytest.mark.behaviour("B008")
def test_a_session_that_began_on_websocket_takes_no_other(revision: int) -> None:
    server = server_for(revision, echo=True)
    first = open_websocket(server, revision)
    target = f"?EIO={revision}&transport=websocket&sid={first.sid}"
    second = WebSocketPeer(server, target)
    second.send("2probe", "5")
    assert second.closed
    first.send("4a")
    assert first.received() == ["4a"]


@pytest.mark.behaviour("B238")
def test_an_upgrade_while_a_pong_is_awaited_gives_it_its_time_again() -> None:
    server = server_for(4, ping_interval=0.3, ping_timeout=0.2)
    peer = PollingPeer(server)
    server.advance(0.4)
    websocket = peer.upgrade()
    server.advance(0.15)
    assert server.closed == []
    server.advance(0.1)
    assert server.closed == [("ping timeout", None)]
    assert websocket.closed
