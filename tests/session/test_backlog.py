"""Slow readers: what waits for them is counted, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from typing_extensions import override

from tests.doubles import ended_with
from tests.session.sessions import Opened, new_session, open_session
from txengineio.errors import BufferOverflow, CloseReason
from txengineio.protocol.packets import PacketType
from txengineio.session.backlog import BATCH_SIZE, Backlog, Buffers, packet_size
from txengineio.session.interfaces import OutgoingPacket
from txengineio.testing import RecordingTransport


class CongestedTransport(RecordingTransport):
    """Takes one batch, and no more until the peer reads."""

    @override
    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        super().send_packets(packets)
        self.writable = False
        return False


KILOBYTE = b"k" * 1000
SIZE = packet_size(KILOBYTE)


def slow(**options: Any) -> Opened:
    """Open a session whose transport takes nothing."""
    return open_session(transport=RecordingTransport(writable=False), **options)


def reads(opened: Opened) -> None:
    opened.transport.writable = True
    opened.session.send_queue.batch_flushed()
    opened.session.send_queue.flush()


def overflow_of(opened: Opened) -> BufferOverflow:
    assert opened.session.closed is not None
    problem = opened.session.closed.description
    assert isinstance(problem, BufferOverflow)
    return problem


def test_a_peer_that_keeps_up_costs_no_counting() -> None:
    opened = open_session()
    opened.session.send_queue.cork()
    for _ in range(10):
        opened.session.send("a")
    opened.session.send_queue.uncork()
    opened.session.send("b")
    assert opened.session.send_queue._backlog is None
    assert opened.session.buffered_bytes == 0
    assert opened.session.writable


def test_what_stays_behind_is_counted_until_it_is_taken() -> None:
    opened = slow()
    for number in (1, 2, 3):
        assert opened.session.send(KILOBYTE)
        assert opened.session.buffered_bytes == number * SIZE
    assert opened.engine.buffers.total == 3 * SIZE
    reads(opened)
    assert opened.session.buffered_bytes == 0
    assert opened.engine.buffers.total == 0


def test_what_the_transport_has_taken_and_not_handed_on_is_counted() -> None:
    transport = RecordingTransport(flushes_at_once=False)
    opened = open_session(transport=transport)
    opened.session.send(KILOBYTE)
    assert opened.session.buffered_bytes == SIZE
    assert not opened.session.writable
    opened.session.send_queue.batch_flushed()
    assert opened.session.buffered_bytes == 0
    assert opened.session.writable


@pytest.mark.parametrize("message", ["", b"", "a", "\N{EURO SIGN}" * 100, b"x" * 5000])
def test_a_message_counts_as_the_memory_that_it_takes(message: str | bytes) -> None:
    assert packet_size(message) >= len(message) * (2 if message[:1] == "€" else 1) + 96


def test_too_much_for_one_session_ends_it_with_a_reason_of_its_own() -> None:
    opened = slow(max_buffered_bytes=3 * SIZE)
    for _ in range(3):
        assert opened.session.send(KILOBYTE)
    assert not opened.session.send(KILOBYTE)
    assert ended_with(opened.protocol) is CloseReason.BUFFER_OVERFLOW
    problem = overflow_of(opened)
    assert (problem.size, problem.limit) == (4 * SIZE, 3 * SIZE)
    assert "max_buffered_bytes" in str(problem)
    assert opened.engine.buffers.total == 0
    opened.assert_over()


def test_too_much_in_empty_messages_is_too_much() -> None:
    opened = slow(max_buffered_bytes=100_000)
    count = 0
    while opened.session.send(b""):
        count += 1
    assert 500 < count < 1000


def test_too_much_for_all_ends_the_session_that_most_waits_for() -> None:
    first = slow(max_total_buffered_bytes=5 * SIZE)
    others = []
    for sid in ("b", "c"):
        session = new_session(first.engine, RecordingTransport(writable=False))
        session.id = sid
        session.open([])
        others.append(session)
    assert all(first.session.send(KILOBYTE) for _ in range(3))
    assert all(session.send(KILOBYTE) for session in others)
    assert first.engine.ended == []
    assert others[0].send(KILOBYTE)
    assert first.engine.ended == [(first.session.id, CloseReason.BUFFER_OVERFLOW)]
    assert overflow_of(first).option == "max_total_buffered_bytes"
    assert first.engine.buffers.total == 3 * SIZE


def test_a_session_that_cannot_end_does_not_hold_the_others_up() -> None:
    buffers = Buffers(total_limit=10)
    told: list[BufferOverflow] = []
    backlog = Backlog(buffers, told.append)
    backlog.count([(None, KILOBYTE)])
    backlog.enforce()
    assert len(told) == 1


def test_without_limits_everything_is_kept() -> None:
    opened = slow(max_buffered_bytes=None, max_total_buffered_bytes=None)
    assert all(opened.session.send(b"x" * 1_000_000) for _ in range(100))


def test_the_limit_holds_while_a_handler_sends() -> None:
    opened = slow(max_buffered_bytes=1_000_000)
    opened.session.send_queue.cork()
    sent = 0
    while opened.session.send(KILOBYTE):
        sent += 1
    assert 800 < sent < 1000
    opened.session.send_queue.uncork()
    assert ended_with(opened.protocol) is CloseReason.BUFFER_OVERFLOW


def test_what_a_handler_sends_goes_out_before_it_is_done_if_it_is_much() -> None:
    opened = open_session()
    opened.session.send_queue.cork()
    for _ in range(2 * BATCH_SIZE // SIZE):
        assert opened.session.send(KILOBYTE)
    assert opened.transport.batches
    assert opened.session.buffered_bytes <= BATCH_SIZE + 64 * SIZE
    opened.session.send_queue.uncork()
    assert len(opened.transport.sent) == 2 * BATCH_SIZE // SIZE
    assert opened.session.buffered_bytes == 0


def test_control_packets_count_too() -> None:
    opened = slow(revision=3, allow_eio3=True, max_buffered_bytes=10_000)
    count = 0
    while not opened.is_over():
        opened.session.packet_received(PacketType.PING, None)
        count += 1
    assert count < 200
    assert ended_with(opened.protocol) is CloseReason.BUFFER_OVERFLOW


def test_a_large_backlog_leaves_in_pieces_and_in_order() -> None:
    opened = open_session(transport=CongestedTransport(writable=False))
    data = [bytes([number]) * 300_000 for number in range(16)]
    flushed: list[int] = []
    for number, message in enumerate(data):
        opened.session.send(message, on_flushed=note(flushed, number))
    opened.transport.writable = True
    opened.session.send_queue.flush()
    assert [len(batch) for batch in opened.transport.batches] == [4]
    assert flushed == []
    assert opened.session.buffered_bytes == sum(map(packet_size, data))
    reads(opened)
    assert flushed == [0, 1, 2, 3]
    for _ in range(3):
        reads(opened)
    assert [packet[1] for packet in opened.transport.sent] == data
    assert flushed == list(range(16))
    assert opened.session.buffered_bytes == 0


def note(calls: list[int], number: int) -> Callable[[object], None]:
    return lambda _transport: calls.append(number)


def test_volatile_messages_are_dropped_when_the_peer_does_not_keep_up() -> None:
    opened = slow()
    # A little may wait: between two polls nothing else is possible.
    assert opened.session.send("a", volatile=True)
    opened.session.send(b"x" * 70_000)
    assert not opened.session.writable
    assert not opened.session.send("b", volatile=True)
    assert opened.session.send("c")
    reads(opened)
    assert opened.session.send("d", volatile=True)
    texts = [packet[1] for packet in opened.transport.sent if packet[1] != b"x" * 70000]
    assert texts == ["a", "c", "d"]
