"""A connection between two nodes, until both are proven; then it is another protocol's.

As if nothing had come before.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.machines.transports import watch_over

__all__ = ["LINK_TIMEOUT", "LinkFailed", "LinkProblem", "Unproven"]

LINK_TIMEOUT: Final = 5.0
"""Seconds within which both sides have to prove that they know the secret."""


@unique
class LinkProblem(StrEnum):
    """Why there is no link to a node."""

    REFUSED = "refused"
    """Nobody listens there: its process has ended."""
    UNKNOWN = "unknown"
    """Another node listens there, and does not know it."""
    TIMEOUT = "timeout"
    """It does not answer, or no way leads there now."""
    UNPROVEN = "unproven"
    """It does not know the secret."""
    CLOSED = "closed"
    """It closes the connection: it may be about to end."""
    FAILED = "failed"
    """Anything else, such as an address that does not exist."""

    @property
    def is_end(self) -> bool:
        """Whether it means that the node has come to its end."""
        return self in (LinkProblem.REFUSED, LinkProblem.UNKNOWN)


class LinkFailed(Exception):
    """There is no link to a node.

    Args:
        problem: Why.
        details: More about that, for people.

    Attributes:
        problem: As given.
    """

    def __init__(self, problem: LinkProblem, details: str) -> None:
        super().__init__(f"{problem}: {details}")
        self.problem = problem


class Unproven(Protocol):
    """A connection on which not all is said."""

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any
    _giving_up: IDelayedCall | None = None

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    @override
    def connectionMade(self) -> None:
        watch_over(self.transport)
        self._giving_up = self._clock.callLater(LINK_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        self.give_up(LinkFailed(LinkProblem.TIMEOUT, "no answer in time"))

    def give_up(self, problem: LinkFailed) -> None:
        """Drop the connection."""
        self.end()
        self.transport.abortConnection()

    def end(self) -> None:
        """Wait no longer."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def become(self, protocol: IProtocol) -> None:
        """Leave the connection to another protocol."""
        self.end()
        if isinstance(self.transport, ProtocolWrapper):
            self.transport.wrappedProtocol = protocol
        else:
            self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end()
