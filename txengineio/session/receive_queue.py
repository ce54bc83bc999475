"""Messages that wait until the application is done with an earlier one."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.defer import Deferred

__all__ = ["MAX_PENDING_MESSAGES", "ReceiveQueue", "SlowReader"]

MAX_PENDING_MESSAGES = 32
"""Messages that may wait, unless more are allowed."""


class SlowReader(Protocol):
    """The owner of the queue: a session whose application takes its time."""

    def deliver(self, message: str | bytes) -> Deferred[None] | None:
        """Hand a message over; a Deferred says that the next one has to wait."""

    def receive_queue_full(self) -> None:
        """Stop reading from the peer."""

    def receive_queue_emptied(self) -> None:
        """Go on without a queue: nothing waits any more."""


class ReceiveQueue:
    """Hands over one message at a time, in order.

    It exists only while the application takes its time: as long as its callbacks finish
    at once there is nothing to queue.

    Args:
        session: Whose messages these are.
        waiting: Fires, and never fails, when the application is done with the message
            that it has now.
        limit: Messages that may wait before reading from the peer is paused.
    """

    __slots__ = ("_limit", "_messages", "_session")

    def __init__(
        self,
        session: SlowReader,
        waiting: Deferred[None],
        limit: int = MAX_PENDING_MESSAGES,
    ) -> None:
        self._session = session
        self._limit = limit
        self._messages: deque[str | bytes] = deque()
        waiting.addCallback(self._proceed)

    def append(self, message: str | bytes) -> None:
        """Add a message to the queue."""
        self._messages.append(message)
        if len(self._messages) == self._limit:
            self._session.receive_queue_full()

    def clear(self) -> None:
        """Forget the messages that wait."""
        self._messages.clear()

    def _proceed(self, _result: None) -> None:
        # A loop, not recursion: many messages may wait.
        while self._messages:
            waiting = self._session.deliver(self._messages.popleft())
            if waiting is not None:
                waiting.addCallback(self._proceed)
                return
        self._session.receive_queue_emptied()
