"""Signals that a service of twistd handles itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["STOP_SIGNALS", "caught"]

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def caught(
    reactor: Any, numbers: Iterable[signal.Signals], call: Callable[[str], object]
) -> Iterator[None]:
    """Call a function when a signal comes, instead of the usual handling.

    Args:
        reactor: Calls it, in a turn of its own.
        numbers: The signals.
        call: Called with the signal's name.
    """

    def handler(number: int, _frame: object) -> None:
        reactor.callFromThread(call, signal.Signals(number).name)

    before = {each: signal.signal(each, handler) for each in numbers}
    try:
        yield
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)
