"""The sessions that a page wants to see, picked out of all.

All sessions are searched and sorted, but only so many are kept: what is kept while more
are looked at, and so the work for each of them, is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from txengineio.server.session import Session
from txengineio.session.base import SHOWN
from txengineio.session.traffic import Traffic

__all__ = [
    "MAX_LISTED",
    "PAGE_SIZE",
    "Query",
    "Selection",
    "traffic_of",
]

PAGE_SIZE: Final = 100
"""Sessions on a page."""

MAX_LISTED: Final = 1_000
"""Sessions that can be paged through; a search, or another order, finds the others."""

_MAX_SHOWN: Final = SHOWN + 13
_MAX_SEARCH: Final = 100
_NONE: Final = Traffic(0.0)


def traffic_of(session: Session) -> Traffic:
    """Return a session's counts; zeros where nobody counts."""
    return session.traffic or _NONE


_SORTS: Final[dict[str, Callable[[Session], Any]]] = {
    "opened": lambda session: traffic_of(session).opened_at,
    "id": lambda session: session.short_id,
    "transport": lambda session: session.transport.name,
    "address": lambda session: session.remote_address or "",
    "in": lambda session: traffic_of(session).bytes_in,
    "out": lambda session: traffic_of(session).bytes_out,
    "buffered": lambda session: session.buffered_bytes,
    # Sessions without a heartbeat yet come first.
    "roundTrip": lambda session: traffic_of(session).round_trip or -1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The query of a page.

    Attributes:
        search: Words; each has to be in what is shown of a session. Case is no matter.
        sort: One of the columns: ``opened``, ``id``, ``transport``, ``address``,
            ``in``, ``out``, ``buffered`` and ``roundTrip``.
        descending: Whether the largest value comes first.
        page: Which page, from 1.
        own: The beginning of the page's own session's id, as it is shown: that session
            comes first in any order, and "this page" finds it. "" without one.

    Raises:
        ValueError: There is no such column, or page.
    """

    search: str = ""
    sort: str = "opened"
    descending: bool = False
    page: int = 1
    own: str = ""

    def __post_init__(self) -> None:
        if self.sort not in _SORTS:
            raise ValueError(f"no column {self.sort!r}")
        if self.page < 1:
            raise ValueError(f"no page {self.page}")

    @classmethod
    def from_arguments(cls, arguments: Mapping[bytes, Sequence[bytes]]) -> Query:
        """Read the arguments of a URL: the attributes' names; ``descending=1``.

        Raises:
            ValueError: A value makes no sense.
        """

        def first(name: str, default: str) -> str:
            return arguments.get(name.encode(), [default.encode()])[0].decode()

        return cls(
            search=first("search", "")[:_MAX_SEARCH],
            sort=first("sort", "opened"),
            descending=first("descending", "") == "1",
            page=int(first("page", "1")),
            own=first("own", "")[:_MAX_SHOWN],
        )


class Selection:
    """Picks the sessions that are to be listed while all of them pass by.

    Args:
        query: Which ones are wanted.

    Attributes:
        transports: How many sessions there are, by transport.
        matching: How many of them the search finds.
        own: The page's own session, if the search finds it.
        best: The other ones that it finds, in order, each after its sort key;
            `MAX_LISTED` at most.
    """

    def __init__(self, query: Query) -> None:
        self.transports: Counter[str] = Counter()
        self.matching = 0
        self.own: Session | None = None
        self.best: list[tuple[Any, Session]] = []
        self._query = query
        self._words = query.search.casefold().split()
        self._key = _SORTS[query.sort]

    def look_at(self, sessions: Iterable[Session]) -> None:
        """Look at some more sessions, in the order in which they were opened."""
        for session in sessions:
            if session.closed is not None:
                continue
            self.transports[session.transport.name] += 1
            is_own = session.short_id == self._query.own
            if self._words and not self._finds(session, is_own):
                continue
            self.matching += 1
            if is_own:
                self.own = session
            else:
                self.best.append((self._key(session), session))
        self.best.sort(key=itemgetter(0), reverse=self._query.descending)
        del self.best[MAX_LISTED:]

    def _finds(self, session: Session, is_own: bool) -> bool:
        address = session.remote_address or "a Unix socket"
        shown = (
            f"{session.short_id} {session.transport.name} {address} "
            f"{session.ready_state.value}{' this page' if is_own else ''}"
        ).casefold()
        return all(word in shown for word in self._words)
