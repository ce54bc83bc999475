"""Two nodes in memory, of which one has no sessions and forwards to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from typing_extensions import override
from zope.interface import implementer

from tests.wiring import PollingClient, Server
from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.forwarding.site import ForwardedSite
from txengineio.server.cluster import ClusterCounts, LinkBytes
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.testing import MemoryTransport

__all__ = ["Network", "Pipe", "connect", "two_nodes"]


class Pipe(MemoryTransport):
    """One end of a connection in memory; what is written there is received here."""

    other: Pipe

    @property
    def unread(self) -> int:
        """How much has been written that the other end has not received."""
        return len(self.other._incoming)

    @override
    def write(self, data: bytes) -> None:
        if self.disconnecting or self.disconnected is not None or not data:
            return
        self.writes.append(data)
        self.other._incoming += data
        if self.unread > self.BUFFER_SIZE and self.producer is not None:
            self.producer.pauseProducing()

    @override
    def abortConnection(self) -> None:
        super().abortConnection()
        if self.other.disconnected is None:
            self.other.disconnected = self.disconnected

    @override
    def deliver(self, data: bytes = b"") -> None:
        # As much as is read from a socket at a time.
        self._incoming += data
        incoming = self._incoming
        self._incoming, rest = (
            incoming[: self.BUFFER_SIZE],
            incoming[self.BUFFER_SIZE :],
        )
        super().deliver()
        self._incoming += rest
        if not self._incoming and self.other.producer is not None:
            self.other.producer.resumeProducing()

    @override
    def settle(self) -> bool:
        if self.reading and self._incoming and self.disconnected is None:
            self.deliver()
            return True
        if self.disconnecting and not self.unread:
            # It is closed for the other end, too.
            self.other.disconnecting = True
            self.other.reading = False
        if self.disconnected is None and self.disconnecting and self._incoming:
            self._incoming = b""
        self._backlog = b"x" if self.unread else b""
        return super().settle()


def connect(one: IProtocolFactory, two: IProtocolFactory) -> tuple[Pipe, Pipe]:
    """Connect what two factories make."""
    pipes = Pipe(), Pipe()
    for pipe, other, factory in zip(pipes, reversed(pipes), (one, two), strict=True):
        pipe.other = other
        protocol: Any = factory.buildProtocol(pipe.getPeer())
        pipe.protocol = protocol
    for pipe in reversed(pipes):
        pipe.protocol.makeConnection(pipe)
    return pipes


@dataclass
class Network:
    """What connects nodes.

    Attributes:
        nodes: The nodes.
        pipes: The connections between them that were made.
        refuses: Whether no more are made.
        sessions: How many the far one has said that it has.
        waiting: Those that take their time; None if they are made at once.
    """

    nodes: list[Node] = field(default_factory=list)
    pipes: list[Pipe] = field(default_factory=list)
    refuses: bool = False
    sessions: int = 0
    waiting: list[Deferred[Any]] | None = None


@dataclass(kw_only=True)
class Node(Server):
    """A node: something happens on all of them, or on none."""

    network: Network = field(default_factory=Network)

    def join(self, network: Network) -> Self:
        self.network = network
        network.nodes.append(self)
        return self

    @override
    def settle(self) -> None:
        nodes, pipes = self.network.nodes, self.network.pipes
        while sum(
            each.transport.settle() for node in nodes for each in node.connections
        ) + sum(pipe.settle() for pipe in pipes) or any(
            _has_work(node) for node in nodes
        ):
            for node in nodes:
                node.clock.advance(0)

    @override
    def advance(self, seconds: float) -> None:
        for node in self.network.nodes:
            node.clock.advance(seconds)
        self.settle()


def _has_work(node: Node) -> bool:
    return any(
        call.getTime() <= node.clock.seconds() for call in node.clock.getDelayedCalls()
    )


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, network: Network, site: ForwardedSite) -> None:
        self._network = network
        self._site = site

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        if self._network.refuses:
            return fail(ConnectError(string="no"))
        if self._network.waiting is not None:
            waiting: Deferred[Any] = Deferred()
            self._network.waiting.append(waiting)
            return waiting
        pipes = connect(protocolFactory, self._site)
        self._network.pipes += pipes
        return succeed(pipes[0].protocol)


class _All:
    """Has all requests forwarded whose session is not there."""

    def __init__(self, forwarder: Forwarder, network: Network) -> None:
        self.forwarder = forwarder
        self.network = network

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        return False

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        if not sid.startswith("far-"):
            return False
        self.forwarder.forward(request, self.network.sessions)
        return True

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        if not sid.startswith("far-"):
            return False
        self.forwarder.abandon(request)
        return True


@dataclass(kw_only=True)
class TwoNodes:
    """Two nodes.

    Attributes:
        near: The one that clients come to.
        far: The one that has the sessions.
        forwarder: The way from one to the other.
        counts: What has become of requests.
        carried: How many bytes have gone from near to far, and back.
        network: What connects them.
    """

    near: Node
    far: Node
    forwarder: Forwarder
    counts: Counter[str]
    carried: LinkBytes
    network: Network

    def open(self) -> PollingClient:
        """Open a session at the far node, whose client goes on at the near one."""
        client = self.far.open_polling()
        client.server = self.near
        return client

    def links(self) -> Iterable[Pipe]:
        """The near ends of the connections that are there."""
        return [each for each in self.network.pipes[::2] if not each.is_reported]

    def send(self, client: PollingClient, *messages: str | bytes) -> None:
        """Send messages to a client, and let them arrive."""
        for message in messages:
            self.far.session(client.sid).send(message)
        self.near.settle()

    def break_links(self) -> None:
        """Break all connections between the nodes, as the end of a process does."""
        for link in self.links():
            link.abortConnection()
        self.near.settle()

    def protocol_of(self, client: PollingClient) -> Any:
        """The application's side of a session."""
        (protocol,) = (
            each for each in self.far.application.built if each.session.id == client.sid
        )
        return protocol


def two_nodes(*, own_site: bool = True, **options: Any) -> TwoNodes:
    """Make two nodes.

    Args:
        own_site: Whether the near one has a site of ours.
        options: Of both.
    """
    network = Network()
    near = Node.new(own_site=own_site, node_name="near", **options).join(network)
    far = Node.new(own_site=True, node_name="far", **options).join(network)
    site = ForwardedSite(far.engine, far.clock)
    counts = ClusterCounts()
    forwarder = Forwarder(
        _Endpoint(network, site),
        near.clock,
        counts,
        near.engine.serve_here,
    )
    near.engine.elsewhere = _All(forwarder, network)
    return TwoNodes(
        near=near,
        far=far,
        forwarder=forwarder,
        counts=counts.forwarded,
        carried=counts.carried,
        network=network,
    )
