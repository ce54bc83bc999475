"""A membership in memory: the nodes of a process, and what they hear of each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import (
    IMembership,
    IMembershipListener,
    Member,
    MembershipState,
)
from txengineio.errors import JoinFailed

__all__ = ["MemoryMembership", "Town"]


class Town:
    """What stands for the server: it knows all members.

    Attributes:
        members: Those who are members, by name.
        hidden: The names of members that nobody has heard of yet.
        is_up: Whether messages arrive.
        looked_up: The names that were asked for.
    """

    def __init__(self) -> None:
        self.members: dict[str, MemoryMembership] = {}
        self.hidden: set[str] = set()
        self.is_up = True
        self.looked_up: list[str] = []
        self.published: Counter[str] = Counter()

    def membership(self) -> MemoryMembership:
        return MemoryMembership(self)

    def lose(self, name: str) -> None:
        """Let the others hear that a node is no member any more."""
        del self.members[name]
        for other in self.members.values():
            other.known.discard(name)
            other.listener.left(name)

    def set_up(self, is_up: bool) -> None:
        """Stop, or come back."""
        self.is_up = is_up
        for each in self.members.values():
            each.state = MembershipState.OK if is_up else MembershipState.DEGRADED
            each.listener.state_changed(each.state)


@implementer(IMembership)
class MemoryMembership:
    """One node's membership; it tells of each other one once, as that of Redis does."""

    listener: IMembershipListener

    def __init__(self, town: Town) -> None:
        self.state = MembershipState.JOINING
        self.counts: Counter[str] = Counter()
        self.member = Member("", "", Load(""))
        self.known: set[str] = set()
        self._town = town

    def join(self, member: Member, listener: IMembershipListener) -> Deferred[None]:
        members = self._town.members
        if member.name in members:
            return fail(JoinFailed(f"there is a node {member.name} already"))
        self.member, self.listener = member, listener
        for other in members.values():
            self.tells_of(other)
            if member.name not in self._town.hidden:
                other.tells_of(self)
        members[member.name] = self
        self.state = MembershipState.OK
        return succeed(None)

    def leave(self) -> Deferred[None]:
        if self._town.members.get(self.member.name) is self:
            self._town.lose(self.member.name)
        self.state = MembershipState.JOINING
        return succeed(None)

    def announce(self, load: Load) -> None:
        self.member = replace(self.member, load=load)
        for other in self._others():
            other.listener.announced(self.member.name, load)

    def publish(self, kind: bytes, payload: bytes) -> bool:
        if not self._town.is_up:
            self.counts["away"] += 1
            return False
        self._town.published[self.member.name] += 1
        for other in self._others():
            other.listener.heard(self.member.name, kind, payload)
        return True

    def tell(self, node: str, kind: bytes, payload: bytes) -> bool:
        other = self._town.members.get(node)
        if other is None or not self._town.is_up:
            return False
        other.listener.heard(self.member.name, kind, payload)
        return True

    def look_up(self, name: str) -> Deferred[bool]:
        self._town.looked_up.append(name)
        other = self._town.members.get(name)
        if other is None:
            return succeed(False)
        self.tells_of(other)
        return succeed(True)

    def tells_of(self, other: MemoryMembership) -> None:
        if other.member.name not in self.known:
            self.known.add(other.member.name)
            self.listener.joined(other.member)

    def _others(self) -> list[MemoryMembership]:
        if not self._town.is_up:
            return []
        return [each for each in self._town.members.values() if each is not self]
