"""A caller, and the node that it calls, in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from typing_extensions import override

from tests.cluster.machines.nodes import SECRET
from txengineio.cluster.machines.arrivals import Arrival, LinkFactory
from txengineio.cluster.machines.challenge import Credentials
from txengineio.cluster.machines.links import LinkEndpoint
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem

__all__ = ["RIGHT", "End", "Kept", "Wire", "pump"]

RIGHT = Credentials("chat", SECRET)


class Kept(Protocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.received = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += data


class End(StringTransport):
    """One end of a connection."""

    protocol: Any


class Wire:
    """A caller, and the node that it calls, with an endpoint of tests between them."""

    def __init__(self, called: Credentials = RIGHT, here: str = "n2") -> None:
        self.clock = Clock()
        self.counts: Counter[str] = Counter()
        self.problems: list[LinkProblem] = []
        self.arrived: list[Arrival] = []
        self.dialled: list[tuple[IProtocolFactory, Deferred[Any]]] = []
        self.links = LinkFactory(
            self.clock, called, here.__eq__, self.arrived.append, self.counts
        )
        self.outcome: list[Any] = []
        endpoint: Any = self
        link = LinkEndpoint(
            endpoint,
            self.clock,
            RIGHT,
            ("n1", "n2"),
            lambda failed: self.problems.append(failed.problem),
        )
        self.connecting = link.connect(Factory.forProtocol(Kept))
        self.connecting.addBoth(self.outcome.append)

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        connected: Deferred[Any] = Deferred()
        self.dialled.append((factory, connected))
        return connected

    def connected(self) -> End:
        factory, connected = self.dialled.pop()
        protocol: Any = factory.buildProtocol(None)  # type: ignore[arg-type]
        transport = End()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        connected.callback(protocol)
        return transport

    def arrives(self, host: str = "10.0.0.9") -> End:
        address = IPv4Address("TCP", host, 1)
        protocol: Any = self.links.buildProtocol(address)
        assert protocol is not None
        transport = End(peerAddress=address)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def problem(self) -> LinkProblem:
        (failure,) = self.outcome
        error: LinkFailed = failure.value
        assert [error.problem] == self.problems
        return error.problem


def pump(one: End, two: End) -> None:
    while one.value() or two.value():
        for here, there in ((one, two), (two, one)):
            sent = here.value()
            here.clear()
            if sent:
                there.protocol.dataReceived(sent)
