"""Look-ups of nodes that are not known: few, whoever asks for how many."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

__all__ = ["MAX_LOOK_UPS", "LookUps"]

MAX_LOOK_UPS: Final = 100
"""Names that are looked up from one beat to the next, at most.

Anybody can send requests with names of nodes that are not there.
"""

LOOK_UP_TIMEOUT: Final = 1.0
"""Seconds until nobody is there, as far as anybody knows."""


class LookUps:
    """Looks each name up once a beat.

    Args:
        ask: Finds out whether there is such a node; never fails.
        clock: Tells when that takes too long.
    """

    def __init__(
        self, ask: Callable[[str], Coroutine[Any, Any, bool]], clock: IReactorTime
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._asked: set[str] = set()
        self._waiting: dict[str, list[Deferred[bool]]] = {}

    def beat(self) -> None:
        """Let the names be asked for again."""
        self._asked.clear()

    def look_up(self, name: str) -> Deferred[bool]:
        """Find out whether there is a node; see `IMembership.look_up`."""
        found: Deferred[bool] = Deferred()
        if name in self._waiting:
            self._waiting[name].append(found)
            return found
        if name in self._asked or len(self._asked) >= MAX_LOOK_UPS:
            return succeed(False)
        self._asked.add(name)
        self._waiting[name] = [found]
        asked = Deferred.fromCoroutine(self._ask(name))
        asked.addTimeout(LOOK_UP_TIMEOUT, self._clock)
        asked.addErrback(_nobody).addCallback(self._answered, name)
        return found

    def _answered(self, is_there: bool, name: str) -> None:
        for found in self._waiting.pop(name):
            found.callback(is_there)


def _nobody(failure: Failure) -> bool:
    failure.trap(TimeoutError)
    return False
