"""Sessions: how they open, what they receive, and every way in which they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.doubles import RecordingAttempt, RecordingEngine, ended_with, has_fired
from tests.session.sessions import SID, new_session, open_session
from txengineio.errors import (
    CloseReason,
    LocalProtocolError,
    PacketDecodeError,
    SessionClosed,
    TransportError,
)
from txengineio.observing.observers import observe_sessions
from txengineio.protocol.packets import PacketType
from txengineio.protocol.states import ReadyState
from txengineio.server.session import Session
from txengineio.session.base import GOODBYE_TIMEOUT
from txengineio.testing import (
    RecordingApplication,
    RecordingProtocol,
    RecordingTransport,
)

MESSAGE = PacketType.MESSAGE


# --- opening --------------------------------------------------------------------------


def test_it_opens_with_the_packets_that_it_is_given_before_the_application_sends() -> (
    None
):
    application = RecordingApplication(
        on_made=lambda protocol: protocol.session.send("welcome")
    )
    first = [(PacketType.OPEN, "{}"), (MESSAGE, "initial")]
    opened = open_session(application, first=first)
    assert opened.transport.batches == [first, [(MESSAGE, "welcome")]]
    assert opened.session.ready_state is ReadyState.OPEN
    assert opened.session.protocol is opened.protocol
    assert opened.protocol.session is opened.session


def test_it_tells_what_its_first_request_said() -> None:
    session = new_session(RecordingEngine(), RecordingTransport())
    assert session.id == SID
    assert session.remote_address == "192.0.2.1"
    assert session.protocol_revision == 4
    assert session.ready_state is ReadyState.OPENING
    assert not session.upgraded


def test_it_cannot_open_twice() -> None:
    session = open_session().session
    with pytest.raises(LocalProtocolError, match="open cannot take 'opened'"):
        session.open([])


def test_what_a_handler_sends_while_it_opens_goes_out_in_one_batch() -> None:
    def send_three(protocol: RecordingProtocol) -> None:
        for number in "123":
            protocol.session.send(number)

    opened = open_session(RecordingApplication(on_made=send_three))
    assert opened.transport.batches == [
        [(MESSAGE, "1"), (MESSAGE, "2"), (MESSAGE, "3")]
    ]


def test_an_exception_in_connection_made_is_logged_and_the_session_lives(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(_protocol: RecordingProtocol) -> None:
        raise ZeroDivisionError

    opened = open_session(RecordingApplication(on_made=fail))
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    opened.session.message_received("still here")
    assert opened.protocol.messages == ["still here"]


def test_messages_wait_until_connection_made_is_done() -> None:
    ready: Deferred[None] = Deferred()
    opened = open_session(RecordingApplication(on_made=lambda _: ready))
    opened.session.message_received("early")
    assert opened.protocol.messages == []
    ready.callback(None)
    assert opened.protocol.messages == ["early"]


def test_an_observer_may_close_a_session_that_opens() -> None:
    stop = observe_sessions(lambda session: session.close(discard=True))
    try:
        opened = open_session(first=[(PacketType.OPEN, "{}")])
    finally:
        stop()
    assert opened.transport.sent == []
    opened.assert_over()


@pytest.mark.parametrize("waits", [False, True])
def test_a_session_that_ended_before_it_had_a_protocol_still_tells_it(
    waits: bool,
) -> None:
    made: Deferred[None] = Deferred()
    application = RecordingApplication(on_made=lambda _: made if waits else None)
    engine, transport = RecordingEngine(), RecordingTransport()
    session = new_session(engine, transport)
    session.open([])
    session.close()
    protocol = application.buildProtocol(None)
    assert protocol is not None
    session.start(protocol)
    if waits:
        assert protocol.events == [("made",)]
        made.callback(None)
    assert protocol.events == [("made",), ("lost", CloseReason.FORCED_CLOSE)]


def test_closing_in_connection_made_tells_the_protocol_once() -> None:
    application = RecordingApplication(
        on_made=lambda protocol: protocol.session.close() and None
    )
    opened = open_session(application)
    assert opened.protocol.events == [("made",), ("lost", CloseReason.FORCED_CLOSE)]
    opened.assert_over()


# --- the ways out ---------------------------------------------------------------------

_ERROR = TransportError("overlap from client")
_PROBLEM = PacketDecodeError("no digit")


@pytest.mark.parametrize(
    ("end", "reason", "description"),
    [
        (Session.transport_closed, CloseReason.TRANSPORT_CLOSE, None),
        (
            lambda session: session.packet_received(PacketType.CLOSE, None),
            CloseReason.TRANSPORT_CLOSE,
            None,
        ),
        (
            lambda session: session.transport_failed(_ERROR),
            CloseReason.TRANSPORT_ERROR,
            _ERROR,
        ),
        (
            lambda session: session.decode_failed(_PROBLEM),
            CloseReason.PARSE_ERROR,
            _PROBLEM,
        ),
        (Session.close, CloseReason.FORCED_CLOSE, None),
        (lambda session: session.close(discard=True), CloseReason.FORCED_CLOSE, None),
        (Session.transport_done, CloseReason.FORCED_CLOSE, None),
        (
            lambda session: session.engine.clock.pump([0.5] * 100),
            CloseReason.PING_TIMEOUT,
            None,
        ),
    ],
)
def test_every_ending_says_why_and_leaves_nothing(
    end: Callable[[Session], Any],
    reason: CloseReason,
    description: Exception | None,
) -> None:
    opened = open_session()
    session = opened.session
    events: list[object] = []
    session.on("error", events.append)
    session.on("close", lambda *arguments: events.append(arguments))
    attempt = RecordingAttempt()
    session.upgrade_attempt = attempt
    waiting = session.when_closed()
    end(session)
    assert ended_with(opened.protocol) is reason
    errors = [] if description is None else [description]
    assert events == [*errors, (reason, description)]
    assert waiting.result is reason
    assert session.when_closed().result is reason
    assert session.ready_state is ReadyState.CLOSED
    assert opened.engine.ended == [(SID, reason)]
    assert attempt.calls == ["session_ended"]
    assert [session.upgrade_attempt] == [None]
    (failure,) = opened.protocol.lost
    assert isinstance(failure.value, SessionClosed)
    assert failure.value is session.closed
    assert failure.value.description is description
    opened.assert_over()


def test_a_wrong_heartbeat_ends_it_with_an_error_that_says_so() -> None:
    opened = open_session()
    opened.session.packet_received(PacketType.PING, None)
    assert ended_with(opened.protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = opened.protocol.lost
    assert isinstance(failure.value, SessionClosed)
    assert str(failure.value.description) == "invalid heartbeat direction"
    opened.assert_over()


def test_after_the_end_nothing_has_an_effect() -> None:
    opened = open_session()
    session = opened.session
    session.end(CloseReason.PARSE_ERROR)
    session.end(CloseReason.FORCED_CLOSE)
    session.transport_closed()
    session.message_received("late")
    session.packet_received(PacketType.PONG, None)
    session.packet_received(PacketType.CLOSE, None)
    session.transport_done()
    session.drained_for_close()
    assert not session.send("late")
    session.send_control(PacketType.PING)
    assert session.close().result is CloseReason.PARSE_ERROR
    assert opened.protocol.events == [("made",), ("lost", CloseReason.PARSE_ERROR)]
    assert opened.transport.sent == []
    opened.assert_over()


@pytest.mark.behaviour("B043")
def test_the_write_buffer_can_be_read_in_the_close_event_and_not_later() -> None:
    opened = open_session(transport=RecordingTransport(writable=False))
    session = opened.session
    seen: list[object] = []
    session.on("close", lambda *_: seen.append(list(session.write_buffer)))
    session.send("kept")
    session.transport_closed()
    assert seen == [[(MESSAGE, "kept")]]
    assert session.write_buffer == []


def test_it_is_out_of_the_registry_when_the_application_is_told() -> None:
    ended: list[object] = []
    application = RecordingApplication(
        on_lost=lambda protocol: ended.extend(protocol.session.engine.ended)
    )
    opened = open_session(application)
    opened.session.transport_closed()
    assert ended == [(SID, CloseReason.TRANSPORT_CLOSE)]


def test_an_exception_in_connection_lost_does_not_stop_the_others(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(_protocol: RecordingProtocol) -> None:
        raise ZeroDivisionError

    opened = open_session(RecordingApplication(on_lost=fail))
    waiting = opened.session.when_closed()
    opened.session.transport_closed()
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    assert waiting.result is CloseReason.TRANSPORT_CLOSE
    opened.assert_over()


def test_each_caller_of_when_closed_has_a_deferred_of_its_own() -> None:
    session = open_session().session
    first, second = session.when_closed(), session.when_closed()
    assert first is not second
    first.addCallback(lambda _reason: 1 // 0)
    session.close()
    assert second.result is CloseReason.FORCED_CLOSE
    first.addErrback(lambda failure: failure.trap(ZeroDivisionError))


# --- closing politely -----------------------------------------------------------------


def test_close_with_packets_in_the_buffer_waits_for_them_to_leave() -> None:
    transport = RecordingTransport(writable=False)
    opened = open_session(transport=transport)
    session = opened.session
    session.send("last words")
    closed = session.close()
    assert session.ready_state is ReadyState.CLOSING
    assert transport.calls == []
    transport.writable = True
    session.send_queue.flush()
    assert transport.sent == [(MESSAGE, "last words")]
    assert transport.calls == ["close", "session_ended"]
    assert closed.result is CloseReason.FORCED_CLOSE
    opened.assert_over()


def test_from_the_beginning_of_its_end_no_side_sends_messages() -> None:
    opened = open_session()
    session = opened.session
    session.begin_to_close()
    assert not session.send("is dropped")
    session.message_received("is dropped, too")
    assert opened.protocol.messages == []
    # Until it is closed, nothing else happens.
    assert session.closed is None
    assert opened.transport.calls == []
    session.close()
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    session.begin_to_close()
    assert session.ready_state is ReadyState.CLOSED


def test_close_while_a_message_is_handled_sends_what_was_collected_before() -> None:
    def answer_and_close(protocol: RecordingProtocol, _message: object) -> None:
        protocol.session.send("answer")
        protocol.session.close()

    opened = open_session(RecordingApplication(on_message=answer_and_close))
    opened.session.send_queue.cork()
    opened.session.message_received("question")
    opened.session.message_received("too late")
    opened.session.send_queue.uncork()
    assert opened.transport.sent == [(MESSAGE, "answer")]
    assert opened.protocol.messages == ["question"]
    opened.assert_over()


def test_a_transport_that_cannot_say_goodbye_now_is_given_thirty_seconds() -> None:
    opened = open_session(transport=RecordingTransport("polling", closes_at_once=False))
    closed = opened.session.close()
    opened.session.close()
    assert opened.transport.calls == ["close"]
    assert not opened.session.send("ignored")
    opened.session.message_received("ignored")
    assert opened.protocol.messages == []
    # The heartbeat's answer is waited for as well, and not before it.
    opened.engine.timers.cancel(opened.session)
    opened.pump(GOODBYE_TIMEOUT - 1)
    assert not has_fired(closed)
    opened.pump(2)
    assert closed.result is CloseReason.FORCED_CLOSE
    opened.assert_over()


def test_a_goodbye_that_was_taken_ends_the_wait() -> None:
    opened = open_session(transport=RecordingTransport("polling", closes_at_once=False))
    closed = opened.session.close()
    opened.session.transport_done()
    assert closed.result is CloseReason.FORCED_CLOSE
    opened.assert_over()


def test_a_closing_session_still_fails_by_its_heartbeat() -> None:
    opened = open_session(
        transport=RecordingTransport("polling", closes_at_once=False),
        ping_interval=5.0,
        ping_timeout=3.0,
    )
    opened.session.close()
    opened.pump(7)
    assert not opened.is_over()
    assert opened.transport.sent == []
    opened.pump(3)
    assert ended_with(opened.protocol) is CloseReason.PING_TIMEOUT
    opened.assert_over()


def test_of_a_closing_sessions_packets_only_the_goodbye_counts() -> None:
    opened = open_session(transport=RecordingTransport("polling", closes_at_once=False))
    opened.session.close()
    packets: list[object] = []
    opened.session.on("packet", lambda *packet: packets.append(packet))
    opened.session.packet_received(PacketType.PING, None)
    opened.session.packet_received(PacketType.PONG, None)
    assert not opened.is_over()
    opened.session.packet_received(PacketType.CLOSE, None)
    assert ended_with(opened.protocol) is CloseReason.TRANSPORT_CLOSE
    assert packets == []
    opened.assert_over()


@pytest.mark.parametrize("closing", [False, True])
def test_discard_drops_the_buffer_and_waits_for_nothing(closing: bool) -> None:
    transport = RecordingTransport("polling", writable=False, closes_at_once=False)
    opened = open_session(transport=transport)
    opened.session.send("dropped")
    if closing:
        opened.session.close()
    opened.session.close(discard=True)
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    assert transport.sent == []
    opened.assert_over()


def test_discard_ends_the_wait_of_a_closing_session() -> None:
    opened = open_session(transport=RecordingTransport("polling", closes_at_once=False))
    opened.session.close()
    opened.session.close(discard=True)
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    opened.assert_over()


# --- receiving ------------------------------------------------------------------------


def test_messages_reach_the_application_in_order() -> None:
    opened = open_session()
    for message in ("a", b"b", "", b""):
        opened.session.message_received(message)
    assert opened.protocol.messages == ["a", b"b", "", b""]


@pytest.mark.behaviour("B125")
def test_the_events_of_a_message_come_in_the_references_order() -> None:
    events: list[object] = []
    application = RecordingApplication(
        on_message=lambda _, message: events.append(("application", message))
    )
    session = open_session(application).session
    for name in ("message", "data", "packet"):
        session.on(
            name, lambda *arguments, name=name: events.append((name, *arguments))
        )
    session.message_received("a")
    assert events == [
        ("packet", MESSAGE, "a"),
        ("data", "a"),
        ("message", "a"),
        ("application", "a"),
    ]


@pytest.mark.parametrize(
    "packet_type", [PacketType.OPEN, PacketType.UPGRADE, PacketType.NOOP]
)
def test_packets_without_a_meaning_are_shown_and_ignored(
    packet_type: PacketType,
) -> None:
    opened = open_session()
    packets: list[object] = []
    opened.session.on("packet", lambda *packet: packets.append(packet))
    opened.session.packet_received(packet_type, "data")
    assert packets == [(packet_type, "data")]
    assert opened.session.ready_state is ReadyState.OPEN


def test_a_session_without_a_protocol_yet_takes_messages_by_its_events() -> None:
    session = new_session(RecordingEngine(), RecordingTransport())
    session.open([])
    messages: list[object] = []
    session.on("message", messages.append)
    session.message_received("a")
    assert messages == ["a"]
    session.close()


def test_an_exception_in_message_received_is_logged_and_the_next_one_comes(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(_protocol: RecordingProtocol, message: object) -> None:
        if message == "bad":
            raise ZeroDivisionError

    opened = open_session(RecordingApplication(on_message=fail))
    opened.session.message_received("bad")
    opened.session.message_received("good")
    assert opened.protocol.messages == ["bad", "good"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_whoever_waits_for_the_end_still_finds_the_protocol() -> None:
    opened = open_session(RecordingApplication())
    seen: list[object] = []
    opened.session.when_closed().addCallback(
        lambda _reason: seen.append(opened.session.protocol)
    )
    opened.session.close(discard=True)
    assert seen == [opened.protocol]
    assert opened.session.protocol is None


def test_an_exception_behind_the_end_is_logged_too(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(protocol: RecordingProtocol, _message: object) -> None:
        protocol.session.close(discard=True)
        raise ZeroDivisionError

    opened = open_session(RecordingApplication(on_message=fail))
    opened.session.message_received("last")
    assert opened.session.closed is not None
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


# --- an application that takes its time -----------------------------------------------


class SlowApplication(RecordingApplication):
    """Each message takes until the test says so."""

    def __init__(self) -> None:
        super().__init__(on_message=lambda *_: self._wait())
        self.waiting: list[Deferred[None]] = []

    def _wait(self) -> Deferred[None]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def go_on(self) -> None:
        self.waiting.pop(0).callback(None)


def test_the_next_message_waits_until_the_application_is_done() -> None:
    application = SlowApplication()
    opened = open_session(application)
    for message in "abc":
        opened.session.message_received(message)
    assert opened.protocol.messages == ["a"]
    application.go_on()
    assert opened.protocol.messages == ["a", "b"]
    application.go_on()
    application.go_on()
    opened.session.message_received("d")
    assert opened.protocol.messages == ["a", "b", "c", "d"]


def test_a_failing_deferred_is_logged_and_the_next_message_comes(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    application = SlowApplication()
    opened = open_session(application)
    opened.session.message_received("a")
    opened.session.message_received("b")
    application.waiting.pop(0).errback(ZeroDivisionError())
    assert opened.protocol.messages == ["a", "b"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_what_a_late_handler_sends_is_sent_together() -> None:
    application = SlowApplication()
    opened = open_session(application)
    opened.session.message_received("a")
    opened.session.message_received("b")

    def answer(protocol: RecordingProtocol, _message: object) -> None:
        protocol.session.send("1")
        protocol.session.send("2")

    application.on_message = answer
    application.go_on()
    assert opened.transport.batches == [[(MESSAGE, "1"), (MESSAGE, "2")]]


def test_reading_pauses_at_the_limit_and_resumes_when_all_is_handled() -> None:
    application = SlowApplication()
    opened = open_session(application)
    for number in range(32):
        opened.session.message_received(str(number))
    assert opened.transport.calls == []
    opened.session.message_received("32")
    opened.session.message_received("33")
    assert opened.transport.calls == ["pause_reading"]
    assert opened.is_paused()
    for _ in range(33):
        application.go_on()
    assert opened.transport.calls == ["pause_reading"]
    application.go_on()
    assert opened.transport.calls == ["pause_reading", "resume_reading"]
    assert not opened.is_paused()
    assert opened.protocol.messages == [str(number) for number in range(34)]


def test_connection_lost_comes_after_the_messages_that_wait() -> None:
    application = SlowApplication()
    opened = open_session(application)
    opened.session.message_received("a")
    opened.session.message_received("b")
    opened.session.transport_closed()
    assert opened.protocol.events == [("made",), ("message", "a")]
    application.go_on()
    application.go_on()
    assert opened.protocol.events == [
        ("made",),
        ("message", "a"),
        ("message", "b"),
        ("lost", CloseReason.TRANSPORT_CLOSE),
    ]
    opened.assert_over()


def test_discard_drops_the_messages_that_wait_as_well() -> None:
    application = SlowApplication()
    opened = open_session(application)
    opened.session.message_received("a")
    opened.session.message_received("dropped")
    opened.session.close(discard=True)
    application.go_on()
    assert opened.protocol.messages == ["a"]
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE


def test_a_paused_session_that_ends_is_not_resumed() -> None:
    application = SlowApplication()
    opened = open_session(application)
    for number in range(40):
        opened.session.message_received(str(number))
    opened.session.transport_closed()
    while application.waiting:
        application.go_on()
    assert len(opened.protocol.messages) == 40
    assert "resume_reading" not in opened.transport.calls
    opened.assert_over()


# --- moving to another transport ------------------------------------------------------


def test_moving_replaces_the_transport_and_sends_there_what_waited() -> None:
    polling = RecordingTransport("polling", writable=False)
    websocket = RecordingTransport("websocket")
    opened = open_session(transport=polling)
    session = opened.session
    seen: list[object] = []
    session.on("upgrade", lambda transport: seen.append((transport, session.transport)))
    session.send("kept")
    session.move_to(websocket)
    assert polling.calls == ["replaced"]
    assert websocket.sent == [(MESSAGE, "kept")]
    assert session.upgraded
    assert seen == [(websocket, websocket)]
    session.close()
    assert polling.calls == ["replaced"]
    assert websocket.calls == ["close", "session_ended"]


def test_a_session_that_reads_nothing_does_not_read_from_the_new_transport() -> None:
    application = SlowApplication()
    opened = open_session(application, RecordingTransport("polling"))
    for number in range(40):
        opened.session.message_received(str(number))
    websocket = RecordingTransport()
    opened.session.move_to(websocket)
    assert websocket.calls == ["pause_reading"]
    while application.waiting:
        application.go_on()
    assert websocket.calls == ["pause_reading", "resume_reading"]


@pytest.mark.parametrize("buffered", [False, True])
def test_a_closing_session_that_moves_sends_the_rest_and_ends(buffered: bool) -> None:
    polling = RecordingTransport("polling", writable=False, closes_at_once=False)
    opened = open_session(transport=polling)
    if buffered:
        opened.session.send("rest")
    opened.session.close()
    websocket = RecordingTransport()
    opened.session.move_to(websocket)
    assert websocket.sent == ([(MESSAGE, "rest")] if buffered else [])
    assert websocket.calls[-1] == "session_ended"
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    assert opened.clock.getDelayedCalls() == []


def test_a_closing_session_keeps_the_rest_for_a_transport_that_is_busy() -> None:
    polling = RecordingTransport("polling", writable=False, closes_at_once=False)
    opened = open_session(transport=polling)
    opened.session.send("rest")
    opened.session.close()
    websocket = RecordingTransport(writable=False)
    opened.session.move_to(websocket)
    assert not opened.is_over()
    websocket.writable = True
    opened.session.send_queue.flush()
    assert websocket.sent == [(MESSAGE, "rest")]
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE


# --- callbacks that end the session ---------------------------------------------------


@pytest.mark.parametrize("made", [False, True])
def test_a_callback_that_closes_and_goes_on_waiting_is_told_once(made: bool) -> None:
    waiting: Deferred[None] = Deferred()

    async def close_and_wait(protocol: RecordingProtocol, *_message: object) -> None:
        protocol.session.close()
        await waiting

    application = RecordingApplication()
    if made:
        application.on_made = close_and_wait
    else:
        application.on_message = close_and_wait
    opened = open_session(application)
    opened.session.message_received("a")
    waiting.callback(None)
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    opened.assert_over()


@pytest.mark.parametrize("event", ["packet", "data", "message"])
def test_a_message_is_not_delivered_after_a_handler_has_ended_the_session(
    event: str,
) -> None:
    opened = open_session()
    opened.pump(26)
    opened.session.on(event, lambda *_: opened.session.close())
    opened.session.message_received("a")
    assert opened.protocol.messages == []
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    opened.assert_over()


@pytest.mark.parametrize("packet_type", [PacketType.PONG, PacketType.NOOP])
def test_a_packet_has_no_effect_after_a_handler_has_ended_the_session(
    packet_type: PacketType,
) -> None:
    opened = open_session()
    opened.pump(26)
    opened.session.on("packet", lambda *_: opened.session.close())
    opened.session.packet_received(packet_type, None)
    opened.assert_over()


def test_the_end_of_a_session_while_it_is_replaced_leaves_nothing() -> None:
    polling = RecordingTransport("polling")
    opened = open_session(transport=polling, revision=3, allow_eio3=True)

    class Ending(RecordingTransport):
        @override
        def replaced(self) -> None:
            opened.session.close(discard=True)

    opened.session.move_to(Ending("polling"))
    opened.session.move_to(RecordingTransport())
    assert ended_with(opened.protocol) is CloseReason.FORCED_CLOSE
    assert opened.clock.getDelayedCalls() == []
