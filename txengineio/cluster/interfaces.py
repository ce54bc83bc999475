"""What an engine needs of a cluster, and of each other node in it.

A node is one process with one engine. The other parts know no more of clusters than
this, whatever connects the nodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from zope.interface import Attribute, Interface

from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ICluster", "IPeer", "Load"]

_LOAD: Final = struct.Struct("!I?")


@dataclass(frozen=True, slots=True)
class Load:
    """What a node tells the others about itself.

    Attributes:
        worker: Its place on its machine.
        sessions: How many sessions it has.
        draining: Whether it takes no new ones.
    """

    worker: str
    sessions: int = 0
    draining: bool = False

    def encode(self) -> bytes:
        """Return it as bytes."""
        return _LOAD.pack(self.sessions, self.draining) + self.worker.encode()

    @classmethod
    def decode(cls, data: bytes) -> Load:
        """Read bytes.

        Raises:
            ValueError: They are no load.
        """
        if len(data) < _LOAD.size:
            raise ValueError(f"a load of {len(data)} bytes, expected {_LOAD.size}")
        sessions, draining = _LOAD.unpack_from(data)
        return cls(data[_LOAD.size :].decode(), sessions, draining)


class IPeer(Interface):
    """Another node."""

    name = Attribute("The name that the ids of its sessions begin with.")
    is_near = Attribute("Whether it is on this machine.")
    load = Attribute("The `Load` that it has announced last.")
    heard_at = Attribute("When that was, in seconds of the reactor.")

    def hand_over(channel: Any, received: bytes) -> bool:
        """Give a connection away, with the bytes that have come on it.

        Args:
            channel: An `EngineIOChannel` between two requests.
            received: The bytes that were read from it and not handled.

        Returns:
            Whether that was done. If not, the connection cannot be moved, and the
            request on it must be answered here.
        """

    def tell(kind: bytes, payload: bytes) -> bool:
        """Send a message, at most once; it comes after those that were sent before.

        Args:
            kind: What it is: one byte, and none of those that the cluster itself uses.
            payload: The rest.

        Returns:
            Whether it is under way. If not, it is dropped, and counted.
        """

    def forward(request: IncomingRequest) -> None:
        """Have a request answered by the node, now or later; it is sent once.

        Args:
            request: The request, which is complete. If it asks for a WebSocket its
                connection becomes a tunnel to the node.
        """

    def abandon(request: IncomingRequest) -> None:
        """Tell the node about a POST that has begun and will never be complete."""


class ICluster(Interface):
    """The other nodes, from one node's view."""

    node = Attribute("The name of this node.")
    counts = Attribute("What this node counts, as `ClusterCounts`.")
    state = Attribute("The `MembershipState`; None if all nodes are on this machine.")

    def owner_of(sid: str) -> IPeer | None:
        """Return the node of a session; None if it is this one, or unknown."""

    def peer(name: str) -> IPeer | None:
        """Return the node with a name; None if it is this one, or unknown."""

    def peers() -> list[IPeer]:
        """List the nodes that are known to live, except this one."""

    def tell_all(kind: bytes, payload: bytes) -> int:
        """Send a message to all peers, as `IPeer.tell`; return how many it goes to."""

    def announce(load: Load) -> None:
        """Tell all peers about this node's load, and those that join later."""

    def when_told(callback: Callable[[str, bytes, bytes], object]) -> None:
        """Call a function with each message: its node's name, kind, payload."""

    def when_left(callback: Callable[[str], object]) -> None:
        """Call a function with the name of each node that is gone."""
