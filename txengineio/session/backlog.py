"""What waits for a peer that reads more slowly than it is sent data, and how much.

Nothing is counted as long as the transport takes what it is given. Once a packet stays
behind, the session has a `Backlog`; the backlogs of an engine report to its `Buffers`,
which knows the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getsizeof
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from txengineio.errors import BufferOverflow, SessionClosed
from txengineio.protocol.packets import PacketData
from txengineio.session.callbacks import call_guarded

__all__ = [
    "BATCH_SIZE",
    "HIGH_WATER_MARK",
    "Backlog",
    "Buffers",
    "Flow",
    "packet_size",
]

HIGH_WATER_MARK: Final = 65536
"""Bytes that may wait before an application is told to send less."""

BATCH_SIZE: Final = 1 << 20
"""Bytes that a transport is given at a time, once more than that waits."""

_PACKET_SIZE: Final = 96
"""Bytes that a packet takes in the write buffer, beside its data."""


def packet_size(data: PacketData) -> int:
    """Return the memory that a packet with this data takes while it waits."""
    return _PACKET_SIZE if data is None else _PACKET_SIZE + getsizeof(data)


class Buffers:
    """The memory that the sessions of one engine keep back, all together.

    Args:
        session_limit: Bytes that one session may keep back; None for no limit.
        total_limit: Bytes that all may keep back together; None for no limit.

    Attributes:
        total: Bytes that are kept back now.
    """

    def __init__(
        self, session_limit: int | None = None, total_limit: int | None = None
    ) -> None:
        self.session_limit = session_limit
        self.total_limit = total_limit
        self.total = 0
        self._backlogs: set[Backlog] = set()

    def changed(self, backlog: Backlog, difference: int) -> None:
        """Count a backlog that has grown or shrunk."""
        self.total += difference
        if backlog.queued or backlog.in_flight:
            self._backlogs.add(backlog)
        else:
            self._backlogs.discard(backlog)

    def enforce(self, backlog: Backlog) -> None:
        """End the session of a backlog that is too large, or of the largest one."""
        limit = self.session_limit
        if limit is not None and backlog.queued + backlog.in_flight > limit:
            backlog.overflow(BufferOverflow(backlog.size, limit, "max_buffered_bytes"))
        limit = self.total_limit
        while limit is not None and self.total > limit and self._backlogs:
            problem = BufferOverflow(self.total, limit, "max_total_buffered_bytes")
            largest = max(self._backlogs, key=_size_of)
            largest.overflow(problem)
            # Its session has ended, which has emptied it. Should that have failed, this
            # loop must come to its end all the same.
            self._backlogs.discard(largest)


def _size_of(backlog: Backlog) -> int:
    return backlog.size


class Backlog:
    """The memory that one session keeps back.

    Args:
        buffers: Where to report to.
        overflow: Called with the problem when the session must end for it.

    Attributes:
        queued: Bytes in the session's write buffer, as far as counted.
        in_flight: Bytes that the transport has taken and not handed on yet.
        overflow: As above.
    """

    __slots__ = ("_buffers", "_counted", "in_flight", "overflow", "queued")

    def __init__(
        self, buffers: Buffers, overflow: Callable[[BufferOverflow], None]
    ) -> None:
        self.queued = 0
        self.in_flight = 0
        self.overflow = overflow
        self._buffers = buffers
        self._counted = 0

    @property
    def size(self) -> int:
        """Bytes that are kept back."""
        return self.queued + self.in_flight

    def count(self, packets: Sequence[Any]) -> None:
        """Count the packets that came into the write buffer since the last time."""
        added = 0
        for packet in packets[self._counted :] if self._counted else packets:
            # As `packet_size`: between two polls, each message is counted.
            data = packet[1]
            added += _PACKET_SIZE if data is None else _PACKET_SIZE + getsizeof(data)
        self._counted = len(packets)
        self.queued += added
        self._buffers.changed(self, added)

    def enforce(self) -> None:
        """Enforce the limits."""
        self._buffers.enforce(self)

    def next_batch(self, packets: Sequence[Any]) -> int:
        """Return how many packets of the write buffer the transport is given now."""
        if self.queued < BATCH_SIZE:
            return len(packets)
        size = 0
        for number, packet in enumerate(packets, 1):
            size += packet_size(packet[1])
            if size >= BATCH_SIZE:
                return number
        return len(packets)

    def taken(self, packets: Sequence[Any], all_of_them: bool) -> None:
        """Count packets that the transport is given."""
        removed = self.queued
        if all_of_them:
            self._counted = 0
        else:
            counted = packets[: self._counted]
            removed = sum(packet_size(packet[1]) for packet in counted)
            self._counted -= len(counted)
        self.queued -= removed
        self._buffers.changed(self, -removed)

    def stuck(self, packets: Sequence[Any]) -> None:
        """Note that the transport has not handed on what it was given."""
        size = sum(packet_size(packet[1]) for packet in packets)
        self.in_flight += size
        self._buffers.changed(self, size)

    def flushed(self) -> None:
        """Note that the transport has handed on all that it was given."""
        if self.in_flight:
            size, self.in_flight = self.in_flight, 0
            self._buffers.changed(self, -size)

    def clear(self) -> None:
        """Forget everything; the session is over."""
        size = self.size
        self.queued = self.in_flight = self._counted = 0
        self._buffers.changed(self, -size)


class Flow:
    """What waits until more can be sent: Deferreds, and at most one producer.

    Args:
        is_writable: Whether more can be sent now.
        clock: Where time comes from.
    """

    __slots__ = (
        "_clock",
        "_is_writable",
        "_producer",
        "_pull_call",
        "_streaming",
        "_told_to_pause",
        "_waiting",
    )

    def __init__(self, is_writable: Callable[[], bool], clock: IReactorTime) -> None:
        self._is_writable = is_writable
        self._clock = clock
        self._waiting: list[Deferred[None]] = []
        self._producer: Any = None
        self._streaming = False
        self._told_to_pause = False
        self._pull_call: IDelayedCall | None = None

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when more can be sent."""
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred

    def register(self, producer: Any, streaming: bool) -> None:
        """Let a producer know from now on when to produce.

        Raises:
            RuntimeError: There is another one.
        """
        if self._producer is not None:
            raise RuntimeError(f"{self._producer} was never unregistered")
        self._producer, self._streaming = producer, streaming
        self._told_to_pause = False
        if not streaming:
            self._pull_later()
        elif not self._is_writable():
            self.pause()

    def unregister(self) -> None:
        """Forget the producer."""
        self._producer = None
        if self._pull_call is not None:
            self._pull_call.cancel()
            self._pull_call = None

    def pause(self) -> None:
        """Tell a push producer, once, to produce nothing more."""
        if self._producer is not None and self._streaming and not self._told_to_pause:
            self._told_to_pause = True
            call_guarded(self._producer.pauseProducing)

    def resume(self) -> None:
        """Tell all waiters that more can be sent."""
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)
        if self._producer is None or not self._is_writable():
            return
        if not self._streaming:
            self._pull_later()
        elif self._told_to_pause:
            self._told_to_pause = False
            call_guarded(self._producer.resumeProducing)

    def _pull_later(self) -> None:
        # Not at once: a producer that answers at once would keep all others out.
        if self._pull_call is None and self._is_writable():
            self._pull_call = self._clock.callLater(0, self._pull)

    def _pull(self) -> None:
        self._pull_call = None
        if self._is_writable():
            call_guarded(self._producer.resumeProducing)
        if self._producer is not None:
            self._pull_later()

    def end(self, closed: SessionClosed) -> None:
        """Tell all waiters that the session is over."""
        producer = self._producer
        self.unregister()
        if producer is not None:
            call_guarded(producer.stopProducing)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(closed)
