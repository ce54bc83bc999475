"""The reactor that is used when none is given, and a time that nobody sets."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.python import runtime

__all__ = ["reactor_or_global", "steady_seconds"]


def reactor_or_global(reactor: IReactorTime | None) -> IReactorTime:
    """Return the reactor, or the global one if it is None."""
    if reactor is not None:
        return reactor
    # Only now: importing it installs a reactor, and perhaps not the one that is wanted.
    from twisted.internet import reactor as installed  # noqa: PLC0415, TID251

    return cast(IReactorTime, installed)


def steady_seconds(clock: IReactorTime) -> Callable[[], float]:
    """Return a function that tells the time in seconds, from some moment on.

    Reactors use the time of day, which administrators and NTP set. Nobody should be
    taken for dead because of that.
    """
    seconds: Callable[[], float] = clock.seconds
    return monotonic if seconds is runtime.seconds else seconds
