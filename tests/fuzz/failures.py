"""Failures in the log: a server that survives them has met something unforeseen."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["no_failures"]


@contextmanager
def no_failures(*, collect: bool = False) -> Iterator[None]:
    """Assert that nothing unforeseen is logged.

    Args:
        collect: Look for failures too that nobody has handled; it takes a while.
    """
    failures: list[Failure] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(observe)
    try:
        yield
        if collect:
            gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not failures, "\n".join(each.getTraceback() for each in failures)
