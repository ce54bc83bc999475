"""What tests of memberships have in common, whatever the broker is."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import (
    IMembershipListener,
    Member,
    MembershipState,
)
from txengineio.errors import JoinFailed

__all__ = ["JoiningNode", "Recorder", "failure_of", "run"]


@implementer(IMembershipListener)
class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.loads: dict[str, Load] = {}
        self.messages: list[tuple[str, bytes, bytes]] = []
        self.states: list[MembershipState] = []
        self.changes: list[str] = []
        # Those that answer, though they are not heard; and who was asked.
        self.answering: dict[str, Deferred[bool]] = {}
        self.asked: list[str] = []

    def joined(self, member: Member) -> None:
        self.members[member.name] = member
        self.changes.append(f"+{member.name}")

    def left(self, name: str) -> None:
        del self.members[name]
        self.changes.append(f"-{name}")

    def announced(self, name: str, load: Load) -> None:
        assert name in self.members
        self.loads[name] = load

    def heard(self, node: str, kind: bytes, payload: bytes) -> None:
        self.messages.append((node, kind, payload))

    def reaches(self, name: str) -> Deferred[bool]:
        self.asked.append(name)
        return self.answering.get(name) or succeed(False)

    def state_changed(self, state: MembershipState) -> None:
        self.states.append(state)


def run(clock: Clock, seconds: float) -> None:
    """Let time pass, in steps."""
    clock.pump([0.25] * int(seconds * 4))


class JoiningNode(Protocol):
    """A node that may join."""

    @property
    def state(self) -> str: ...

    def join(self) -> Deferred[None]: ...


def failure_of(node: JoiningNode, clock: Clock, seconds: float = 0) -> str:
    """The line that says why a node cannot join; nothing of it is left."""
    problems: list[str] = []
    node.join().addErrback(
        lambda failure: problems.append(str(failure.trap(JoinFailed) and failure.value))
    )
    run(clock, seconds)
    assert len(problems) == 1
    assert "\n" not in problems[0]
    assert node.state == "joining"
    return problems[0]
