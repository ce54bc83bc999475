"""Other nodes, as one of several machines sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.interfaces import IPeer
from txengineio.cluster.machines.arrivals import Arrival
from txengineio.cluster.membership import Member
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["CHECK_INTERVAL", "LivenessChecks", "Neighbours", "NoNeighbours", "Peer"]

CHECK_INTERVAL: Final = 10.0
"""Seconds between two checks.

With the time that a node has to take a link, one that ends is gone within 15 seconds,
as members are.
"""


class Neighbours(Protocol):
    """The nodes of this machine, which are reached in another way."""

    def peer(self, name: str) -> object | None:
        """Return a node of this machine that lives, also if it has just started."""

    def give(self, name: str, arrival: Arrival) -> None:
        """Give a link of another machine to the node that it is for."""

    def hear_greetings(self, hear: Callable[[str], bytes]) -> None:
        """Have greetings heard that come by links which were given to this node."""


class NoNeighbours:
    """Those of a node that is alone on its machine."""

    def peer(self, name: str) -> None:
        """Return None."""
        return

    def give(self, name: str, arrival: Arrival) -> None:
        """Fail: no link is for one of them."""
        raise AssertionError

    def hear_greetings(self, hear: Callable[[str], bytes]) -> None:
        """Do nothing: no link is given to this node."""


@implementer(IPeer)
class Peer:
    """A node that is reached by links.

    Args:
        member: What it has said of itself.
        heard_at: When that was.
        forwarder_to: Returns what forwards requests to it.
        tell: Sends it a message, by its name.

    Attributes:
        name: Its name.
        address: Where it is.
        load: What it has announced last.
        heard_at: When that was.
        forwarder: What forwards requests to it.
    """

    is_near: Final = False

    def __init__(
        self,
        member: Member,
        heard_at: float,
        forwarder_to: Callable[[Peer], Forwarder],
        tell: Callable[[str, bytes, bytes], bool],
    ) -> None:
        self.name = member.name
        self.address = member.address
        self.load = member.load
        self.heard_at = heard_at
        self.forwarder = forwarder_to(self)
        self._tell = tell

    def hand_over(self, channel: Any, received: bytes) -> bool:
        """Leave the connection here: it cannot get to another machine."""
        return False

    def tell(self, kind: bytes, payload: bytes) -> bool:
        """Send a message; see `IPeer`."""
        return self._tell(self.name, kind, payload)

    def forward(self, request: IncomingRequest) -> None:
        """Have a request answered there; see `IPeer`."""
        self.forwarder.forward(request, self.load.sessions)

    def abandon(self, request: IncomingRequest) -> None:
        """Tell it about a POST without an end; see `IPeer`."""
        self.forwarder.abandon(request)


class LivenessChecks:
    """Checks whether nodes are still there that are no members, if there are any.

    They were met by greetings. The membership does not know them, so it will never say
    that they are gone.

    Args:
        unlisted: Lists them.
        lose: Called with each that takes no link.
        clock: Where time comes from.
    """

    def __init__(
        self,
        unlisted: Callable[[], Sequence[Peer]],
        lose: Callable[[Peer], object],
        clock: IReactorTime,
    ) -> None:
        self._unlisted = unlisted
        self._lose = lose
        self._clock = clock
        self._due: IDelayedCall | None = None

    def start(self) -> None:
        """Check soon, unless that is due already."""
        if self._due is None:
            self._due = self._clock.callLater(CHECK_INTERVAL, self._check)

    def stop(self) -> None:
        """Check no more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _check(self) -> None:
        self._due = None
        for peer in self._unlisted():
            peer.forwarder.reaches().addCallback(self._checked, peer)
        if self._unlisted():
            self.start()

    def _checked(self, reaches: bool, peer: Peer) -> None:
        if not reaches:
            self._lose(peer)
