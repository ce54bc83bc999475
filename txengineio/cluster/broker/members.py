"""The other nodes that a node knows, and for how long it has not heard of each.

One that is cut off from the broker alone is silent, but its sessions go on, and can be
reached: so a silent node is asked itself before it is no member any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from txengineio.cluster.membership import IMembershipListener, Member

__all__ = ["SILENT_BEATS", "Members"]

SILENT_BEATS: Final = 10
"""Beats without a word of a node after which the broker and the node itself are asked.

With the time that it has for an answer, it is gone within 15 seconds.
"""


@dataclass(slots=True, eq=False)
class _Known:
    member: Member
    incarnation: bytes
    silent: int = 0


class Members:
    """The nodes that are known, except this one.

    The time is counted in beats, about a second each, and only in those in which this
    node has heard itself: while the broker is away, or this process is stopped, nobody
    seems to be silent. No clock is read.

    Args:
        listener: Is told of each change.
    """

    _log = Logger()

    def __init__(self, listener: IMembershipListener) -> None:
        self._listener = listener
        self._known: dict[str, _Known] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def incarnation_of(self, name: str) -> bytes | None:
        """Return which start of a node is known; None if none is."""
        known = self._known.get(name)
        return None if known is None else known.incarnation

    def is_member(self, name: str, incarnation: bytes) -> bool:
        """Whether a node is known, from this start of it."""
        return self.incarnation_of(name) == incarnation

    def here(self, member: Member, incarnation: bytes) -> None:
        """Note what a node has said about itself."""
        known = self._known.get(member.name)
        if known is not None and known.incarnation != incarnation:
            # Another one has got the name, after this one's end.
            self.remove(member.name)
            known = None
        self._known[member.name] = _Known(member, incarnation)
        if known is None or known.member.address != member.address:
            self._listener.joined(member)
        self._listener.announced(member.name, member.load)

    def heard(self, name: str) -> None:
        """Note that a node lives."""
        self._known[name].silent = 0

    def remove(self, name: str) -> None:
        """Note that a node is no member any more."""
        if self._known.pop(name, None) is not None:
            self._listener.left(name)

    def beat(self) -> list[str]:
        """Count a beat; return those that were silent for too many."""
        for known in self._known.values():
            known.silent += 1
        return [name for name in self._known if self.is_silent(name)]

    def is_silent(self, name: str) -> bool:
        """Whether a node was silent for too long."""
        known = self._known.get(name)
        return known is not None and known.silent >= SILENT_BEATS

    def suspect(self, name: str) -> None:
        """Take a node for one that was silent for too long."""
        if name in self._known:
            self._known[name].silent = SILENT_BEATS

    async def is_gone(self, name: str) -> bool:
        """Ask a silent node itself; say whether it has not answered either."""
        if not self.is_silent(name):
            return False
        answers = await self._listener.reaches(name)
        if not self.is_silent(name):
            # It was heard meanwhile, or has left.
            return False
        if answers:
            self._log.info("node {name} is not heard, but answers itself", name=name)
            self.heard(name)
        return not answers

    def listen_again(self) -> None:
        """Let all have time to be heard, after nobody was."""
        for known in self._known.values():
            known.silent = 0
