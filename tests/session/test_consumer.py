"""What an application sends: messages, their events, and the session as a consumer."""

from __future__ import annotations

import array
from typing import Any

import pytest
from twisted.internet.defer import Deferred, FirstError
from twisted.internet.interfaces import IConsumer, IPullProducer, IPushProducer
from typing_extensions import Buffer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.conftest import FlushLoggedErrors
from tests.doubles import has_fired
from tests.session.sessions import Opened, open_session
from txengineio.errors import CloseReason, SessionClosed
from txengineio.protocol.packets import PacketType
from txengineio.testing import RecordingTransport

MESSAGE = PacketType.MESSAGE
MUCH = b"x" * 70_000


def messages(*texts: str) -> list[tuple[PacketType, str]]:
    return [(MESSAGE, text) for text in texts]


# --- messages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("text", "text"),
        ("", ""),
        (b"bytes", b"bytes"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcd")[1:3], b"bc"),
        (array.array("i", [1]), array.array("i", [1]).tobytes()),
    ],
)
def test_text_is_text_and_everything_bytes_like_is_bytes(
    message: str | Buffer, data: str | bytes
) -> None:
    opened = open_session()
    opened.session.send(message)
    assert opened.transport.sent == [(MESSAGE, data)]
    assert type(opened.transport.sent[0][1]) is type(data)


@pytest.mark.parametrize("message", [None, 1, 1.5, ["a"], {"a": "b"}, object()])
def test_nothing_else_can_be_sent(message: Any) -> None:
    opened = open_session()
    with pytest.raises(TypeError):
        opened.session.send(message)
    assert opened.transport.sent == []


@pytest.mark.behaviour("B101", "B127")
def test_the_events_of_sending_come_in_the_references_order() -> None:
    opened = open_session()
    session, engine = opened.session, opened.engine
    events: list[object] = []
    session.on("packet_create", lambda *packet: events.append(("create", *packet)))
    session.on("flush", lambda packets: events.append(("flush", list(packets))))
    session.on("drain", lambda: events.append(("drain", list(session.write_buffer))))
    engine.on("flush", lambda of, packets: events.append(("engine flush", of, packets)))
    engine.on("drain", lambda of: events.append(("engine drain", of)))
    session.send("a")
    assert events == [
        ("create", MESSAGE, "a"),
        ("flush", messages("a")),
        ("engine flush", session, messages("a")),
        ("drain", []),
        ("engine drain", session),
    ]


def test_a_control_packet_is_created_with_an_event_too() -> None:
    opened = open_session()
    events: list[object] = []
    opened.session.on("packet_create", lambda *packet: events.append(packet))
    opened.session.send_control(PacketType.PING)
    assert events == [(PacketType.PING, None)]


@pytest.mark.parametrize("event", ["packet_create", "flush", "drain"])
def test_a_handler_may_close_the_session(event: str) -> None:
    opened = open_session()
    flushed: list[object] = []
    opened.session.on(event, lambda *_: opened.session.close(discard=True))
    was_sent = opened.session.send("a", on_flushed=flushed.append)
    assert opened.is_over()
    assert was_sent is (event == "drain")
    assert opened.transport.sent == (messages("a") if event == "drain" else [])
    assert flushed == ([opened.transport] if event == "drain" else [])
    opened.assert_over()


def test_a_handler_may_close_the_session_before_a_control_packet() -> None:
    opened = open_session()
    opened.session.on("packet_create", lambda *_: opened.session.close())
    opened.session.send_control(PacketType.PING)
    assert opened.transport.sent == []
    opened.assert_over()


# --- who is told that they have left --------------------------------------------------


def flushed_by(opened: Opened, text: str) -> list[object]:
    calls: list[object] = []
    opened.session.send(text, on_flushed=calls.append)
    return calls


@pytest.mark.behaviour("B115", "B117")
def test_on_flushed_is_called_at_once_with_the_transport_that_took_the_message() -> (
    None
):
    opened = open_session()
    assert flushed_by(opened, "a") == [opened.transport]
    opened.session.send("b")


@pytest.mark.behaviour("B116")
def test_on_flushed_gets_the_transport_that_the_session_moved_to() -> None:
    opened = open_session(transport=RecordingTransport("polling", writable=False))
    calls = flushed_by(opened, "a")
    websocket = RecordingTransport()
    opened.session.move_to(websocket)
    assert calls == [websocket]


@pytest.mark.behaviour("B121", "B122")
@pytest.mark.parametrize("taken", [False, True])
def test_on_flushed_is_never_called_once_the_session_is_over(taken: bool) -> None:
    transport = RecordingTransport(writable=taken, flushes_at_once=False)
    opened = open_session(transport=transport)
    calls = flushed_by(opened, "a")
    opened.session.transport_closed()
    opened.session.send_queue.batch_flushed()
    assert calls == []
    assert not opened.session.send("b", on_flushed=calls.append)
    assert calls == []


@pytest.mark.parametrize("taken", [False, True])
def test_when_flushed_fails_when_the_session_ends_before(taken: bool) -> None:
    transport = RecordingTransport(writable=taken, flushes_at_once=False)
    opened = open_session(transport=transport)
    opened.session.send("a")
    waiting: Deferred[None] = opened.session.when_flushed()
    failures: list[object] = []
    waiting.addErrback(lambda failure: failures.append(failure.value))
    opened.session.transport_closed()
    opened.session.when_flushed().addErrback(
        lambda failure: failures.append(failure.value)
    )
    assert failures == [opened.session.closed] * 2
    assert isinstance(failures[0], SessionClosed)
    assert failures[0].reason is CloseReason.TRANSPORT_CLOSE
    assert not isinstance(failures[0], FirstError)


# --- as a consumer --------------------------------------------------------------------


@implementer(IPushProducer, IPullProducer)
class RecordingProducer:
    def __init__(self, session: Any = None, pieces: int = 0) -> None:
        self.calls: list[str] = []
        self.session = session
        self.pieces = pieces

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")
        if self.pieces:
            self.pieces -= 1
            self.session.write(b"piece")
            if not self.pieces:
                self.session.unregisterProducer()

    def stopProducing(self) -> None:
        self.calls.append("stop")


def slow() -> Opened:
    return open_session(transport=RecordingTransport(writable=False))


def reads(opened: Opened) -> None:
    opened.transport.writable = True
    opened.session.send_queue.flush()
    opened.transport.writable = False


def test_a_session_is_a_consumer() -> None:
    assert verifyObject(IConsumer, open_session().session)


def test_when_drained_fires_at_once_for_a_peer_that_keeps_up() -> None:
    assert has_fired(open_session().session.when_drained())


def test_when_drained_fires_when_the_backlog_is_gone() -> None:
    opened = slow()
    opened.session.write(MUCH)
    waiting = [opened.session.when_drained() for _ in range(2)]
    assert not any(map(has_fired, waiting))
    reads(opened)
    assert all(map(has_fired, waiting))


def test_when_drained_fails_with_the_session() -> None:
    opened = slow()
    opened.session.write(MUCH)
    failures: list[object] = []
    opened.session.when_drained().addErrback(lambda f: failures.append(f.value))
    opened.session.close(discard=True)
    opened.session.when_drained().addErrback(lambda f: failures.append(f.value))
    assert failures == [opened.session.closed] * 2
    assert isinstance(failures[0], SessionClosed)


def test_a_push_producer_is_paused_and_resumed_once_each() -> None:
    opened = slow()
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    opened.session.write(b"a")
    assert producer.calls == []
    opened.session.write(MUCH)
    opened.session.write(MUCH)
    assert producer.calls == ["pause"]
    reads(opened)
    assert producer.calls == ["pause", "resume"]
    opened.session.write(MUCH)
    assert producer.calls == ["pause", "resume", "pause"]
    opened.session.unregisterProducer()
    reads(opened)
    assert producer.calls == ["pause", "resume", "pause"]


def test_a_push_producer_that_comes_late_is_paused_at_once() -> None:
    opened = slow()
    opened.session.write(MUCH)
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    assert producer.calls == ["pause"]


def test_a_congested_transport_pauses_a_push_producer() -> None:
    opened = open_session(transport=RecordingTransport(flushes_at_once=False))
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    opened.session.write(b"a")
    assert producer.calls == ["pause"]
    opened.session.send_queue.batch_flushed()
    assert producer.calls == ["pause", "resume"]


def test_a_pull_producer_is_asked_as_long_as_the_peer_keeps_up() -> None:
    opened = open_session()
    producer = RecordingProducer(opened.session, 5)
    opened.session.registerProducer(producer, False)
    assert producer.calls == []
    for _ in range(10):
        opened.clock.advance(0)
    assert producer.calls == ["resume"] * 5
    assert [packet[1] for packet in opened.transport.sent] == [b"piece"] * 5


def test_a_pull_producer_waits_while_the_peer_does_not_keep_up() -> None:
    opened = slow()
    opened.session.write(MUCH)
    producer = RecordingProducer(opened.session, 2)
    opened.session.registerProducer(producer, False)
    opened.clock.advance(0)
    assert producer.calls == []
    reads(opened)
    opened.clock.pump([0, 0, 0])
    assert producer.calls == ["resume"] * 2


def test_only_one_producer_at_a_time() -> None:
    session = open_session().session
    session.registerProducer(RecordingProducer(), True)
    with pytest.raises(RuntimeError, match="never unregistered"):
        session.registerProducer(RecordingProducer(), True)
    session.unregisterProducer()
    session.registerProducer(RecordingProducer(), True)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_producer_stops_with_the_session(streaming: bool) -> None:
    opened = open_session()
    producer, late = RecordingProducer(), RecordingProducer()
    opened.session.registerProducer(producer, streaming)
    opened.session.close(discard=True)
    opened.session.registerProducer(late, streaming)
    opened.session.unregisterProducer()
    assert producer.calls == late.calls == ["stop"]
    opened.assert_over()


def test_a_producer_that_fails_harms_nobody(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    opened = slow()
    producer = RecordingProducer()
    producer.calls = None  # type: ignore[assignment]  # what is called fails
    opened.session.registerProducer(producer, True)
    assert opened.session.send(MUCH)
    reads(opened)
    opened.session.close(discard=True)
    assert len(flush_logged_errors(AttributeError)) == 3
    opened.assert_over()


def test_unregistering_nobody_does_nothing() -> None:
    open_session().session.unregisterProducer()
