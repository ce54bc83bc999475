"""Where a new session goes: to the node that has the fewest, if they are uneven.

Connections come to nodes by chance, or by a proxy that knows nothing of sessions, and
sessions last for hours. The others' numbers are up to a second old, and count what was
sent there since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from txengineio.cluster.interfaces import IPeer

__all__ = ["better_place", "has_come"]

_SHARE: Final = 1.25
_SLACK: Final = 50
"""A node gives sessions away above the mean times the share, plus the slack."""


def better_place(
    own: int, is_open: bool, limit: int | None, peers: Iterable[IPeer]
) -> IPeer | None:
    """Return the node that should get the next session.

    Args:
        own: How many sessions this node has.
        is_open: Whether it takes new ones.
        limit: How many each node may have; None for any number.
        peers: The other nodes.

    Returns:
        The node; None for this one.
    """
    others = [peer for peer in peers if not peer.load.draining]
    if not others:
        return None
    sessions = [peer.load.sessions for peer in others]
    least = min(sessions)
    is_full = limit is not None and own >= limit
    if is_open and not is_full:
        mean = (own + sum(sessions)) / (1 + len(others))
        if own <= _SHARE * mean + _SLACK:
            return None
    elif limit is not None and least >= limit:
        return None
    return others[sessions.index(least)]


def has_come(peer: IPeer) -> None:
    """Count a session that was sent to a node, until it says how many it has."""
    peer.load = replace(peer.load, sessions=peer.load.sessions + 1)
