"""The open sessions by id: one registry, whatever transport they are on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from secrets import token_urlsafe
from types import MappingProxyType
from typing import Final

from txengineio.server.session import Session

__all__ = ["SessionRegistry", "mark_of", "new_sid", "node_of"]

NODE_END: Final = "-"
"""What comes after the name of a node; no name has it."""

_SID_BYTES: Final = 15
_SID_LENGTH: Final = 20
_STOCK: Final = 64
"""Ids that are made at a time: made one by one, each would cost a system call."""

_stock: list[str] = []

if hasattr(os, "register_at_fork"):
    # Two processes must not give away the same ones.
    os.register_at_fork(after_in_child=_stock.clear)


def new_sid() -> str:
    """Make an id: 20 letters, digits and underscores, with 119 random bits.

    It has no `NODE_END`, so that no node, and no proxy that looks at the beginning of
    ids, takes it for the id of a session on a node whose name it begins with.
    """
    if not _stock:
        text = token_urlsafe(_SID_BYTES * _STOCK).replace(NODE_END, "_")
        starts = range(0, len(text), _SID_LENGTH)
        _stock.extend(text[start : start + _SID_LENGTH] for start in starts)
    return _stock.pop()


def node_of(sid: str) -> str:
    """Return the name of the node that a session is on, if its id tells one."""
    node, end, _ = sid.partition(NODE_END)
    return node if end else ""


def mark_of(node: str) -> bytes:
    """Return what the query of a request has in it that is for a node's session."""
    return f"sid={node}{NODE_END}".encode("ascii")


class SessionRegistry:
    """The open sessions, and the beginning of their ids.

    Args:
        node: The name of the node, which its ids tell; None if they tell none.

    Attributes:
        sessions: A read-only view that follows every change.
    """

    def __init__(self, node: str | None = None) -> None:
        self._prefix = "" if node is None else f"{node}{NODE_END}"
        self._sessions: dict[str, Session] = {}
        self.sessions: Mapping[str, Session] = MappingProxyType(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def new_sid(self) -> str:
        """Make an id that nobody can guess."""
        return self._prefix + new_sid()

    def own_sid(self, chosen: str) -> str:
        """Return an id of the application's choice as an id of this node."""
        return self._prefix + chosen

    def add(self, session: Session) -> None:
        """Register a session; its id must be free, see `is_free`."""
        assert session.id not in self._sessions
        self._sessions[session.id] = session

    def is_free(self, sid: str) -> bool:
        """Whether no session has this id."""
        return sid not in self._sessions

    def find(self, sid: str) -> Session | None:
        """Return the session with this id, if there is one."""
        return self._sessions.get(sid)

    def remove(self, session: Session) -> None:
        """Forget a session; the only way out."""
        self._sessions.pop(session.id, None)

    def all(self) -> list[Session]:
        """List the sessions; the list stays as it is while they come and go."""
        return list(self._sessions.values())
