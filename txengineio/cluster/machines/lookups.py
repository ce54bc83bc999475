"""The question whether an unknown node is a member by now, within bounds.

Anybody can send ids that name nodes which do not exist: neither the membership's server
nor this node is to work much for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

__all__ = ["MAX_A_SECOND", "MAX_WAITING", "MISSED_FOR", "LookUps"]

MISSED_FOR: Final = 5.0
"""Seconds during which a node that was not found is not asked for again."""

MAX_A_SECOND: Final = 20
"""Questions a second, about as many names."""

MAX_WAITING: Final = 1000
"""Requests that wait for answers."""


class LookUps:
    """The look-ups of one node.

    Args:
        look_up: Asks, as `IMembership.look_up`.
        clock: Where time comes from.
    """

    def __init__(
        self, look_up: Callable[[str], Deferred[bool]], clock: IReactorTime
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        # By names: the callers that wait, and when a name was missed.
        self._waiting: dict[str, list[Callable[[], object]]] = {}
        self._missed: dict[str, float] = {}
        self._second = 0.0
        self._asked = 0
        self._callers = 0

    def ask(self, name: str, done: Callable[[], object]) -> bool:
        """Ask for a node.

        Args:
            name: Its name.
            done: Called when the answer is there: the membership's listener knows the
                node by then, or there is none.

        Returns:
            Whether that is asked; if not, the node counts as unknown now.
        """
        if self._callers >= MAX_WAITING:
            return False
        waiting = self._waiting.get(name)
        if waiting is None:
            if not self._may_ask(name):
                return False
            waiting = self._waiting[name] = []
            self._callers += 1
            waiting.append(done)
            self._look_up(name).addBoth(self._answered, name)
            return True
        self._callers += 1
        waiting.append(done)
        return True

    def _may_ask(self, name: str) -> bool:
        now = self._clock.seconds()
        if self._missed:
            # The oldest come first.
            for each, since in list(self._missed.items()):
                if 0 <= now - since < MISSED_FOR:
                    break
                del self._missed[each]
        if name in self._missed:
            return False
        # Clocks may go back.
        if not 0 <= now - self._second < 1:
            self._second, self._asked = now, 0
        self._asked += 1
        return self._asked <= MAX_A_SECOND

    def _answered(self, found: object, name: str) -> None:
        if found is not True:
            self._missed.pop(name, None)
            self._missed[name] = self._clock.seconds()
        waiting = self._waiting.pop(name)
        self._callers -= len(waiting)
        for done in waiting:
            done()
