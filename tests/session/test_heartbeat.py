"""Heartbeats: when a ping goes out, and when a silent peer is given up."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.doubles import ended_with
from tests.session.sessions import Opened, open_session
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.protocol.packets import PacketType
from txengineio.protocol.states import Role
from txengineio.session.heartbeat import HeartbeatState, heartbeat_for
from txengineio.testing import RecordingApplication, RecordingTransport

PING = (PacketType.PING, None)
PONG = (PacketType.PONG, None)

# RecordingEngine's buckets are half a second wide, pump() goes in tenths: a heartbeat
# may come so much late.
LATE = 0.7


def open_v4(application: RecordingApplication | None = None) -> Opened:
    return open_session(application, ping_interval=10.0, ping_timeout=5.0)


def open_v3(application: RecordingApplication | None = None) -> Opened:
    return open_session(
        application,
        revision=3,
        ping_interval=10.0,
        ping_timeout=5.0,
        allow_eio3=True,
    )


def receive_pong(opened: Opened) -> None:
    opened.session.packet_received(PacketType.PONG, None)


def receive_ping(opened: Opened, data: str | None = None) -> None:
    opened.session.packet_received(PacketType.PING, data)


# --- revision 4: the server pings -----------------------------------------------------


def test_a_ping_goes_out_after_the_interval_not_before() -> None:
    opened = open_v4()
    opened.pump(9.9)
    assert opened.transport.sent == []
    opened.pump(LATE)
    assert opened.transport.sent == [PING]


def test_while_a_pong_is_awaited_no_other_ping_goes_out() -> None:
    opened = open_v4()
    opened.pump(14.9)
    assert opened.transport.sent == [PING]


def test_a_silent_peer_is_given_up_after_the_timeout() -> None:
    opened = open_v4()
    opened.pump(14.9)
    assert not opened.is_over()
    opened.pump(2 * LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    opened.assert_over()


def test_the_next_ping_is_due_an_interval_after_the_pong() -> None:
    opened = open_v4()
    for rounds in (1, 2, 3):
        opened.pump(10 + LATE)
        assert opened.transport.sent == [PING] * rounds
        receive_pong(opened)
    opened.pump(9.9)
    assert opened.transport.sent == [PING] * 3


@pytest.mark.behaviour("B232")
def test_an_unsolicited_pong_puts_the_next_ping_off() -> None:
    opened = open_v4()
    opened.pump(8)
    opened.session.packet_received(PacketType.PONG, "data")
    opened.pump(9.9)
    assert opened.transport.sent == []
    opened.pump(LATE)
    assert opened.transport.sent == [PING]


@pytest.mark.behaviour("B126", "B128")
def test_a_heartbeat_has_its_events() -> None:
    opened = open_v4()
    events: list[object] = []
    opened.session.on("packet_create", lambda *packet: events.append(packet))
    opened.session.on("packet", lambda *packet: events.append(packet))
    opened.session.on("heartbeat", lambda: events.append("heartbeat"))
    opened.pump(11)
    receive_pong(opened)
    assert events == [PING, PONG, "heartbeat"]


@pytest.mark.behaviour("B229")
def test_something_else_than_a_pong_extends_the_timeout_once() -> None:
    opened = open_v4()
    opened.pump(13)
    opened.session.message_received("alive")
    opened.pump(3)
    assert not opened.is_over()
    opened.session.message_received("alive, too")
    opened.pump(3)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    assert opened.protocol.messages == ["alive", "alive, too"]


@pytest.mark.parametrize("packet_type", [PacketType.NOOP, PacketType.UPGRADE])
def test_packets_without_a_meaning_extend_it_as_well(packet_type: PacketType) -> None:
    opened = open_v4()
    opened.pump(13)
    opened.session.packet_received(packet_type, None)
    opened.pump(3)
    assert not opened.is_over()
    opened.session.packet_received(packet_type, None)
    opened.pump(3)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT


def test_a_message_before_the_ping_extends_nothing() -> None:
    opened = open_v4()
    opened.session.message_received("alive")
    opened.pump(15 + 2 * LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT


def test_the_extension_is_there_again_for_the_next_ping() -> None:
    opened = open_v4()
    for _ in range(2):
        opened.pump(12)
        opened.session.message_received("alive")
        opened.pump(4)
        assert not opened.is_over()
        receive_pong(opened)


@pytest.mark.behaviour("B233")
def test_a_ping_from_the_client_is_the_wrong_direction() -> None:
    opened = open_v4()
    receive_ping(opened)
    assert ended_with(opened.protocol) is CloseReason.TRANSPORT_ERROR
    opened.assert_over()


@pytest.mark.parametrize("waited", [11, 14])
def test_an_upgrade_gives_a_running_timeout_its_full_length_again(waited: int) -> None:
    opened = open_v4()
    opened.pump(waited)
    opened.session.move_to(RecordingTransport())
    opened.pump(4.9)
    assert not opened.is_over()
    opened.pump(2 * LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT


def test_an_upgrade_leaves_the_next_ping_where_it_was() -> None:
    opened = open_v4()
    opened.pump(8)
    websocket = RecordingTransport()
    opened.session.move_to(websocket)
    opened.pump(2 + LATE)
    assert websocket.sent == [PING]


def test_a_closing_session_sends_no_ping_but_still_times_out() -> None:
    polling = RecordingTransport("polling", closes_at_once=False)
    opened = open_session(transport=polling, ping_interval=10.0, ping_timeout=5.0)
    opened.session.close()
    opened.pump(14.9)
    assert polling.sent == []
    assert not opened.is_over()
    opened.pump(2 * LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    opened.assert_over()


# --- revision 3: the client pings -----------------------------------------------------


@pytest.mark.behaviour("B224")
@pytest.mark.parametrize("data", [None, "probe", "data"])
def test_a_ping_is_answered_without_its_data(data: str | None) -> None:
    opened = open_v3()
    beats: list[object] = []
    opened.session.on("heartbeat", lambda: beats.append("heartbeat"))
    receive_ping(opened, data)
    assert opened.transport.sent == [PONG]
    assert beats == ["heartbeat"]


@pytest.mark.behaviour("B225")
def test_a_client_that_never_pings_is_given_up_after_interval_and_timeout() -> None:
    opened = open_v3()
    opened.pump(10)
    opened.session.message_received("messages do not count")
    opened.pump(4.9)
    assert not opened.is_over()
    opened.pump(LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    assert opened.transport.sent == []
    opened.assert_over()


def test_each_ping_gives_the_client_the_whole_time_again() -> None:
    opened = open_v3()
    for _ in range(3):
        opened.pump(14.5)
        receive_ping(opened)
    opened.pump(14.9)
    assert not opened.is_over()
    opened.pump(LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT


@pytest.mark.behaviour("B233")
def test_a_pong_from_the_client_is_the_wrong_direction() -> None:
    opened = open_v3()
    receive_pong(opened)
    assert ended_with(opened.protocol) is CloseReason.TRANSPORT_ERROR


def test_an_upgraded_client_that_falls_silent_is_found_out() -> None:
    opened = open_v3()
    opened.pump(10)
    opened.session.move_to(RecordingTransport())
    opened.pump(14.9)
    assert not opened.is_over()
    opened.pump(LATE)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT


# --- how late a session ends ----------------------------------------------------------


@pytest.mark.behaviour("B206")
@pytest.mark.parametrize("revision", [3, 4])
@pytest.mark.parametrize(
    ("interval", "timeout", "late"),
    [(0.3, 0.2, 0.005), (0.9, 0.9, 0.005), (25.0, 20.0, 0.1)],
)
def test_a_silent_peer_is_given_up_in_time_and_never_early(
    revision: int, interval: float, timeout: float, late: float
) -> None:
    for phase in range(23):
        server = Server.new(
            ping_interval=interval, ping_timeout=timeout, allow_eio3=True
        )
        # Nothing that is rounded to is a multiple of this.
        server.clock.advance(phase * 0.00737)
        began = server.clock.seconds()
        server.open_websocket(EIO=str(revision))
        server.clock.advance(interval)
        while server.engine.sessions:
            # Epoll waits for whole milliseconds.
            server.clock.advance(0.001)
        lived = server.clock.seconds() - began
        assert interval + timeout - 1e-5 <= lived <= interval + timeout + late


# --- a session that does not read -----------------------------------------------------


@pytest.mark.parametrize("open_it", [open_v4, open_v3])
def test_a_peer_that_is_not_read_from_is_not_given_up(open_it: object) -> None:
    waiting: Deferred[None] = Deferred()
    application = RecordingApplication(on_message=lambda *_: waiting)
    assert callable(open_it)
    opened: Opened = open_it(application)
    for _ in range(40):
        opened.session.message_received("a")
    assert opened.is_paused()
    opened.pump(100)
    assert not opened.is_over()
    waiting.callback(None)
    assert not opened.is_paused()
    opened.pump(16)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    opened.assert_over()


def test_a_heartbeat_begins_quiet_for_both_roles_and_revisions() -> None:
    for role in Role:
        for revision in (3, 4):
            opened = open_v4()
            heartbeat = heartbeat_for(role, revision)
            opened.session.heartbeat_state = HeartbeatState.AWAITED
            heartbeat.start(opened.session)
            assert opened.session.heartbeat_state is HeartbeatState.QUIET
