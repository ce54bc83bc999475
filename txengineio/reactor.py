"""The reactor that is used when none is given, and the time that it tells."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import ModuleType
from typing import Final, Protocol, cast

from twisted.internet.interfaces import IReactorTime
from twisted.python import runtime

__all__ = [
    "MIN_DELAY",
    "AnyReactor",
    "KeepsTime",
    "reactor_or_global",
    "steady_seconds",
]

MIN_DELAY: Final = 0.001
"""Seconds of a time-out that are worth waiting for.

By rounding, less may be left than it takes to advance a clock.
"""


class KeepsTime(Protocol):
    """A reactor, for type checkers that know nothing of zope.interface."""

    def seconds(self) -> float:
        """Return the time."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> object:
        """Call something after so many seconds."""


AnyReactor = IReactorTime | KeepsTime | ModuleType
"""A reactor as users have it; ``twisted.internet.reactor`` they take for a module."""


def reactor_or_global(reactor: AnyReactor | None) -> IReactorTime:
    """Return the reactor, or the global one if it is None."""
    if reactor is not None:
        return cast(IReactorTime, reactor)
    # Only now: importing it installs a reactor, and perhaps not the one that is wanted.
    from twisted.internet import reactor as installed  # noqa: PLC0415, TID251

    return cast(IReactorTime, installed)


def steady_seconds(clock: IReactorTime) -> Callable[[], float]:
    """Return a function that tells the time in seconds, from some moment on.

    Reactors use the time of day, which administrators and NTP set. No peer should be
    taken for dead because of that.
    """
    seconds: Callable[[], float] = clock.seconds
    return monotonic if seconds is runtime.seconds else seconds
