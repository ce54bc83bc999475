"""Functions that are called with each session that opens in this process.

An engine's event ``connection`` reports its own sessions. Observers need no engine, and
see the sessions of clients, too: a log of packets, the checks of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from txengineio.application import AnySession

__all__ = ["OBSERVERS", "Observer", "observe_sessions"]

Observer = Callable[[AnySession], object]

OBSERVERS: Final[list[Observer]] = []
"""The observers; the list is empty in most processes."""


def observe_sessions(observer: Observer) -> Callable[[], None]:
    """Call a function with each session that opens, before anything is sent on it.

    Args:
        observer: An exception in it is logged.

    Returns:
        A function that ends this; once is enough.
    """
    OBSERVERS.append(observer)

    def stop() -> None:
        if observer in OBSERVERS:
            OBSERVERS.remove(observer)

    return stop
