"""A wait before the reactor runs: whoever starts the program waits for its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from txengineio.twistd.signals import STOP_SIGNALS, caught

__all__ = ["Stopped", "can_turn", "turn_last", "turn_until"]

_TURN: Final = 0.05
"""Seconds that the reactor may wait at a time."""


class Stopped(Exception):
    """A signal came that ends the process; the text is its name."""


def can_turn(reactor: Any) -> bool:
    """Whether a reactor does not run, and can turn all the same."""
    # Those of tests do not turn, and have no threads.
    return not getattr(reactor, "running", True) and hasattr(reactor, "getThreadPool")


def turn_until(reactor: Any, done: Deferred[None]) -> None:
    """Let a reactor turn that does not run yet, until something is done.

    Args:
        reactor: The reactor.
        done: Fires when it is; it is cancelled if the process is to end.

    Raises:
        Stopped: A signal came before.
        Exception: ``done`` has failed with it.
    """
    outcome: list[Any] = []
    told: list[str] = []
    done.addBoth(outcome.append)
    with caught(reactor, STOP_SIGNALS, told.append), _resolving(reactor):
        while not outcome:
            if told:
                done.cancel()
                raise Stopped(told[0])
            reactor.iterate(_TURN)
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()


def turn_last(reactor: Any, done: Deferred[None]) -> None:
    """Let a reactor turn that will not run until something is done.

    Its threads end, which would keep the process from ending.

    Args:
        reactor: The reactor.
        done: Fires when it is; a signal that is to end the process cancels it.
    """
    with suppress(Stopped):
        turn_until(reactor, done)
    with suppress(Exception):
        reactor.getThreadPool().stop()


@contextmanager
def _resolving(reactor: Any) -> Iterator[None]:
    """Start the threads that look host names up; usually the reactor starts them."""
    threads = reactor.getThreadPool()
    threads.start()
    try:
        yield
    except BaseException:
        # They would keep the process from ending.
        with suppress(Exception):
            threads.stop()
        raise
