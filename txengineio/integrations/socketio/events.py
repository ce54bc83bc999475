"""The events of clients whose handlers are not done yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

__all__ = ["EventQueue"]

Event = Callable[[], Deferred[None] | None]


class EventQueue:
    """Runs the events of each client, side by side or in their order.

    Reading from a client that sends faster than its handlers end is paused: beyond the
    limit, its next message waits for a handler.

    Args:
        limit: Events of a client that may be under way.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Only of clients with events under way.
        self._unfinished: dict[str, int] = {}
        self._last: dict[str, Deferred[None]] = {}

    def begun(self, client: str, done: Deferred[None]) -> Deferred[None] | None:
        """Count an event that is under way.

        Args:
            client: Whose event it is.
            done: Fires, and never fails, when its handler is done.

        Returns:
            The handler to wait for before the next message; None for none.
        """
        unfinished = self._unfinished.get(client, 0) + 1
        self._unfinished[client] = unfinished
        done.addCallback(self._uncount, client)
        if unfinished < self._limit:
            return None
        waited: Deferred[None] = Deferred()
        done.addCallback(waited.callback)
        return waited

    def run_in_order(self, client: str, event: Event) -> Deferred[None] | None:
        """Run an event after the client's earlier ones.

        Returns:
            As `begun`.
        """
        last = self._last.get(client)
        done = event() if last is None else _after(last, event)
        if done is None:
            return None
        self._last[client] = done
        done.addCallback(self._ended, client, done)
        return self.begun(client, done)

    def _ended(self, _result: Any, client: str, done: Deferred[None]) -> None:
        if self._last.get(client) is done:
            del self._last[client]

    def _uncount(self, _result: Any, client: str) -> None:
        self._unfinished[client] -= 1
        if not self._unfinished[client]:
            del self._unfinished[client]


def _after(last: Deferred[None], event: Event) -> Deferred[None]:
    """Run an event when another is done; the other goes on as it would."""
    done: Deferred[None] = Deferred()

    def begin(_result: Any) -> None:
        waiting = event()
        if waiting is None:
            done.callback(None)
        else:
            waiting.addCallback(done.callback)

    last.addCallback(begin)
    return done
