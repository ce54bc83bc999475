"""The interfaces of the server: what its parts may ask of each other."""

from __future__ import annotations

from socket import socket
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Interface

from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["Elsewhere", "ISlot", "ListeningPort", "ServerEndpoint", "SiteElsewhere"]


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


class Elsewhere(Protocol):
    """What answers requests for sessions that are not here: the nodes of a cluster.

    In a single process there is none, and each question costs one attribute test.
    """

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        """Take over a connection if its next request is for another node.

        A connection of our own site asks this when the first bytes of a request come,
        before anything is parsed. The bytes may name a session; they may also be less
        than the first line.

        Args:
            channel: The connection: an `EngineIOChannel` between two requests.
            received: What has come of the next request, and perhaps of others.

        Returns:
            Whether the connection and its bytes now belong to another node. Then the
            channel is told nothing more but the end of its connection.
        """

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        """Answer a request for a session that is not here, if another node has it.

        An engine asks this when the request is complete and the look-up finds nothing,
        before its middlewares see it: those run where the session is.

        Args:
            request: The request; answer it, now or later, or take its connection over.
            sid: The session that it names.

        Returns:
            Whether the request is or will be answered; if not, it is refused here.
        """

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        """Tell another node that a POST to its session will never be complete.

        An engine calls this when the client is gone, or the body goes beyond a limit.

        Args:
            request: The request, which is answered if it can be.
            sid: The session that it names, which is not here.

        Returns:
            Whether another node has the session, and ends it for that.
        """


class SiteElsewhere(Elsewhere, Protocol):
    """An `Elsewhere` of a site, whose connections it can give to other nodes."""

    def takes_accepted(self, site: Any, accepted: socket, received: bytes) -> bool:
        """Take over a connection that was just accepted, if it is for another node.

        Asking is worth while as nothing has been made of it yet; if it cannot be told
        now, `takes_connection` is asked later.

        Args:
            site: The site that it has come to.
            accepted: Its socket; it may block.
            received: What was read of it.

        Returns:
            Whether it now belongs to another node.
        """
