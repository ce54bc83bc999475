"""The upgrade from polling to WebSocket: in every order, and every way to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import FlushLoggedErrors
from tests.doubles import ended_with
from tests.frames import CONTINUATION, PING, PONG, TEXT, make_frame
from tests.wiring import PollingClient, Server, WebSocketClient
from txengineio.errors import CloseReason
from txengineio.protocol.packets import PacketType
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.transports.upgrade import NOOP_INTERVAL, UpgradeAttempt
from txengineio.testing import RecordingApplication, RecordingProtocol


@pytest.fixture
def server(short_path: bool) -> Server:
    def echo(protocol: RecordingProtocol, message: str | bytes) -> None:
        protocol.session.send(message)

    return Server.new(RecordingApplication(on_message=echo), short_path=short_path)


def probed(client: PollingClient) -> WebSocketClient:
    websocket = client.open_websocket()
    websocket.send("2probe")
    assert websocket.packets() == ["3probe"]
    return websocket


def assert_still_polling(client: PollingClient) -> None:
    """Assert that the session is where it was, and that it can still be upgraded."""
    session = client.session
    assert not client.is_upgraded()
    assert session.upgrade_attempt is None
    assert client.post("4usable").answer.body == b"ok"
    assert client.poll().answer.packets == ["4usable"]
    websocket = client.upgrade()
    websocket.send("4moved")
    assert websocket.packets() == ["4moved"]


# --- the good cases -------------------------------------------------------------------


@pytest.mark.behaviour("B144", "B211")
def test_an_upgrade_moves_the_session(server: Server) -> None:
    client = server.open_polling()
    events: list[object] = []
    session = client.session
    session.on("upgrading", lambda transport: events.append(("upgrading", transport)))
    session.on("upgrade", lambda transport: events.append(("upgrade", transport)))
    session.on("packet", lambda *packet: events.append(packet))
    websocket = probed(client)
    assert not client.is_upgraded()
    poll = client.poll()
    server.advance(NOOP_INTERVAL)
    assert poll.answer.packets == ["6"]
    websocket.send("5")
    assert client.is_upgraded()
    assert session.transport.name == "websocket"
    assert events == [
        ("upgrading", session.transport),
        ("upgrade", session.transport),
    ]
    websocket.send("4hello")
    assert websocket.packets() == ["4hello"]
    assert session.request.query["transport"] == "polling"
    websocket.close()
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B212")
def test_probe_and_upgrade_may_come_together_with_the_request(server: Server) -> None:
    client = server.open_polling()
    early = b"".join(make_frame(TEXT, text) for text in (b"2probe", b"5", b"4hello"))
    websocket = client.open_websocket(early)
    assert websocket.packets() == ["3probe", "4hello"]
    assert client.poll().answer.json["code"] == 3
    websocket.send("4again")
    assert websocket.packets() == ["4again"]


def test_an_upgrade_without_a_probe_is_taken(server: Server) -> None:
    client = server.open_polling()
    websocket = client.open_websocket()
    websocket.send("5", "4hello")
    assert websocket.packets() == ["4hello"]
    assert client.is_upgraded()


def test_a_second_probe_is_answered_like_the_first(server: Server) -> None:
    client = server.open_polling()
    events: list[object] = []
    client.session.on("upgrading", events.append)
    websocket = probed(client)
    websocket.send("2probe")
    assert websocket.packets() == ["3probe"]
    assert len(events) == 2
    websocket.send("5")
    assert client.is_upgraded()


def test_websocket_pings_and_fragments_do_not_disturb_it(server: Server) -> None:
    client = server.open_polling()
    websocket = client.open_websocket()
    websocket.send_frame(TEXT, b"2pr", fin=False)
    websocket.send_frame(PING, b"?")
    websocket.send_frame(CONTINUATION, b"obe")
    assert websocket.frames() == [(PONG, b"?"), (TEXT, b"3probe")]
    websocket.send("5")
    assert client.is_upgraded()


def test_polling_stays_in_use_until_the_upgrade_is_done(server: Server) -> None:
    client = server.open_polling()
    websocket = probed(client)
    assert client.post("4question").answer.body == b"ok"
    assert client.poll().answer.packets == ["4question"]
    poll = client.poll()
    client.session.send("at once")
    assert poll.answer.packets == ["4at once"]
    websocket.send("5")
    assert websocket.packets() == []


def test_every_poll_is_ended_on_the_references_cadence(server: Server) -> None:
    client = server.open_polling()
    websocket = probed(client)
    for _ in range(3):
        poll = client.poll()
        server.advance(NOOP_INTERVAL * 0.9)
        assert poll.is_pending
        server.advance(NOOP_INTERVAL * 0.1)
        assert poll.answer.packets == ["6"]
    # Nothing happens without a poll.
    server.advance(NOOP_INTERVAL * 3)
    websocket.send("5")
    assert client.is_upgraded()


def test_before_the_probe_no_poll_is_ended(server: Server) -> None:
    client = server.open_polling()
    client.open_websocket()
    poll = client.poll()
    server.advance(1)
    assert poll.is_pending


def test_a_poll_that_is_parked_at_the_end_gets_a_noop_not_a_goodbye(
    server: Server,
) -> None:
    client = server.open_polling()
    websocket = probed(client)
    poll = client.poll()
    websocket.send("5")
    assert poll.answer.packets == ["6"]
    assert client.is_upgraded()


def test_what_was_buffered_comes_first_and_in_order(server: Server) -> None:
    client = server.open_polling()
    flushed: list[object] = []
    client.session.send("a", on_flushed=flushed.append)
    websocket = probed(client)
    client.session.send("b", on_flushed=flushed.append)
    client.session.on("upgrade", lambda _: client.session.send("c"))
    assert websocket.packets() == []
    websocket.send("5", "4d")
    assert websocket.packets() == ["4a", "4b", "4c", "4d"]
    assert flushed == [client.session.transport] * 2


def test_what_was_posted_before_is_delivered_before(server: Server) -> None:
    client = server.open_polling()
    websocket = probed(client)
    client.post("4a", "4b")
    websocket.send("5", "4c")
    assert client.protocol.messages == ["a", "b", "c"]


@pytest.mark.behaviour("B129")
def test_no_message_is_lost_or_doubled_under_load(server: Server) -> None:
    client = server.open_polling()
    session = client.session
    received: list[str | bytes] = []
    numbers = iter(range(1000))

    def send_some() -> None:
        for _ in range(3):
            session.send(str(next(numbers)))

    def poll() -> None:
        received.extend(client.poll().answer.packets)

    send_some()
    poll()
    websocket = client.open_websocket()
    send_some()
    poll()
    websocket.send("2probe")
    send_some()
    poll()
    send_some()
    websocket.send("5")
    send_some()
    received += websocket.packets()
    expected = [f"4{number}" for number in range(15)]
    assert [packet for packet in received if packet != "3probe"] == expected


# --- the failures ---------------------------------------------------------------------


@pytest.mark.behaviour("B238")
@pytest.mark.parametrize("after_probe", [False, True])
@pytest.mark.parametrize(
    "packet",
    ["4message", "2", "2prob", "3probe", "1", "6", "0", "invalid", "", b"binary"],
)
def test_a_wrong_packet_cancels_it(
    packet: str | bytes, after_probe: bool, server: Server
) -> None:
    client = server.open_polling()
    websocket = probed(client) if after_probe else client.open_websocket()
    websocket.send(packet, "5")
    assert websocket.close_frame() == b""
    assert client.protocol.messages == []
    assert_still_polling(client)


@pytest.mark.behaviour("B075", "B238")
@pytest.mark.parametrize("after_probe", [False, True])
def test_it_may_not_take_longer_than_its_time(
    after_probe: bool, server: Server
) -> None:
    client = server.open_polling()
    websocket = client.open_websocket()
    server.advance(9)
    if after_probe:
        # The time runs from the opening of the WebSocket, not from the probe.
        websocket.send("2probe")
    server.advance(0.9)
    assert websocket.close_frame() is None
    server.advance(0.2)
    assert websocket.close_frame() == b""
    assert_still_polling(client)


@pytest.mark.behaviour("B238")
@pytest.mark.parametrize("after_probe", [False, True])
@pytest.mark.parametrize(
    "lose",
    [
        lambda websocket: websocket.connection.lose(),
        lambda websocket: websocket.close(),
        lambda websocket: websocket.send_frame(TEXT, b"4" * 1_000_001),
        lambda websocket: websocket.send_frame(TEXT, b"5", mask=None),
        lambda websocket: websocket.send_frame(TEXT, b"\xff"),
    ],
    ids=["lost", "closed", "too-big", "unmasked", "not-utf-8"],
)
def test_a_websocket_that_goes_away_cancels_it(
    lose: Callable[[WebSocketClient], None], after_probe: bool, server: Server
) -> None:
    client = server.open_polling()
    websocket = probed(client) if after_probe else client.open_websocket()
    lose(websocket)
    assert_still_polling(client)


@pytest.mark.behaviour("B007")
def test_bytes_that_are_no_frame_behind_the_request_cancel_it(server: Server) -> None:
    client = server.open_polling()
    websocket = client.open_websocket(b"test")
    assert websocket.close_code() == 1002
    assert_still_polling(client)


@pytest.mark.parametrize("after_probe", [False, True])
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda client: client.post("1"), CloseReason.TRANSPORT_CLOSE),
        (lambda client: client.post("invalid"), CloseReason.PARSE_ERROR),
        (lambda client: client.poll().abort(), CloseReason.TRANSPORT_ERROR),
        (lambda client: client.session.close(discard=True), CloseReason.FORCED_CLOSE),
    ],
)
def test_the_sessions_end_closes_the_websocket(
    end: Callable[[PollingClient], Any],
    reason: CloseReason,
    after_probe: bool,
    server: Server,
) -> None:
    client = server.open_polling()
    websocket = probed(client) if after_probe else client.open_websocket()
    end(client)
    assert ended_with(client.protocol) is reason
    assert websocket.close_frame() == b""
    websocket.send("5", "4too late")
    websocket.close()
    assert client.protocol.messages == []
    server.assert_nothing_left()


def test_a_heartbeat_that_fails_closes_the_websocket(short_path: bool) -> None:
    server = Server.new(
        short_path=short_path, ping_interval=1.0, ping_timeout=1.0, upgrade_timeout=60.0
    )
    client = server.open_polling()
    websocket = probed(client)
    server.clock.pump([0.1] * 30)
    assert ended_with(client.protocol) is CloseReason.PING_TIMEOUT
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


@pytest.mark.behaviour("B074")
def test_close_in_the_upgrading_event_closes_both(server: Server) -> None:
    client = server.open_polling()
    poll = client.poll()
    session = client.session
    session.on("upgrading", lambda _: session.close())
    websocket = client.open_websocket()
    websocket.send("2probe")
    assert websocket.packets() == ["3probe"]
    assert websocket.close_frame() == b""
    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_close_in_the_upgrade_event_closes_the_websocket(server: Server) -> None:
    client = server.open_polling()
    session = client.session
    session.on("upgrade", lambda _: session.close())
    websocket = client.upgrade()
    assert websocket.close_frame() == b""
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_close_during_an_attempt_ends_a_parked_poll_and_the_websocket(
    server: Server,
) -> None:
    client = server.open_polling()
    websocket = probed(client)
    poll = client.poll()
    client.session.close()
    assert poll.answer.packets == ["1"]
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


@pytest.mark.parametrize("buffered", [False, True])
def test_close_without_a_poll_lets_the_upgrade_complete_and_then_closes(
    buffered: bool, server: Server
) -> None:
    client = server.open_polling()
    websocket = client.open_websocket()
    if buffered:
        client.session.send("last words")
    client.session.close()
    websocket.send("2probe")
    assert websocket.packets() == ["3probe"]
    websocket.send("5")
    assert websocket.packets() == (["4last words"] if buffered else [])
    assert websocket.close_frame() == b""
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_the_end_of_the_session_while_its_websocket_opens_leaves_nothing(
    server: Server,
) -> None:
    client = server.open_polling()
    session = client.session
    server.engine.on("headers", lambda *_: session.close(discard=True))
    websocket = client.open_websocket()
    assert websocket.close_frame() == b""
    server.assert_nothing_left()


# --- websockets that are too many -----------------------------------------------------


def test_a_second_websocket_is_closed_and_the_first_attempt_goes_on(
    server: Server,
) -> None:
    client = server.open_polling()
    first = probed(client)
    second = client.open_websocket(make_frame(TEXT, b"5"))
    assert second.close_frame() == b""
    first.send("5", "4hello")
    assert first.packets() == ["4hello"]


@pytest.mark.behaviour("B008", "B213")
def test_after_the_upgrade_another_websocket_is_closed(server: Server) -> None:
    client = server.open_polling()
    first = client.upgrade()
    second = client.open_websocket(make_frame(TEXT, b"2probe"))
    assert second.close_frame() == b""
    first.send("4hello")
    assert first.packets() == ["4hello"]


def test_a_session_that_was_born_on_websocket_takes_no_other(server: Server) -> None:
    first = server.open_websocket()
    second = server.open_websocket(first.sid)
    assert second.close_frame() == b""
    first.send("4hello")
    assert first.packets() == ["4hello"]


def test_without_allow_upgrades_it_is_refused() -> None:
    server = Server.new(allow_upgrades=False)
    client = server.open_polling()
    assert '"upgrades":[]' in client.handshake.answer.text
    websocket = client.open_websocket()
    assert websocket.opening.answer.status == 400
    assert websocket.opening.answer.json["code"] == 3
    client.session.send("a")
    assert client.poll().answer.packets == ["4a"]


@pytest.mark.parametrize("sid", ["unknown", "__proto__"])
def test_an_unknown_session_cannot_be_upgraded(sid: str) -> None:
    answer = Server.new().open_websocket(sid).opening.answer
    assert (answer.status, answer.json["code"]) == (400, 1)


@pytest.mark.behaviour("B228")
def test_an_upgrade_must_keep_the_protocol_revision() -> None:
    client = Server.new().open_polling()
    answer = client.open_websocket(EIO="3").opening.answer
    assert (answer.status, answer.json["code"]) == (400, 3)
    client.upgrade()


def test_after_the_upgrade_polling_is_refused_and_harms_nothing(
    server: Server,
) -> None:
    client = server.open_polling()
    websocket = client.upgrade()
    for refused in (client.poll(), client.post("4a"), client.post("1")):
        assert (refused.answer.status, refused.answer.json["code"]) == (400, 3)
    websocket.send("4hello")
    assert websocket.packets() == ["4hello"]


def test_a_probe_after_the_upgrade_is_a_heartbeat_in_the_wrong_direction(
    server: Server,
) -> None:
    client = server.open_polling()
    websocket = client.upgrade()
    websocket.send("2probe")
    assert websocket.close_frame() == b""
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    server.assert_nothing_left()


# --- our own faults -------------------------------------------------------------------


class FailingPolling:
    """Fails when it should answer a poll."""

    name = "polling"

    def came_back(self) -> None:
        """Do nothing."""

    def answer_with_noop(self) -> None:
        raise ZeroDivisionError


def test_a_fault_of_the_noop_loop_cancels_the_attempt(
    server: Server, flush_logged_errors: FlushLoggedErrors
) -> None:
    client = server.open_polling()
    websocket = client.open_websocket()
    session = client.session
    first: Any = session.upgrade_attempt
    faulty: Any = FailingPolling()
    (connection,) = server.engine.websockets.connections
    transport: Any = connection.owner
    first.session_ended()
    attempt = UpgradeAttempt(session, faulty, transport)
    attempt.start()
    attempt.packet_received(PacketType.PING, "probe")
    server.advance(NOOP_INTERVAL)
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    assert websocket.close_frame() == b""
    # What is on its way to an attempt that has failed is of no interest.
    attempt.packet_received(PacketType.UPGRADE, None)
    assert isinstance(session.transport, PollingTransport)
    websocket.close()
    assert_still_polling(client)


def test_the_clock_of_the_attempt_is_the_engines(server: Server) -> None:
    assert isinstance(server.engine.clock, Clock)
    client = server.open_polling()
    client.post("4a")
    before = len(server.clock.getDelayedCalls())
    probed(client)
    assert len(server.clock.getDelayedCalls()) == before + 2
