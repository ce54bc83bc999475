"""The reactor that is used when none is given."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime

__all__ = ["reactor_or_global"]


def reactor_or_global(reactor: IReactorTime | None) -> IReactorTime:
    """Return the reactor, or the global one if it is None."""
    if reactor is not None:
        return reactor
    # Only now: importing it installs a reactor, and perhaps not the one that is wanted.
    from twisted.internet import reactor as installed  # noqa: PLC0415, TID251

    return cast(IReactorTime, installed)
