"""Signals that a service of twistd sees to itself."""

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
    """Have a function called when a signal comes, instead of what else would happen.

    Args:
        reactor: Calls it, in its own time.
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
