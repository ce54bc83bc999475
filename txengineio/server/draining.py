"""Ending all sessions of an engine: at once, or so many a second.

Those that end at once take no messages from the moment at which the first one is told.
Applications tell all others of each that leaves; among sessions that all leave, that
would be a message from each to each, for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from twisted.internet.defer import DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from txengineio.reactor import steady_seconds
from txengineio.server.session import Session

__all__ = ["close_all", "drop_all"]

_MIN_INTERVAL: Final = 0.05
"""Seconds between two steps, at least: a finer spread makes no difference."""


async def close_all(
    sessions: Sequence[Session], spread: float | None, clock: IReactorTime
) -> None:
    """Close sessions once they have got what was sent to them; wait for their end.

    Args:
        sessions: The sessions.
        spread: How many of them are closed in a second; None for all at once.
        clock: Where time comes from.
    """
    # However they end: the rest may be closed at once meanwhile.
    ended = DeferredList([each.when_closed() for each in sessions])
    if spread is None:
        _begin_to_close(sessions)
        for each in sessions:
            each.close()
        await ended
        return
    closing = _close_in_turn(sessions, spread, clock)
    await ended
    if closing.running:
        closing.stop()


def drop_all(sessions: Sequence[Session]) -> None:
    """Close sessions now, whatever has not left yet."""
    _begin_to_close(sessions)
    for each in sessions:
        each.close(discard=True)


def _begin_to_close(sessions: Sequence[Session]) -> None:
    for each in sessions:
        each.begin_to_close()


def _close_in_turn(
    sessions: Sequence[Session], spread: float, clock: IReactorTime
) -> LoopingCall:
    left = iter(sessions)
    seconds = steady_seconds(clock)
    began = seconds()
    closed = 0

    def close_those_due() -> None:
        nonlocal closed
        # The first one at once. A step that is late makes up for it.
        due = 1 + int((seconds() - began) * spread)
        for each in islice(left, due - closed):
            each.close()
        closed = due

    closing = LoopingCall(close_those_due)
    closing.clock = clock
    closing.start(max(1 / spread, _MIN_INTERVAL))
    return closing
