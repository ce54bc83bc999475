"""Who is told of each session that opens in this process, on either side.

An engine tells of its own sessions by its event ``connection``; these are for those who
know no engine, or look at clients, too: a log of packets, the checks of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from txengineio.application import AnySession

__all__ = ["OBSERVERS", "Observer", "observe_sessions"]

Observer = Callable[[AnySession], object]

OBSERVERS: Final[list[Observer]] = []
"""Those who are told; the list is empty where nobody watches, as in most processes."""


def observe_sessions(observer: Observer) -> Callable[[], None]:
    """Call something with each session that opens, before anything is sent on it.

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
