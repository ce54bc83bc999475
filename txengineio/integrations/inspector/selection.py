"""Which sessions a page wants to see, and the picking of them out of all.

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
from txengineio.session.traffic import Traffic

__all__ = ["MAX_LISTED", "PAGE_SIZE", "SHOWN", "Query", "Selection", "traffic_of"]

PAGE_SIZE: Final = 100
"""Sessions on a page."""

MAX_LISTED: Final = 1_000
"""Sessions that can be paged through; a search, or another order, finds the others."""

SHOWN: Final = 6
"""Characters of a session's id that people get to see: the id is a credential."""

_MAX_SEARCH: Final = 100
_NONE: Final = Traffic(0.0)


def traffic_of(session: Session) -> Traffic:
    """Return a session's counts; zeros where nobody counts."""
    return session.traffic or _NONE


_SORTS: Final[dict[str, Callable[[Session], Any]]] = {
    "opened": lambda session: traffic_of(session).opened_at,
    "id": lambda session: session.id[:SHOWN],
    "transport": lambda session: session.transport.name,
    "address": lambda session: session.remote_address or "",
    "in": lambda session: traffic_of(session).bytes_in,
    "out": lambda session: traffic_of(session).bytes_out,
    "buffered": lambda session: session.buffered_bytes,
    # Those that had no heartbeat yet are the first.
    "roundTrip": lambda session: traffic_of(session).round_trip or -1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a page asks for.

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
            own=first("own", "")[:SHOWN],
        )


class Selection:
    """Picks the sessions of a page while they pass by.

    Args:
        query: Which ones are wanted.

    Attributes:
        transports: How many sessions there are, by transport.
        matching: How many of them the search finds.
    """

    def __init__(self, query: Query) -> None:
        self.transports: Counter[str] = Counter()
        self.matching = 0
        self._query = query
        self._words = query.search.casefold().split()
        self._key = _SORTS[query.sort]
        self._own: Session | None = None
        self._best: list[tuple[Any, Session]] = []

    def look_at(self, sessions: Iterable[Session]) -> None:
        """Look at some more sessions, in the order in which they were opened."""
        for session in sessions:
            if session.closed is not None:
                continue
            self.transports[session.transport.name] += 1
            is_own = session.id[:SHOWN] == self._query.own
            if self._words and not self._finds(session, is_own):
                continue
            self.matching += 1
            if is_own:
                self._own = session
            else:
                self._best.append((self._key(session), session))
        self._best.sort(key=itemgetter(0), reverse=self._query.descending)
        del self._best[MAX_LISTED:]

    @property
    def listed(self) -> int:
        """How many of those that match can be paged through."""
        return min(self.matching, MAX_LISTED)

    @property
    def pages(self) -> int:
        """How many pages these fill; one if there are none."""
        return max(1, -(-self.listed // PAGE_SIZE))

    @property
    def page(self) -> int:
        """The page that was asked for, or the last one if there are not so many."""
        return min(self._query.page, self.pages)

    @property
    def start(self) -> int:
        """How many sessions are on the pages before."""
        return (self.page - 1) * PAGE_SIZE

    def sessions(self) -> list[Session]:
        """Return those of the page."""
        own = [] if self._own is None else [self._own]
        listed = own + [session for _, session in self._best]
        return listed[: self.listed][self.start : self.start + PAGE_SIZE]

    def _finds(self, session: Session, is_own: bool) -> bool:
        address = session.remote_address or "a Unix socket"
        shown = (
            f"{session.id[:SHOWN]} {session.transport.name} {address} "
            f"{session.ready_state.value}{' this page' if is_own else ''}"
        ).casefold()
        return all(word in shown for word in self._words)
