"""The send queue alone: what leaves when, in which batch, and who is told of it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IPushProducer
from typing_extensions import override
from zope.interface import implementer

from tests.conftest import FlushLoggedErrors
from tests.doubles import RecordingSender, has_fired
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.states import ReadyState
from txengineio.session.backlog import BATCH_SIZE, packet_size
from txengineio.session.interfaces import IPacketTransport, OutgoingPacket
from txengineio.session.send_queue import SendQueue
from txengineio.session.traffic import Traffic
from txengineio.testing import RecordingTransport

MESSAGE = PacketType.MESSAGE
FRAME = b"\x81\x024a"
MUCH = b"x" * 70_000


def message(data: str | bytes) -> OutgoingPacket:
    return MESSAGE, data, True, None


def messages(*texts: str) -> list[Packet]:
    return [(MESSAGE, text) for text in texts]


def put(queue: SendQueue, *texts: str) -> None:
    for text in texts:
        assert queue.put(message(text))


def flushed_by(queue: SendQueue, text: str) -> list[object]:
    """Put a message; return a list of the transports that will have carried it."""
    carriers: list[object] = []
    queue.put(message(text), carriers.append)
    return carriers


def stuck() -> RecordingSender:
    """Return a sender whose transport takes nothing now."""
    return RecordingSender(RecordingTransport(writable=False))


def congested() -> RecordingSender:
    """Return a sender whose transport takes a batch, and hands it on later."""
    return RecordingSender(RecordingTransport(flushes_at_once=False))


def make_writable(sender: RecordingSender) -> None:
    sender.transport.writable = True
    sender.queue.flush()


@implementer(IPushProducer)
class LoggingProducer:
    def __init__(self, log: list[object]) -> None:
        self.log = log

    def pauseProducing(self) -> None:
        self.log.append("pause")

    def resumeProducing(self) -> None:
        self.log.append("resume")

    def stopProducing(self) -> None:
        self.log.append("stop")


# --- waiting --------------------------------------------------------------------------


def test_each_packet_leaves_at_once() -> None:
    sender = RecordingSender()
    put(sender.queue, "a", "b")
    assert sender.transport.batches == [messages("a"), messages("b")]
    assert sender.queue.waiting is None


def test_what_comes_while_it_is_corked_leaves_together() -> None:
    sender = RecordingSender()
    sender.queue.cork()
    put(sender.queue, "a")
    sender.queue.put((PacketType.NOOP, None, True, None))
    put(sender.queue, "b")
    assert sender.transport.batches == []
    sender.queue.uncork()
    assert sender.transport.batches == [
        [(MESSAGE, "a"), (PacketType.NOOP, None), (MESSAGE, "b")]
    ]
    put(sender.queue, "c")
    assert sender.transport.batches[1:] == [messages("c")]


def test_uncorking_without_anything_put_touches_nothing() -> None:
    sender = RecordingSender()
    sender.queue.cork()
    sender.queue.uncork()
    assert sender.transport.batches == []


def test_what_the_transport_cannot_take_waits_in_order() -> None:
    sender = stuck()
    put(sender.queue, "a", "b", "c")
    assert sender.queue.waiting == [message("a"), message("b"), message("c")]
    sender.queue.flush()
    assert sender.transport.batches == []
    make_writable(sender)
    assert sender.transport.batches == [messages("a", "b", "c")]
    assert sender.queue.waiting is None


def test_a_session_begins_with_one_batch() -> None:
    sender = RecordingSender()
    sender.queue.begin([])
    assert sender.transport.batches == []
    sender.queue.begin([(PacketType.OPEN, "{}"), (MESSAGE, "hello")])
    assert sender.transport.batches == [[(PacketType.OPEN, "{}"), (MESSAGE, "hello")]]


def test_what_has_ended_can_be_read_but_not_sent() -> None:
    sender = stuck()
    put(sender.queue, "a")
    sender.ready_state = ReadyState.CLOSED
    make_writable(sender)
    assert sender.queue.waiting == [message("a")]
    assert sender.transport.batches == []


def test_what_is_collected_is_counted_now_and_then() -> None:
    sender = RecordingSender()
    sender.queue.cork()
    put(sender.queue, *["a"] * 63)
    assert sender.queue.size == 0
    put(sender.queue, "a")
    assert sender.queue.size == 64 * packet_size("a")
    put(sender.queue, "b", "c" * 16_383)
    assert sender.queue.size == 64 * packet_size("a")
    put(sender.queue, "d" * 16_384)
    assert sender.queue.size > 2 * 16_383
    sender.queue.uncork()
    assert sender.queue.size == sender.engine.buffers.total == 0


def test_what_was_collected_and_stays_is_counted() -> None:
    sender = stuck()
    sender.queue.cork()
    put(sender.queue, "a")
    sender.queue.uncork()
    assert sender.queue.size == sender.engine.buffers.total == packet_size("a")


def test_producers_pause_when_much_waits() -> None:
    sender = stuck()
    log: list[object] = []
    sender.queue.register_producer(LoggingProducer(log), True)
    put(sender.queue, "a")
    assert log == []
    sender.queue.put(message(MUCH))
    assert log == ["pause"]
    make_writable(sender)
    assert log == ["pause", "resume"]


def test_much_is_sent_before_the_queue_is_uncorked() -> None:
    sender = RecordingSender()
    sender.queue.cork()
    count = BATCH_SIZE // packet_size(MUCH) + 1
    for _ in range(count):
        assert sender.queue.put(message(MUCH))
    assert len(sender.transport.sent) == count
    assert sender.queue.corked


@pytest.mark.parametrize("corked", [False, True])
def test_too_much_ends_the_session(corked: bool) -> None:
    sender = RecordingSender(
        RecordingTransport(writable=False), max_buffered_bytes=100_000
    )
    if corked:
        sender.queue.cork()
    assert sender.queue.put(message(MUCH))
    assert not sender.queue.put(message(MUCH))
    (problem,) = sender.overflows
    assert (problem.size, problem.limit) == (2 * packet_size(MUCH), 100_000)
    assert sender.engine.buffers.total == 0


# --- in flight ------------------------------------------------------------------------


def test_a_batch_is_in_flight_until_the_transport_has_handed_it_on() -> None:
    sender = congested()
    put(sender.queue, "a")
    assert flags(sender.queue) == (True, False)
    assert sender.queue.size == sender.engine.buffers.total == packet_size("a")
    sender.queue.batch_flushed()
    assert flags(sender.queue) == (False, True)
    assert sender.queue.size == sender.engine.buffers.total == 0


def flags(queue: SendQueue) -> tuple[bool, bool]:
    return queue.in_flight, queue.has_room


def test_a_transport_that_hands_on_at_once_costs_no_counting() -> None:
    sender = RecordingSender()
    put(sender.queue, "a")
    assert not sender.queue.in_flight
    assert sender.queue._backlog is None


def test_a_batch_that_is_handed_on_takes_those_before_it_along() -> None:
    sender = congested()
    put(sender.queue, "a")
    sender.transport.flushes_at_once = True
    put(sender.queue, "b")
    assert flags(sender.queue) == (False, True)
    assert sender.queue.size == sender.engine.buffers.total == 0


def test_a_little_may_wait_for_the_next_poll() -> None:
    sender = stuck()
    put(sender.queue, "a")
    assert sender.queue.has_room
    sender.queue.put(message(MUCH))
    assert not sender.queue.has_room


class HandsOnBeforeItSaysSo(RecordingTransport):
    """As a request that is answered before it is known that there is one."""

    sender: RecordingSender

    @override
    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        super().send_packets(packets)
        self.sender.queue.batch_flushed()
        return False


def test_what_is_handed_on_before_the_transport_says_so_is_not_counted() -> None:
    transport = HandsOnBeforeItSaysSo()
    transport.sender = sender = RecordingSender(transport)
    assert flushed_by(sender.queue, "a") == [transport]
    assert not sender.queue.in_flight
    assert sender.queue.size == sender.engine.buffers.total == 0


class EndsTheSession(RecordingTransport):
    """As a connection that turns out to be lost when something is sent on it."""

    sender: RecordingSender

    @override
    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        self.sender.end()
        return super().send_packets(packets)


@pytest.mark.parametrize("flushes_at_once", [False, True])
def test_a_session_may_end_while_the_transport_is_given_a_batch(
    flushes_at_once: bool,
) -> None:
    transport = EndsTheSession(flushes_at_once=flushes_at_once)
    transport.sender = sender = RecordingSender(transport)
    carriers = flushed_by(sender.queue, "a")
    assert carriers == []
    assert not sender.queue.in_flight
    assert sender.queue.size == sender.engine.buffers.total == 0
    assert sender.drained == 0


def test_much_leaves_in_batches() -> None:
    sender = stuck()
    data = [bytes([number]) * 300_000 for number in range(8)]
    for each in data:
        sender.queue.put(message(each))
    make_writable(sender)
    assert [len(batch) for batch in sender.transport.batches] == [4, 4]
    assert [packet[1] for packet in sender.transport.sent] == data
    assert sender.queue.size == sender.engine.buffers.total == 0


# --- events ---------------------------------------------------------------------------


def test_handlers_of_session_and_engine_are_told_around_each_batch() -> None:
    sender = RecordingSender()
    events: list[object] = []
    sender.on("flush", lambda packets: events.append(("flush", packets)))
    sender.on("drain", lambda: events.append(("drain", sender.queue.waiting)))
    sender.engine.on("flush", lambda *arguments: events.append(arguments))
    sender.engine.on("drain", lambda *arguments: events.append(arguments))
    put(sender.queue, "a")
    assert events == [
        ("flush", messages("a")),
        (sender, messages("a")),
        ("drain", None),
        (sender,),
    ]


def test_the_engines_handlers_are_told_without_any_of_the_session() -> None:
    sender = RecordingSender()
    drained: list[object] = []
    sender.engine.on("drain", drained.append)
    put(sender.queue, "a", "b")
    assert drained == [sender, sender]


def test_what_a_flush_handler_sends_comes_behind_what_is_flushed() -> None:
    sender = RecordingSender()
    sent: list[str] = []

    def send_once(_packets: object) -> None:
        if not sent:
            sent.append("second")
            put(sender.queue, "second")

    sender.on("flush", send_once)
    put(sender.queue, "first")
    assert sender.transport.sent == messages("first", "second")


@pytest.mark.parametrize("owner", ["session", "engine"])
def test_a_flush_handler_may_end_the_session(owner: str) -> None:
    sender = RecordingSender()
    emitter = sender if owner == "session" else sender.engine
    emitter.on("flush", lambda *_: sender.end())
    assert flushed_by(sender.queue, "a") == []
    assert sender.transport.sent == []


# --- handed on ------------------------------------------------------------------------


def test_a_callback_gets_the_transport_that_took_its_message() -> None:
    sender = RecordingSender()
    assert flushed_by(sender.queue, "a") == [sender.transport]
    put(sender.queue, "b")


def test_a_callback_comes_before_drain() -> None:
    sender = RecordingSender()
    order: list[object] = []
    sender.on("drain", lambda: order.append("drain"))
    sender.queue.put(message("a"), order.append)
    assert order == [sender.transport, "drain"]


def test_callbacks_wait_for_their_messages_to_be_taken() -> None:
    sender = stuck()
    first, second = flushed_by(sender.queue, "a"), flushed_by(sender.queue, "b")
    assert first == second == []
    make_writable(sender)
    assert first == second == [sender.transport]


def test_callbacks_wait_for_the_transport_to_hand_their_messages_on() -> None:
    sender = congested()
    first = flushed_by(sender.queue, "a")
    sender.transport.writable = False
    second = flushed_by(sender.queue, "b")
    assert first == []
    sender.queue.batch_flushed()
    assert first == [sender.transport]
    make_writable(sender)
    assert second == []
    sender.queue.batch_flushed()
    sender.queue.batch_flushed()
    assert second == [sender.transport]


def test_with_nothing_in_flight_there_is_nothing_to_hand_on() -> None:
    sender = stuck()
    sender.ready_state = ReadyState.CLOSING
    sender.queue.batch_flushed()
    assert sender.drained == 0


def test_room_is_counted_before_callbacks_and_producers_go_on_after_them() -> None:
    sender = congested()
    log: list[object] = []
    sender.queue.register_producer(LoggingProducer(log), True)
    sender.queue.put(message("a"), lambda _: log.append(sender.queue.size))
    sender.queue.batch_flushed()
    assert log == ["pause", 0, "resume"]


def test_producers_stay_paused_if_a_callback_sends_what_gets_stuck() -> None:
    sender = congested()
    log: list[object] = []
    sender.queue.register_producer(LoggingProducer(log), True)
    sender.queue.put(message("a"), lambda _: put(sender.queue, "b"))
    waiting = sender.queue.when_drained()
    sender.queue.batch_flushed()
    assert sender.queue.in_flight
    assert not has_fired(waiting)
    assert log == ["pause"]
    sender.queue.batch_flushed()
    assert has_fired(waiting)
    assert log == ["pause", "resume"]


def test_an_exception_in_a_callback_is_logged_and_the_next_is_called(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    sender = RecordingSender()
    sender.queue.cork()

    def fail(_transport: IPacketTransport) -> None:
        raise ZeroDivisionError

    sender.queue.put(message("a"), fail)
    carriers = flushed_by(sender.queue, "b")
    sender.queue.uncork()
    assert carriers == [sender.transport]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_a_callback_may_send_the_next_message() -> None:
    sender = RecordingSender()
    sender.queue.put(message("a"), lambda _: put(sender.queue, "b"))
    assert sender.transport.sent == messages("a", "b")


def test_when_flushed_fires_at_once_with_nothing_on_its_way() -> None:
    queue = RecordingSender().queue
    assert has_fired(queue.when_flushed())
    put(queue, "a")
    assert has_fired(queue.when_flushed())


def test_when_flushed_waits_for_what_waits() -> None:
    sender = stuck()
    put(sender.queue, "a")
    waiting = sender.queue.when_flushed()
    assert not has_fired(waiting)
    make_writable(sender)
    assert has_fired(waiting)


def test_when_flushed_waits_for_what_is_in_flight() -> None:
    sender = congested()
    put(sender.queue, "a")
    waiting = sender.queue.when_flushed()
    sender.transport.writable = False
    put(sender.queue, "b")
    later = sender.queue.when_flushed()
    assert not has_fired(waiting)
    sender.queue.batch_flushed()
    assert has_fired(waiting)
    assert not has_fired(later)
    make_writable(sender)
    sender.queue.batch_flushed()
    assert has_fired(later)


def test_when_flushed_gives_each_caller_a_deferred_of_its_own() -> None:
    sender = stuck()
    put(sender.queue, "a")
    both = [sender.queue.when_flushed(), sender.queue.when_flushed()]
    assert both[0] is not both[1]
    results = gatherResults(both)
    make_writable(sender)
    assert results.result == [None, None]


def test_when_drained_waits_for_room() -> None:
    sender = congested()
    assert has_fired(sender.queue.when_drained())
    put(sender.queue, "a")
    waiting = sender.queue.when_drained()
    assert not has_fired(waiting)
    sender.queue.batch_flushed()
    assert has_fired(waiting)


def test_when_drained_waits_for_the_session_to_open() -> None:
    sender = RecordingSender()
    sender.ready_state = ReadyState.OPENING
    waiting = sender.queue.when_drained()
    assert not has_fired(waiting)
    sender.ready_state = ReadyState.OPEN
    sender.queue.begin([(PacketType.OPEN, "{}")])
    assert has_fired(waiting)


# --- closing, and the end -------------------------------------------------------------


def test_a_closing_session_goes_on_after_drain_when_nothing_waits() -> None:
    sender = stuck()
    put(sender.queue, "a")
    seen: list[int] = []
    sender.on("drain", lambda: seen.append(sender.drained))
    sender.ready_state = ReadyState.CLOSING
    assert sender.drained == 0
    make_writable(sender)
    assert seen == [0]
    assert sender.drained == 1


def test_a_closing_session_goes_on_again_when_nothing_is_in_flight() -> None:
    sender = congested()
    put(sender.queue, "a")
    sender.ready_state = ReadyState.CLOSING
    sender.transport.writable = False
    sender.queue.put((PacketType.PONG, None, True, None))
    sender.queue.batch_flushed()
    assert sender.drained == 0
    make_writable(sender)
    assert (sender.drained, sender.queue.in_flight) == (1, True)
    sender.queue.batch_flushed()
    assert (sender.drained, sender.queue.in_flight) == (2, False)


@pytest.mark.parametrize("taken", [False, True])
def test_the_end_tells_everybody_who_waits(taken: bool) -> None:
    sender = congested() if taken else stuck()
    carriers = flushed_by(sender.queue, "a")
    failures: list[object] = []
    log: list[object] = []
    for waiting in (sender.queue.when_flushed(), blocked(sender).when_drained()):
        waiting.addErrback(lambda failure: failures.append(failure.value))
    sender.queue.register_producer(LoggingProducer(log), True)
    closed = sender.end()
    assert failures == [closed, closed]
    assert log[-1] == "stop"
    assert carriers == []
    assert sender.queue.waiting is None
    assert sender.queue.size == sender.engine.buffers.total == 0


def blocked(sender: RecordingSender) -> SendQueue:
    if sender.queue.has_room:
        sender.queue.put(message(MUCH))
    return sender.queue


def test_after_the_end_a_transport_may_go_on_as_before() -> None:
    sender = congested()
    sender.queue.cork()
    carriers = flushed_by(sender.queue, "a")
    sender.end()
    sender.queue.uncork()
    sender.queue.flush()
    sender.queue.batch_flushed()
    sender.queue.cork()
    sender.queue.unregister_producer()
    assert sender.transport.sent == []
    assert carriers == []
    assert sender.drained == 0


def test_after_the_end_nothing_waits_for_the_garbage_collector() -> None:
    sender = stuck()
    put(sender.queue, "a")
    sender.queue.put(message(MUCH))
    failures: list[object] = []
    waiting: Deferred[None] = sender.queue.when_drained()
    waiting.addErrback(failures.append)
    sender.queue.register_producer(LoggingProducer([]), True)
    reference = weakref.ref(sender)
    gc.disable()
    try:
        sender.end()
        del sender, waiting
        failures.clear()
        assert reference() is None
    finally:
        gc.enable()


# --- past the queue -------------------------------------------------------------------


class FrameTransport(RecordingTransport):
    """A transport that takes frames, as a WebSocket does."""

    def __init__(self, *, writable: bool = True) -> None:
        super().__init__(writable=writable)
        self.frames: list[bytes] = []
        self.takes_frames = True

    @override
    def send_frame(self, frame: bytes) -> bool:
        if self.takes_frames:
            self.frames.append(frame)
        return self.takes_frames


class FrameSender(RecordingSender):
    transport: FrameTransport


def passing(*, writable: bool = True) -> FrameSender:
    return FrameSender(FrameTransport(writable=writable))


def test_a_frame_goes_past_the_queue_where_that_makes_no_difference() -> None:
    sender = passing()
    assert sender.queue.pass_frame("a", FRAME)
    assert sender.transport.frames == [FRAME]
    assert not sender.queue.in_flight
    assert sender.queue.size == 0


def let_one_wait(sender: FrameSender) -> None:
    sender.transport.writable = False
    put(sender.queue, "before")
    sender.transport.writable = True


def let_one_be_in_flight(sender: FrameSender) -> None:
    sender.transport.flushes_at_once = False
    put(sender.queue, "before")


def take_no_frames(sender: FrameSender) -> None:
    sender.transport.takes_frames = False


@pytest.mark.parametrize(
    "hinder",
    [
        let_one_wait,
        let_one_be_in_flight,
        take_no_frames,
        lambda sender: sender.queue.cork(),
        lambda sender: sender.queue.put(message("asked"), lambda _: None),
        lambda sender: sender.on("drain", lambda: None),
        lambda sender: sender.engine.on("flush", lambda *_: None),
    ],
)
def test_a_frame_does_not_pass_where_it_makes_a_difference(
    hinder: Callable[[FrameSender], object],
) -> None:
    sender = passing()
    hinder(sender)
    assert not sender.queue.pass_frame("a", FRAME)
    assert sender.transport.frames == []


def test_a_frame_that_has_passed_may_be_in_flight() -> None:
    sender = passing(writable=False)
    log: list[object] = []
    sender.queue.register_producer(LoggingProducer(log), True)
    assert sender.queue.pass_frame("a", FRAME)
    assert sender.queue.in_flight
    assert sender.queue.size == packet_size("a")
    waiting = sender.queue.when_flushed()
    sender.queue.batch_flushed()
    assert has_fired(waiting)
    assert sender.queue.size == 0
    assert log == ["pause", "resume"]


def test_what_is_counted_are_messages_that_a_transport_was_given() -> None:
    sender = passing()
    sender.traffic = traffic = Traffic(0.0)
    sender.queue.begin([(PacketType.OPEN, "{}"), (MESSAGE, "hello")])
    put(sender.queue, "a")
    assert sender.queue.pass_frame("b", FRAME)
    sender.transport.writable = False
    put(sender.queue, "c")
    sender.queue.put((PacketType.PING, None, True, None))
    assert traffic.messages_out == 3
    make_writable(sender)
    assert traffic.messages_out == 4
