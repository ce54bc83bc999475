"""What takes its time: each task once at a time, and all of them can be cancelled."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

__all__ = ["Tasks"]


class Tasks:
    """The tasks that are under way.

    Args:
        failed: Takes what is wrong when one that was started has failed.
    """

    def __init__(self, failed: Callable[[Failure], None]) -> None:
        self._failed = failed
        self._running: dict[str, Deferred[None]] = {}

    def start(
        self, name: str, function: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Begin a task, unless one of that name is under way."""
        if name not in self._running:
            self.run(name, function).addErrback(self._failed)

    def run(
        self, name: str, function: Callable[[], Coroutine[Any, Any, None]]
    ) -> Deferred[None]:
        """Begin a task; return what fires at its end."""
        self._running[name] = Deferred()  # until it waits for something itself
        running = self._running[name] = Deferred.fromCoroutine(function())
        return running.addBoth(self._ended, name)

    def cancel(self) -> None:
        """Cancel all that is under way."""
        for running in list(self._running.values()):
            running.cancel()

    def _ended(self, result: Any, name: str) -> Any:
        self._running.pop(name, None)
        return result
