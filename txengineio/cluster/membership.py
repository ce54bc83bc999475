"""How the nodes of several machines find each other, and what all of them hear.

A membership knows nothing of sessions and requests: requests go straight to the node of
their session, by the address that it tells here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from txengineio.cluster.interfaces import Load

__all__ = [
    "IMembership",
    "IMembershipListener",
    "Member",
    "MembershipMaker",
    "MembershipState",
]


@unique
class MembershipState(StrEnum):
    """How a node stands among the others."""

    JOINING = "joining"
    """It is no member yet, or none any more."""
    OK = "ok"
    """It is a member, and hears the others."""
    DEGRADED = "degraded"
    """It is a member, but does not hear the others now; it will."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node, as the others know it.

    Attributes:
        name: Its name.
        address: Where other machines connect to it: ``HOST:PORT``; empty if they
            cannot.
        load: What it has announced.
    """

    name: str
    address: str
    load: Load


class IMembershipListener(Interface):
    """What is told of the others, or asked; no method of it may raise."""

    def joined(member: Member) -> None:
        """Note a node that is a member, or one that has a new address now."""

    def left(name: str) -> None:
        """Note that a node is no member any more: it left, or was silent for long."""

    def announced(name: str, load: Load) -> None:
        """Note what a member has announced."""

    def heard(node: str, kind: bytes, payload: bytes) -> None:
        """Take a message of a member, which was meant for this node, or for all."""

    def reaches(name: str) -> Deferred[bool]:
        """Find out by another way whether a silent member is there; it never fails.

        Returns:
            Fires with whether it is, within seconds.
        """

    def state_changed(state: MembershipState) -> None:
        """Note the new state of this node."""


class IMembership(Interface):
    """One node's membership in a cluster."""

    state = Attribute("The `MembershipState`.")
    counts = Attribute(
        "Counts what is dropped, by why: a ``Counter``, to be set before `join`."
    )

    def join(member: Member, listener: IMembershipListener) -> Deferred[None]:
        """Become a member; once.

        Args:
            member: This node.
            listener: Is told of the others from now on: of each that is there before
                the Deferred fires, and never of this node itself.

        Returns:
            Fires when this node is a member and knows all others. It fails with a
            `JoinFailed`, whose one line says why (the name is taken, there is no
            server, its password is another, the clocks differ); then nothing of it is
            left behind.
        """

    def leave() -> Deferred[None]:
        """Be no member any more; the others are told at once.

        Returns:
            Fires when that is done, or is given up after a second or two. It never
            fails, and may be called in any state, more than once.
        """

    def announce(load: Load) -> None:
        """Tell the others what this node's load is, now or with the next renewal."""

    def publish(kind: bytes, payload: bytes) -> bool:
        """Send a message to all other members, at most once.

        Those of one node come in the order in which it sent them, whether by this or
        by `tell`.

        Args:
            kind: What it is: one byte.
            payload: The rest, at most `txengineio.cluster.packets.MAX_MESSAGE` bytes.

        Returns:
            Whether it is under way; if not, it is dropped, and counted.
        """

    def tell(node: str, kind: bytes, payload: bytes) -> bool:
        """Send a message to one member, as `publish`."""

    def look_up(name: str) -> Deferred[bool]:
        """Ask once whether a node that is unknown here is a member by now.

        Returns:
            Fires with whether it is; `IMembershipListener.joined` was called then. It
            fires with False, and soon, if nobody can be asked. It never fails.
        """


MembershipMaker = Callable[[str, str, bytes | None, Any], IMembership]
"""Makes a membership of a URL, the name of the cluster, its secret, and the reactor.

The name keeps apart several clusters on one server; the secret proves that what is said
there was said by a node, and is None where nobody else can say anything. A bad URL is
an `InvalidOption` of ``cluster``.
"""
