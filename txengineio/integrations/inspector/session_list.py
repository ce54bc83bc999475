"""The sessions of an engine, as people get to see them.

A session's id is a credential: whoever has it can take the session over. So only its
beginning is shown, and a session is pointed at by a handle that is good for nothing but
closing it, and soon for nothing at all.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from secrets import token_urlsafe
from typing import Any, Final

from txengineio.server.engine import Engine
from txengineio.server.session import Session

__all__ = ["HANDLE_LIFETIME", "MAX_ROWS", "SessionList"]

MAX_ROWS: Final = 200
"""Sessions that a report lists; how many there are it tells in any case."""

HANDLE_LIFETIME: Final = 60.0
"""Seconds after the last report that listed it for which a handle is good."""

_HANDLE_BYTES: Final = 12
_SHOWN: Final = 6


class SessionList:
    """Lists the sessions of an engine, and closes those that are pointed at.

    The engine begins to count when this is made.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statistics = engine.keep_statistics()
        # Of each session that was listed: its handle, and until when that is good.
        self._handles: dict[str, tuple[str, float]] = {}

    def report(self) -> dict[str, Any]:
        """Describe the sessions in values that JSON knows."""
        sessions = self._engine.sessions
        self._forget_handles()
        return {
            "total": len(sessions),
            "transports": Counter(each.transport.name for each in sessions.values()),
            "handshakes": self._statistics.handshakes.total(),
            "upgrades": self._statistics.upgrades["completed"],
            "sessions": [
                self._row(each) for each in islice(sessions.values(), MAX_ROWS)
            ],
        }

    def close(self, handle: str) -> bool:
        """Close the session that a handle stands for; say whether there was one."""
        self._forget_handles()
        for sid, (known, _) in self._handles.items():
            if known == handle:
                self._engine.sessions[sid].close()
                return True
        return False

    def _row(self, session: Session) -> dict[str, Any]:
        now = self._engine.clock.seconds()
        handle, _ = self._handles.get(session.id) or (token_urlsafe(_HANDLE_BYTES), 0)
        self._handles[session.id] = handle, now + HANDLE_LIFETIME
        row = {
            "handle": handle,
            "id": session.id[:_SHOWN],
            "transport": session.transport.name,
            "revision": session.protocol_revision,
            "state": session.ready_state.value,
            "address": session.remote_address,
            "buffered": session.buffered_bytes,
        }
        traffic = session.traffic
        if traffic is not None:
            row |= {
                "age": now - traffic.opened_at,
                "messagesIn": traffic.messages_in,
                "messagesOut": traffic.messages_out,
                "bytesIn": traffic.bytes_in,
                "bytesOut": traffic.bytes_out,
                "roundTrip": traffic.round_trip,
            }
        return row

    def _forget_handles(self) -> None:
        now = self._engine.clock.seconds()
        self._handles = {
            sid: (handle, until)
            for sid, (handle, until) in self._handles.items()
            if until > now and sid in self._engine.sessions
        }
