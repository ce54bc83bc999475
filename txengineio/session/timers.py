"""The timer wheel: one ``LoopingCall`` for any number of timers.

Due times are rounded up to a bucket of a fixed width. The loop ticks twice a second and
looks ahead: each bucket that is due before the tick after the next gets a call of the
reactor, at its very time. So timers are as exact as a bucket is narrow, and cost what
is due, not what is connected: nothing wakes up for a bucket that is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil, floor
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["COARSE", "HasDueTime", "Schedule", "TimerWheel", "resolution_for"]

COARSE: Final = 0.5
"""The width of a bucket, in seconds, where the exact time does not matter."""

# Widths of a bucket in seconds for heartbeats. A silent peer is found out after two
# waits, and each may be late by a bucket, and by a millisecond that reactors round up:
# below a second that makes less than 5 ms, above it less than 100 ms.
_FINE = 0.001
_NORMAL = 0.04
_SHORT = 1.0
# Seconds between two ticks.
_CADENCE = 0.5
# Seconds by which a tick looks ahead: it may come late without making anything late.
_AHEAD = 2 * _CADENCE
# Guards the rounding of due times against the inexactness of binary fractions: seconds.
_EPSILON = 1e-6
# Seconds by which a call must be late to be remarkable.
_STALL = 1.0


class HasDueTime(Protocol):
    """An entry of `TimerWheel`."""

    due_bucket: int | None
    """Kept by `TimerWheel`; None when nothing is scheduled. Start with None."""

    def due(self) -> None:
        """Act: the time has come. Nothing is scheduled for the entry any more."""


class Schedule(Protocol):
    """Calls entries when their time has come."""

    def schedule(self, entry: HasDueTime, delay: float) -> None:
        """Call ``entry.due()`` after ``delay`` seconds, replacing any earlier time."""

    def cancel(self, entry: HasDueTime) -> None:
        """Forget the entry; nothing happens if nothing is scheduled for it."""


def resolution_for(*durations: float) -> float:
    """Return the width of a bucket, in seconds, for heartbeats of these durations."""
    return _FINE if min(durations) < _SHORT else _NORMAL


class TimerWheel:
    """Calls each entry's `due` once its time has come, never early.

    The loop runs only while something is scheduled.

    Args:
        clock: Where the time comes from.
        resolution: The width of a bucket in seconds: how late a call may come.
        name: What a timer is, for the log: "the heartbeat of a session".
        steady: A monotonic clock, in seconds, in case the other one may be set.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        resolution: float,
        name: str,
        steady: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._seconds = steady or clock.seconds
        self._resolution = resolution
        self._name = name
        self._buckets: dict[int, dict[HasDueTime, None]] = {}
        # The calls of the buckets before the horizon.
        self._calls: dict[int, IDelayedCall] = {}
        self._horizon = 0
        self._loop = LoopingCall(self._look_ahead)
        self._loop.clock = clock

    def schedule(self, entry: HasDueTime, delay: float) -> None:
        """Call ``entry.due()`` after ``delay`` seconds, replacing any earlier time."""
        bucket = ceil((self._seconds() + delay - _EPSILON) / self._resolution)
        before = entry.due_bucket
        if bucket == before:
            return
        if before is not None:
            self._remove(entry)
        entry.due_bucket = bucket
        entries = self._buckets.get(bucket)
        if entries is not None:
            entries[entry] = None
        else:
            self._begin(bucket, entry)

    def cancel(self, entry: HasDueTime) -> None:
        """Forget the entry; nothing happens if nothing is scheduled for it."""
        if entry.due_bucket is not None:
            self._remove(entry)
            self._stop_if_empty()

    def entries(self) -> list[HasDueTime]:
        """List the entries for which something is scheduled."""
        return [entry for entries in self._buckets.values() for entry in entries]

    def _begin(self, bucket: int, entry: HasDueTime) -> None:
        self._buckets[bucket] = {entry: None}
        if not self._loop.running:
            self._start()
            return
        if self._clock_was_set_back():
            self._loop.reset()
            for each, call in self._calls.items():
                call.reset(self._time_until(each))
        if bucket < self._horizon:
            self._call_at(bucket)

    def _remove(self, entry: HasDueTime) -> None:
        bucket = entry.due_bucket
        entry.due_bucket = None
        if bucket is not None and (entries := self._buckets.get(bucket)) is not None:
            entries.pop(entry, None)
            if not entries:
                del self._buckets[bucket]
                if (call := self._calls.pop(bucket, None)) is not None:
                    call.cancel()

    # --- looking ahead ----------------------------------------------------------------

    def _start(self) -> None:
        self._horizon = 0
        # Not by the loop: a lone connection would pay for its Deferreds.
        self._look_ahead()
        self._loop.start(_CADENCE, now=False).addErrback(self._failed)

    def _stop_if_empty(self) -> None:
        if not self._buckets and self._loop.running:
            self._loop.stop()

    def _look_ahead(self) -> None:
        before = self._horizon
        self._horizon = floor((self._seconds() + _AHEAD) / self._resolution)
        for bucket in self._between(before, self._horizon):
            if bucket not in self._calls:
                self._call_at(bucket)

    def _between(self, first: int, end: int) -> Iterable[int]:
        """List the buckets of a range, in order."""
        if end - first > len(self._buckets):
            # This process stood still, or little is scheduled: cheaper than to look for
            # each bucket of the range.
            return sorted(bucket for bucket in self._buckets if first <= bucket < end)
        return [bucket for bucket in range(first, end) if bucket in self._buckets]

    def _clock_was_set_back(self) -> bool:
        # Else the next tick, and all calls, would come that much later.
        call = self._loop.call
        return (
            call is not None
            and call.getTime() - self._clock.seconds() > _CADENCE + _STALL
        )

    def _failed(self, failure: Failure) -> None:
        # A LoopingCall whose function raises has stopped for good.
        self._log.failure("the timer loop failed and is restarted", failure=failure)
        if self._buckets:
            self._start()

    # --- what is due ------------------------------------------------------------------

    def _time_until(self, bucket: int) -> float:
        return max(bucket * self._resolution - self._seconds(), 0.0)

    def _call_at(self, bucket: int) -> None:
        wait = self._time_until(bucket)
        self._calls[bucket] = self._clock.callLater(wait, self._due, bucket)

    def _due(self, bucket: int) -> None:
        late = self._seconds() - bucket * self._resolution
        if late < -_EPSILON:
            # The clock was set forward.
            self._call_at(bucket)
        elif late > _STALL:
            # This process has stood still. What its peers have sent meanwhile is here,
            # but not read yet: they must not be called dead before that is done.
            self._calls[bucket] = self._clock.callLater(0, self._call_entries, bucket)
        else:
            self._call_entries(bucket)

    def _call_entries(self, bucket: int) -> None:
        # Popped first: an entry that schedules itself anew starts a fresh bucket.
        del self._calls[bucket]
        for entry in self._buckets.pop(bucket):
            # An earlier entry of the bucket may have cancelled this one.
            if entry.due_bucket == bucket:
                entry.due_bucket = None
                self._call(entry)
        self._stop_if_empty()

    def _call(self, entry: HasDueTime) -> None:
        try:
            entry.due()
        except Exception:
            # One entry's fault must not stop the timers of all others.
            self._log.failure("{timer} failed", timer=self._name)
