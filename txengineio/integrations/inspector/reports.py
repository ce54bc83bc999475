"""The report that the page gets, put together from the parts of all engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from txengineio.integrations.inspector.selection import MAX_LISTED, PAGE_SIZE, Query

__all__ = ["Part", "Row", "needed", "report"]

Row = Callable[[], dict[str, Any] | None]
"""Describes a session in values that JSON knows; None if it has ended meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An engine's part of a report.

    Attributes:
        transports: How many sessions it has, by transport.
        matching: How many of them the search finds.
        handshakes: Sessions opened since it began to count.
        upgrades: Moves to WebSocket since then.
        own: The page's own session, if it is there and the search finds it.
        best: The first ones of the others, each after its sort key.
    """

    transports: Counter[str]
    matching: int
    handshakes: int
    upgrades: int
    own: Row | None
    best: Sequence[tuple[Any, Row]]


def needed(query: Query) -> int:
    """Return how many sessions of one engine may be on a page, or before it."""
    return min(query.page * PAGE_SIZE, MAX_LISTED)


def report(
    query: Query, parts: Sequence[Part], missing: Iterable[str] = ()
) -> dict[str, Any]:
    """Put parts together.

    Args:
        query: Which sessions are wanted.
        parts: What the engines have to add.
        missing: The workers that have not answered.

    Returns:
        Values that JSON knows. ``total`` and ``transports`` (how many of each) count
        all sessions, and ``matching`` those that the search finds; the first ``listed``
        of these can be paged through, on so many ``pages``. ``sessions`` are those of
        ``page``, which is the last one if there are fewer than was asked for; ``start``
        are on the pages before. ``handshakes`` and ``upgrades`` are those since the
        engines began to count; ``missing`` is as given.
    """
    transports = sum((part.transports for part in parts), Counter[str]())
    matching = sum(part.matching for part in parts)
    listed = min(matching, MAX_LISTED)
    # One if there are none.
    pages = max(1, -(-listed // PAGE_SIZE))
    page = min(query.page, pages)
    start = (page - 1) * PAGE_SIZE
    best = [each for part in parts for each in part.best]
    best.sort(key=itemgetter(0), reverse=query.descending)
    own = [part.own for part in parts if part.own is not None]
    rows = [*own, *(row for _, row in best)][:listed]
    made = [row() for row in rows[start : start + PAGE_SIZE]]
    return {
        "total": transports.total(),
        "transports": transports,
        "matching": matching,
        "listed": listed,
        "page": page,
        "pages": pages,
        "start": start,
        "handshakes": sum(part.handshakes for part in parts),
        "upgrades": sum(part.upgrades for part in parts),
        "missing": sorted(missing),
        "sessions": [each for each in made if each is not None],
    }
