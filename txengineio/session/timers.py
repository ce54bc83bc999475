"""When heartbeats are due: one ``LoopingCall`` for any number of sessions.

Due times are rounded up to a bucket of a fixed width. A tick looks at the buckets whose
time has come and at no others, so that it costs what is due, not what is connected.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["HasDueTime", "Schedule", "TimerWheel", "resolution_for"]

# Bounds of a bucket's width in seconds: below the first, a reactor spends its time on
# ticks; above the second, heartbeats of many sessions come in visible bursts.
_FINEST = 0.005
_COARSEST = 0.5
# The share of the shortest duration by which a heartbeat may come late.
_LATENESS = 0.05
# Guards the rounding of due times against the inexactness of binary fractions.
_EPSILON = 1e-6
# Seconds by which a tick must be late to be remarkable.
_STALL = 1.0


class HasDueTime(Protocol):
    """An entry of `TimerWheel`."""

    due_bucket: int | None
    """Kept by `TimerWheel`; None when nothing is scheduled. Start with None."""

    def due(self) -> None:
        """Act: the time has come. Nothing is scheduled for the entry any more."""


class Schedule(Protocol):
    """What calls entries when their time has come."""

    def schedule(self, entry: HasDueTime, delay: float) -> None:
        """Call ``entry.due()`` after ``delay`` seconds, and at no earlier set time."""

    def cancel(self, entry: HasDueTime) -> None:
        """Forget the entry; nothing happens if nothing is scheduled for it."""


def resolution_for(*durations: float) -> float:
    """Return the width of a bucket, in seconds, that suits these durations."""
    return min(max(min(durations) * _LATENESS, _FINEST), _COARSEST)


class TimerWheel:
    """Calls each entry's `due` once its time has come, never early.

    The loop runs only while something is scheduled.

    Args:
        clock: Where the time comes from.
        resolution: The width of a bucket in seconds: how late a call may come.
        steady: Seconds of a time that nobody sets, if the clock's may be.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        resolution: float,
        steady: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._seconds = steady or clock.seconds
        self._ticked = 0.0
        self._late_call: IDelayedCall | None = None
        self._resolution = resolution
        self._buckets: dict[int, dict[HasDueTime, None]] = {}
        self._reached = 0
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

    def schedule(self, entry: HasDueTime, delay: float) -> None:
        """Call ``entry.due()`` after ``delay`` seconds, and at no earlier set time."""
        due = (self._seconds() + delay) / self._resolution
        bucket = ceil(due - _EPSILON)
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

    def _begin(self, bucket: int, entry: HasDueTime) -> None:
        self._buckets[bucket] = {entry: None}
        # Earlier than reached if the clock was set back: the loop must look there too.
        self._reached = min(self._reached, bucket)
        if not self._loop.running:
            self._start()
        elif self._loop.call is not None:
            wait = self._loop.call.getTime() - self._clock.seconds()
            if wait > self._resolution + _STALL:
                # The clock was set back: the next tick would come that much later.
                self._loop.reset()

    def cancel(self, entry: HasDueTime) -> None:
        """Forget the entry; nothing happens if nothing is scheduled for it."""
        if entry.due_bucket is not None:
            self._remove(entry)
            self._stop_if_empty()

    def _stop_if_empty(self) -> None:
        if not self._buckets and self._loop.running:
            self._loop.stop()
            if self._late_call is not None:
                self._late_call.cancel()
                self._late_call = None

    def _remove(self, entry: HasDueTime) -> None:
        bucket = entry.due_bucket
        entry.due_bucket = None
        if bucket is not None and (entries := self._buckets.get(bucket)) is not None:
            entries.pop(entry, None)
            if not entries:
                del self._buckets[bucket]

    def _start(self) -> None:
        self._ticked = self._seconds()
        self._reached = self._now() - 1
        self._loop.start(self._resolution, now=False).addErrback(self._failed)

    def _now(self) -> int:
        return int(self._seconds() / self._resolution + _EPSILON)

    def _tick(self) -> None:
        before, self._ticked = self._ticked, self._seconds()
        if self._late_call is not None:
            return
        if self._ticked - before > self._resolution + _STALL:
            # This process has stood still. What its peers have sent meanwhile is here,
            # but not read yet: they must not be called dead before that is done.
            self._late_call = self._clock.callLater(0, self._late_tick)
        else:
            self._call_due()

    def _late_tick(self) -> None:
        self._late_call = None
        self._call_due()

    def _call_due(self) -> None:
        now = self._now()
        for bucket in self._passed(now):
            # Popped first: an entry that schedules itself anew starts a fresh bucket.
            for entry in self._buckets.pop(bucket):
                # An earlier entry of the bucket may have cancelled this one.
                if entry.due_bucket == bucket:
                    entry.due_bucket = None
                    self._call(entry)
        self._reached = now
        self._stop_if_empty()

    def _passed(self, now: int) -> list[int]:
        """List the buckets whose time has come, in order."""
        if now - self._reached > len(self._buckets):
            # Cheaper than counting: the clock has jumped, or little is scheduled.
            return sorted(bucket for bucket in self._buckets if bucket <= now)
        span = range(self._reached, now + 1)
        return [bucket for bucket in span if bucket in self._buckets]

    def _call(self, entry: HasDueTime) -> None:
        try:
            entry.due()
        except Exception:
            # One entry's fault must not stop the heartbeats of all others.
            self._log.failure("a heartbeat failed")

    def _failed(self, failure: Failure) -> None:
        # A LoopingCall whose function raises has stopped for good.
        self._log.failure("the heartbeat loop failed and is restarted", failure=failure)
        if self._buckets:
            self._start()
