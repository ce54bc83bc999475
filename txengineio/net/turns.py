"""Turns: what one peer sends keeps nobody else waiting for long.

A read may bring thousands of tiny messages, and what they cost is not in their bytes.
So a connection works for a `SHARE` at most. What it has read and not yet parsed by then
waits in a queue, and meanwhile nothing more is read from that peer; the reactor has its
timers, newcomers and other services, and comes back to the queue once a turn. A peer
that waits for an answer waits for about a share of each peer that floods.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from txengineio.reactor import steady_seconds

__all__ = ["SHARE", "TURN", "Turns", "turns_of"]

SHARE: Final = 0.001
"""Seconds after which a connection lets others go first."""

TURN: Final = 0.005
"""Seconds that connections may take together before the reactor has its turn again."""

_turns: Final[WeakValueDictionary[Any, Turns]] = WeakValueDictionary()
"""Those that are in use, by their reactors."""


class Turns:
    """The queue of the connections of one reactor that have more to do.

    Args:
        clock: The reactor.

    Attributes:
        seconds: Tells the time; nobody sets it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.seconds = steady_seconds(clock)
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_called = False

    def is_over(self, since: float) -> bool:
        """Whether a connection that has worked since then should let others go first.

        Args:
            since: What `seconds` said when it began.
        """
        return not 0 <= self.seconds() - since < SHARE

    def wait(self, go_on: Callable[[], None]) -> None:
        """Have a function called when it is the caller's turn again, never at once."""
        self._waiting.append(go_on)
        if not self._is_called:
            self._is_called = True
            self._clock.callLater(0, self._run)

    def _run(self) -> None:
        began = self.seconds()
        # Those that still have more to do join the end of the queue.
        for _ in range(len(self._waiting)):
            try:
                self._waiting.popleft()()
            except Exception:
                self._log.failure("a connection could not go on")
            if not 0 <= self.seconds() - began < TURN:
                break
        self._is_called = bool(self._waiting)
        if self._is_called:
            self._clock.callLater(0, self._run)


def turns_of(clock: IReactorTime) -> Turns:
    """Return the queue that all connections of a reactor share."""
    turns = _turns.get(clock)
    if turns is None:
        turns = _turns[clock] = Turns(clock)
    return turns
