"""The seams of the server: who may ask whom for what."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Interface

__all__ = ["ISlot", "ListeningPort", "ServerEndpoint"]


class ISlot(Interface):
    """What a session takes among all sessions, until it ends."""

    def leave() -> None:
        """Make room; once is enough."""


class ListeningPort(Protocol):
    """A port that listens, for type checkers that know nothing of zope.interface."""

    def getHost(self) -> Any:
        """Return where it listens: an address of a type that depends on the endpoint.

        It is an ``IPv4Address`` or an ``IPv6Address`` for TCP, and a ``UNIXAddress``
        for a Unix socket.
        """

    def stopListening(self) -> Deferred[None] | None:
        """Take no more connections."""


class ServerEndpoint(Protocol):
    """An endpoint, for type checkers that know nothing of zope.interface."""

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        """Listen; the Deferred fires with the port."""
