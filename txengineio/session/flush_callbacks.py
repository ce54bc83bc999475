"""Callbacks and Deferreds that fire when sent messages have been handed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from txengineio.errors import SessionClosed
from txengineio.session.callbacks import call_guarded
from txengineio.session.interfaces import IPacketTransport

__all__ = ["FlushCallbacks"]

FlushCallback = Callable[[IPacketTransport], Any]


class FlushCallbacks:
    """Callbacks of a session's messages, in the order in which these were sent.

    It exists only for sessions that have such callbacks. A callback waits first with
    its message in the write buffer, then for the transport; it is called at most once.
    """

    __slots__ = ("_buffered", "_sent")

    def __init__(self) -> None:
        # Each with the number of packets up to its message in the write buffer.
        self._buffered: list[tuple[int, FlushCallback | Deferred[None]]] = []
        self._sent: list[FlushCallback | Deferred[None]] = []

    def add(self, callback: FlushCallback | Deferred[None], position: int) -> None:
        """Wait for a message in the write buffer; the first one's position is 1."""
        self._buffered.append((position, callback))

    def add_sent(self, deferred: Deferred[None]) -> None:
        """Wait for the packets that the transport was given last."""
        self._sent.append(deferred)

    def batch_taken(self, count: int) -> None:
        """Note that the transport was given so many packets of the write buffer."""
        waiting, self._buffered = self._buffered, []
        for position, callback in waiting:
            if position <= count:
                self._sent.append(callback)
            else:
                self._buffered.append((position - count, callback))

    def batch_flushed(self, transport: IPacketTransport) -> None:
        """Make the callbacks for messages that the transport has handed on."""
        callbacks, self._sent = self._sent, []
        for callback in callbacks:
            if isinstance(callback, Deferred):
                callback.callback(None)
            else:
                call_guarded(callback, transport)

    def session_closed(self, closed: SessionClosed) -> None:
        """Fail the Deferreds; callbacks are never called now."""
        waiting = [*self._sent, *(callback for _, callback in self._buffered)]
        self._sent, self._buffered = [], []
        for callback in waiting:
            if isinstance(callback, Deferred):
                callback.errback(closed)
