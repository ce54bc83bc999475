"""Several nodes on each of several machines.

Those of this machine are asked in the way of `Workers`, which moves connections. They
are members like all others, too, so that other machines know them; what they publish
comes by both ways, and is heard by one. The other way may take longer than its sender
lives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from zope.interface import implementer

from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.interfaces import ICluster, IPeer, Load
from txengineio.cluster.machines.machines import Machines
from txengineio.cluster.membership import MembershipState
from txengineio.cluster.workers import Workers
from txengineio.server.cluster import ClusterCounts
from txengineio.server.registry import node_of
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["NEAR_FOR", "Together"]

NEAR_FOR: Final = 30.0
"""Seconds for which what a node of this machine has published may still come, after its
end, by the other way.
"""


@implementer(ICluster)
class Together:
    """One node among those of its machine, and those of others.

    It is the `Elsewhere` of an engine.

    Args:
        near: The nodes of this machine.
        far: All nodes that are members.

    Attributes:
        node: The name of this node.
        counts: What has happened; both have the same.
    """

    def __init__(self, near: Workers, far: Machines) -> None:
        self.node: str = near.node
        self.counts: ClusterCounts = near.counts
        self._near = near
        self._far = far
        # When nodes of this machine have ended.
        self._ended: dict[str, float] = {}
        near.when_left(self._has_ended)

    def _has_ended(self, name: str) -> None:
        for each in [each for each in self._ended if not self._was_near(each)]:
            del self._ended[each]
        self._ended[name] = self._far.seconds()

    def _was_near(self, name: str) -> bool:
        """Whether a node of this machine has ended a short while ago."""
        ended = self._ended.get(name)
        return ended is not None and 0 <= self._far.seconds() - ended < NEAR_FOR

    @property
    def state(self) -> MembershipState:
        """How this node stands among the others."""
        return self._far.state

    # --- the others -------------------------------------------------------------------

    def peers(self) -> list[IPeer]:
        """List the nodes that are known to live."""
        return [*self._near.peers(), *self._far_peers()]

    def _far_peers(self) -> list[IPeer]:
        return [each for each in self._far.peers() if not self._near.has(each.name)]

    def forwarders(self) -> list[Forwarder]:
        """List what forwards requests to them."""
        return [*self._near.forwarders(), *self._far.forwarders()]

    def peer(self, name: str) -> IPeer | None:
        """Return the node with a name; None if it is this one, or unknown."""
        near: IPeer | None = self._near.peer(name)
        return self._far.peer(name) if near is None else near

    def owner_of(self, sid: str) -> IPeer | None:
        """Return the node of a session; None if it is this one, or unknown."""
        return self.peer(node_of(sid))

    def tell_all(self, kind: bytes, payload: bytes) -> int:
        """Send a message to all peers; return how many it goes to."""
        told = self._near.tell_all(kind, payload)
        far = sum(not self._near.has(name) for name in self._far.members())
        # Near ones get it, too, and know that they have.
        return told + (far if far and self._far.tell_all(kind, payload) else 0)

    def announce(self, load: Load) -> None:
        """Tell all peers about this node's load, and those that join later."""
        self._near.announce(load)
        self._far.announce(load)

    def when_told(self, callback: Callable[[str, bytes, bytes], object]) -> None:
        """Call a function with each message: its node's name, kind, payload."""
        self._near.when_told(callback)
        self._far.when_told(partial(self._told_from_far, callback))

    def _told_from_far(
        self,
        callback: Callable[[str, bytes, bytes], object],
        node: str,
        kind: bytes,
        payload: bytes,
    ) -> None:
        if not (self._near.has(node) or self._was_near(node)):
            callback(node, kind, payload)

    def when_left(self, callback: Callable[[str], object]) -> None:
        """Call a function with the name of each node that is gone."""
        self._near.when_left(callback)
        self._far.when_left(callback)

    # --- what an engine asks ----------------------------------------------------------

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        """Give a connection to the node of its next request; see `Elsewhere`."""
        return self._near.takes_connection(channel, received)

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        """Forward a request that should be elsewhere; see `Elsewhere`."""
        return self._near.answers(request, sid) or self._far.answers(request, sid)

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        """Tell the node of a session about a POST without an end; see `Elsewhere`."""
        return self._near.abandons(request, sid) or self._far.abandons(request, sid)
