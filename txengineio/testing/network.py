"""Connections in memory between clients and a server.

Nothing arrives by itself: `MemoryNetwork.flush` lets everything arrive that is under
way. The bytes are those that sockets would carry.
"""

from __future__ import annotations

from itertools import count

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from txengineio.testing.transport import MemoryTransport

__all__ = ["EVERYTHING", "MemoryConnection", "MemoryEndpoints", "MemoryNetwork"]

EVERYTHING = 1 << 30
"""More bytes than can ever be under way."""


class MemoryConnection:
    """One connection: what one end writes is under way until the other receives it.

    Args:
        uri: What the client connects to.
        client: The address of the client.

    Attributes:
        uri: As given.
        client: The client's end.
        server: The server's end.
        is_cut: Whether nothing arrives, in either direction, without either end being
            told.
    """

    def __init__(self, uri: URI, client: IPv4Address | None = None) -> None:
        self.uri = uri
        self.server = MemoryTransport(client)
        self.client = MemoryTransport(self.server.getHost(), self.server.getPeer())
        self.is_cut = False
        # The last request of the client, unless an answer has begun to arrive.
        self._request = b""

    @property
    def is_over(self) -> bool:
        """Whether both ends know that the connection is over."""
        return self.client.is_reported and self.server.is_reported

    @property
    def carries_a_poll(self) -> bool:
        """Whether a poll waits here for its answer."""
        return (
            self._request.startswith(b"GET ")
            and b"transport=polling" in (self._request.partition(b"\r\n")[0])
        )

    @property
    def ends(self) -> list[tuple[MemoryTransport, MemoryTransport]]:
        """Each end, and the one that receives what is written there."""
        return [(self.client, self.server), (self.server, self.client)]

    def flush(self) -> bool:
        """Let everything arrive; say whether there was anything."""
        moved = [self.move(source, to) for source, to in self.ends]
        return any(moved) | self.hang_up()

    def move(
        self, source: MemoryTransport, to: MemoryTransport, size: int = EVERYTHING
    ) -> bool:
        """Let bytes arrive, so many at most; say whether there were any."""
        data = b"".join(source.writes)
        if not data or to.disconnected is not None or not to.is_read() or self.is_cut:
            return False
        source.writes[:] = [data[size:]] if data[size:] else []
        self._request = data if source is self.client else b""
        to.deliver(data[:size])
        return True

    def hang_up(self) -> bool:
        """Report the end of the connection; say whether there was one to report."""
        happened = False
        for end, other in self.ends:
            happened |= end.settle()
            if end.disconnected is None or other.disconnected is not None:
                continue
            if self.is_cut:
                continue
            if end.was_aborted:
                other.disconnected = Failure(ConnectionLost())
                happened = True
            elif not b"".join(end.writes):
                other.disconnected = Failure(ConnectionDone())
                happened = True
        return happened

    def lose(self) -> None:
        """Break the connection: both ends are told, and bytes under way are lost."""
        for end, _ in self.ends:
            if end.disconnected is None:
                end.disconnected = Failure(ConnectionLost())


@implementer(IAgentEndpointFactory)
class MemoryEndpoints:
    """How one client gets to the server: its ``endpoints``, see `ClientOptions`.

    Args:
        network: Where the server is.
        address: The address of the client.

    Attributes:
        address: As given.
        connections: The client's connections, those that are over included.
    """

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self.address = address
        self.connections: list[MemoryConnection] = []
        self._network = network
        self._ports = count(49152)
        self._reads = True
        self._is_cut = False
        self._waiting: list[tuple[Deferred[IProtocol], IProtocolFactory, URI]] = []

    @property
    def open_connections(self) -> list[MemoryConnection]:
        """Those that are not over."""
        return [each for each in self.connections if not each.is_over]

    @property
    def is_disturbed(self) -> bool:
        """Whether something is kept back, by `cut` or by `stop_reading`."""
        return self._is_cut or not self._reads

    def cut(self) -> None:
        """Stop all traffic without telling either end, as if a cable were pulled.

        New connections are not made, either: connecting does not end before `mend`.
        """
        self._set_cut(True)

    def mend(self) -> None:
        """Undo `cut`: what was under way arrives after all."""
        self._set_cut(False)
        waiting, self._waiting = self._waiting, []
        for made, factory, uri in waiting:
            if not made.called:
                self.connect(factory, uri).chainDeferred(made)

    def _set_cut(self, is_cut: bool) -> None:
        self._is_cut = is_cut
        for connection in self.connections:
            connection.is_cut = is_cut

    def stop_reading(self) -> None:
        """Stop the client's reading, on all connections."""
        self._reads = False
        for connection in self.open_connections:
            connection.server.stop_reading()

    def start_reading(self) -> None:
        """Let the client read what was kept back, and continue."""
        self._reads = True
        for connection in self.open_connections:
            connection.server.start_reading()

    def drop(self) -> None:
        """Break all connections; both sides are told when it is flushed."""
        for connection in self.open_connections:
            connection.lose()

    # --- IAgentEndpointFactory --------------------------------------------------------

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return what connects to the server, whatever name the URI has."""
        return _Endpoint(self, uri)

    def connect(self, factory: IProtocolFactory, uri: URI) -> Deferred[IProtocol]:
        """Make a connection with the server."""
        if self._is_cut:
            waiting: Deferred[IProtocol] = Deferred()
            self._waiting.append((waiting, factory, uri))
            return waiting
        address = IPv4Address("TCP", self.address, next(self._ports))
        connection = MemoryConnection(uri, address)
        made = self._network.make(connection, factory)
        if connection in self._network.connections:
            self.connections.append(connection)
            if not self._reads:
                connection.server.stop_reading()
        return made


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, endpoints: MemoryEndpoints, uri: URI) -> None:
        self._endpoints = endpoints
        self._uri = uri

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._endpoints.connect(factory, self._uri)


@implementer(IAgentEndpointFactory)
class MemoryNetwork:
    """Connects clients to one server.

    It provides ``IAgentEndpointFactory``: ``txengineio.connect``,
    `EngineIOClientService` and agents of twisted.web take it as their endpoints.

    Args:
        server: Builds the server's protocols: a site.

    Attributes:
        server: As given.
        connections: All connections that there ever were.
        error: What connecting fails with; None if it does not.
        stalls: Whether connecting never ends.
    """

    def __init__(self, server: IProtocolFactory) -> None:
        self.server = server
        self.connections: list[MemoryConnection] = []
        self.error: Exception | None = None
        self.stalls = False
        self._hosts = count(1)
        self._own = self.endpoints()

    @property
    def open_connections(self) -> list[MemoryConnection]:
        """Those that are not over."""
        return [each for each in self.connections if not each.is_over]

    def endpoints(self, address: str | None = None) -> MemoryEndpoints:
        """Return the way of one more client to the server.

        Args:
            address: The client's; by default one that no other client has.
        """
        if address is None:
            number = next(self._hosts)
            address = f"198.18.{number >> 8 & 255}.{number & 255}"
        return MemoryEndpoints(self, address)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return what connects to the server, whatever name the URI has."""
        return self._own.endpointForURI(uri)

    def make(
        self, connection: MemoryConnection, factory: IProtocolFactory
    ) -> Deferred[IProtocol]:
        """Make a connection, with protocols at both ends; endpoints call this.

        Returns:
            Fires with the client's protocol, unless connecting fails, or stalls.
        """
        if self.error is not None:
            return fail(self.error)
        if self.stalls:
            return Deferred()
        self.connections.append(connection)
        ends = ((connection.server, self.server), (connection.client, factory))
        for end, builder in ends:
            protocol = builder.buildProtocol(end.getPeer())
            assert protocol is not None
            end.protocol = protocol
            protocol.makeConnection(end)
        return succeed(connection.client.protocol)

    def flush(self) -> bool:
        """Let everything arrive; say whether there was anything."""
        happened = False
        while sum(connection.flush() for connection in self.open_connections):
            happened = True
        return happened
