"""The sessions of an engine, as the page shows them.

A session's id is a credential: anyone who has it can take the session over. So only its
beginning is shown, and a session is pointed at by a handle that is good for nothing but
closing it, and soon for nothing at all.
"""

from __future__ import annotations

from functools import partial
from secrets import token_urlsafe
from typing import Any, Final

from twisted.internet.defer import DeferredLock
from twisted.internet.task import deferLater

from txengineio.integrations.inspector.reports import Part, report
from txengineio.integrations.inspector.selection import (
    Query,
    Selection,
    traffic_of,
)
from txengineio.server.engine import Engine
from txengineio.server.session import Session

__all__ = ["HANDLE_LIFETIME", "SLICE", "SessionList"]

HANDLE_LIFETIME: Final = 60.0
"""Seconds after the last report that listed it for which a handle is good."""

SLICE: Final = 500
"""Sessions that are looked at before others get their turn: less than a millisecond."""

_HANDLE_BYTES: Final = 12


class SessionList:
    """Lists the sessions of an engine, and closes those that are pointed at.

    The engine begins to count when this is made.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statistics = engine.keep_statistics()
        # Many open pages take no more of a reactor's turn than one.
        self._turns = DeferredLock()
        # Of each session that was listed: its handle, and until when that is good.
        self._handles: dict[str, tuple[str, float]] = {}

    @property
    def total(self) -> int:
        """How many sessions there are."""
        return len(self._engine.sessions)

    async def report(self, query: Query) -> dict[str, Any]:
        """Describe the sessions that are asked for in values that JSON knows.

        Args:
            query: Which ones.

        Returns:
            What `txengineio.integrations.inspector.reports.report` does.
        """
        return report(query, [await self.part(query)])

    async def part(self, query: Query) -> Part:
        """Return this engine's part of a report."""
        async with self._turns:
            selection = await self._select(query)
        self._forget_handles()
        row = partial(self._row, query)
        return Part(
            transports=selection.transports,
            matching=selection.matching,
            handshakes=self._statistics.handshakes.total(),
            upgrades=self._statistics.upgrades["completed"],
            own=None if selection.own is None else partial(row, selection.own),
            best=[(key, partial(row, session)) for key, session in selection.best],
        )

    def close(self, handle: str) -> bool:
        """Close the session that a handle stands for; say whether there was one."""
        self._forget_handles()
        for sid, (known, _) in self._handles.items():
            if known == handle:
                self._engine.sessions[sid].close()
                return True
        return False

    async def _select(self, query: Query) -> Selection:
        selection = Selection(query)
        sessions = list(self._engine.sessions.values())
        for start in range(0, len(sessions), SLICE):
            if start:
                await deferLater(self._engine.clock, 0)
            selection.look_at(sessions[start : start + SLICE])
        return selection

    def _row(self, query: Query, session: Session) -> dict[str, Any] | None:
        if session.closed is not None:
            return None
        now = self._engine.clock.seconds()
        handle, _ = self._handles.get(session.id) or (token_urlsafe(_HANDLE_BYTES), 0)
        self._handles[session.id] = handle, now + HANDLE_LIFETIME
        traffic = traffic_of(session)
        return {
            "handle": handle,
            "id": session.short_id,
            "own": session.short_id == query.own,
            "transport": session.transport.name,
            "revision": session.protocol_revision,
            "state": session.ready_state.value,
            "address": session.remote_address,
            "buffered": session.buffered_bytes,
            "age": now - traffic.opened_at,
            "messagesIn": traffic.messages_in,
            "messagesOut": traffic.messages_out,
            "bytesIn": traffic.bytes_in,
            "bytesOut": traffic.bytes_out,
            "roundTrip": traffic.round_trip,
        }

    def _forget_handles(self) -> None:
        now = self._engine.clock.seconds()
        self._handles = {
            sid: (handle, until)
            for sid, (handle, until) in self._handles.items()
            if until > now and sid in self._engine.sessions
        }
