"""The timers of a client: its heartbeat, and the answer to its POST.

A server has many sessions and shares one loop between them; a client has one, whose
heartbeat is due exactly when it should be.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Deadline"]


class _Entry(Protocol):
    def due(self) -> None: ...


class Deadline:
    """Calls one entry's ``due`` once its time has come.

    Args:
        clock: Where the time comes from.
    """

    __slots__ = ("_call", "_clock")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None

    def schedule(self, entry: _Entry, delay: float) -> None:
        """Call ``entry.due()`` after ``delay`` seconds, replacing any earlier time."""
        if self._call is None:
            self._call = self._clock.callLater(delay, self._due, entry)
        else:
            self._call.reset(delay)

    def cancel(self, entry: _Entry) -> None:
        """Forget the entry; nothing happens if nothing is scheduled."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _due(self, entry: _Entry) -> None:
        self._call = None
        entry.due()
