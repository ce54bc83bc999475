"""What an engine needs of a cluster, and of each other node in it.

A node is one process with one engine. What is here is all that the other parts know of
clusters, whatever connects their nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import Attribute, Interface

__all__ = ["ICluster", "IPeer"]


class IPeer(Interface):
    """Another node."""

    name = Attribute("The name that the ids of its sessions begin with.")

    def hand_over(channel: Any, received: bytes) -> bool:
        """Give a connection away, with the bytes that have come on it.

        Args:
            channel: An `EngineIOChannel` between two requests.
            received: What was read from it and nobody has looked at.

        Returns:
            Whether that was done. If not, the connection cannot be moved, and the
            request on it is to be answered here.
        """


class ICluster(Interface):
    """The other nodes, from one node's view."""

    node = Attribute("The name of this node.")

    def owner_of(sid: str) -> IPeer | None:
        """Return the node that a session is on; None for this one, and for none."""

    def peers() -> list[IPeer]:
        """List the nodes that are known to live, but for this one."""

    def when_left(callback: Callable[[str], object]) -> None:
        """Have a function called with the name of each node that is gone."""
