"""A network in memory: connections of a client with a server, one clock for both.

Nothing arrives by itself: `Network.settle` lets everything arrive that is under way,
`Network.step` a piece of it, as a random generator says.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from typing_extensions import override
from zope.interface import implementer

from tests.connection import MemoryTransport
from tests.doubles import RecordingApplication, RecordingProtocol
from txengineio.client.connect import connect
from txengineio.server.engine import Engine
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.server.web.site import engine_site

__all__ = ["Network", "RawServer", "World", "error_of", "result_of"]

_Result = TypeVar("_Result")

URL = "http://server.example"


def result_of(deferred: Deferred[_Result]) -> _Result:
    """Return what a Deferred has fired with; raise what it has failed with."""
    found: list[Any] = []
    deferred.addBoth(found.append)
    assert found, "it has not fired"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    result: _Result = found[0]
    return result


def error_of(deferred: Deferred[Any]) -> Any:
    """Return the exception that a Deferred has failed with."""
    found: list[Any] = []
    deferred.addBoth(found.append)
    assert found, "it has not fired"
    assert isinstance(found[0], Failure), found[0]
    return found[0].value


class Wire:
    """One connection: what one end writes is under way until the other receives it."""

    def __init__(self, uri: URI) -> None:
        self.uri = uri
        self.client = MemoryTransport()
        self.server = MemoryTransport()
        self.is_cut = False

    @property
    def ends(self) -> list[tuple[MemoryTransport, MemoryTransport]]:
        return [(self.client, self.server), (self.server, self.client)]

    @property
    def is_over(self) -> bool:
        return all(end.is_reported for end in (self.client, self.server))

    def move(self, source: MemoryTransport, to: MemoryTransport, size: int) -> bool:
        """Let up to some bytes arrive; say whether there were any."""
        data = b"".join(source.writes)
        if not data or to.disconnected is not None or not to.is_read() or self.is_cut:
            return False
        source.writes[:] = [data[size:]] if data[size:] else []
        to.deliver(data[:size])
        return True

    def hang_up(self) -> bool:
        """Report ends of the connection; say whether there was something to report."""
        happened = False
        for end, other in self.ends:
            happened |= end.settle()
            if end.disconnected is None or other.disconnected is not None:
                continue
            if end.was_aborted:
                other.disconnected = Failure(ConnectionLost())
                happened = True
            elif not b"".join(end.writes):
                other.disconnected = Failure(ConnectionDone())
                happened = True
        return happened

    def lose(self) -> None:
        """Break the connection; what was under way is gone."""
        for end, _ in self.ends:
            if end.disconnected is None:
                end.disconnected = Failure(ConnectionLost())


@implementer(IAgentEndpointFactory)
class Network:
    """Connects clients to one server.

    Attributes:
        server: Builds the server's protocols.
        wires: All connections that there ever were.
        error: What connecting fails with.
        stalls: Whether connecting never ends.
        stalls_from: How many connections there may be before it never ends.
    """

    def __init__(self, server: IProtocolFactory) -> None:
        self.server = server
        self.wires: list[Wire] = []
        self.error: Exception | None = None
        self.stalls = False
        self.stalls_from: int | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return _Endpoint(self, uri)

    @property
    def open_wires(self) -> list[Wire]:
        return [wire for wire in self.wires if not wire.is_over]

    def connect(self, factory: IProtocolFactory, uri: URI) -> Deferred[IProtocol]:
        if self.error is not None:
            return fail(self.error)
        limit = self.stalls_from
        if self.stalls or (limit is not None and len(self.wires) >= limit):
            return Deferred()
        wire = Wire(uri)
        self.wires.append(wire)
        for end, builder in ((wire.server, self.server), (wire.client, factory)):
            protocol = builder.buildProtocol(end.getPeer())
            assert protocol is not None
            end.protocol = protocol
            protocol.makeConnection(end)
        return succeed(wire.client.protocol)

    def settle(self) -> None:
        """Let everything arrive."""
        while sum(self._settle(wire) for wire in self.open_wires):
            pass

    def _settle(self, wire: Wire) -> bool:
        moved = [wire.move(source, to, 1 << 30) for source, to in wire.ends]
        return any(moved) | wire.hang_up()

    def step(self, random: Random) -> None:
        """Let something arrive."""
        if self.open_wires:
            wire = random.choice(self.open_wires)
            source, to = random.choice(wire.ends)
            size = random.choice([1, 7, 100, 1 << 20, 1 << 20])
            if not wire.move(source, to, size):
                wire.hang_up()


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, network: Network, uri: URI) -> None:
        self._network = network
        self._uri = uri

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._network.connect(factory, self._uri)


class World:
    """An engine and its clients.

    Attributes:
        clock: Everybody's time.
        application: The server's protocols.
        clients: The clients' protocols.
        engine: The engine.
        network: What lies between.
    """

    def __init__(
        self, application: RecordingApplication | None = None, **options: Any
    ) -> None:
        self.clock = Clock()
        self.application = application or RecordingApplication()
        self.clients = RecordingApplication()
        self.engine = Engine(self.application, reactor=self.clock, **options)
        self.network = Network(engine_site(self.engine, reactor=self.clock))

    def connect(self, url: str = URL, **options: Any) -> Deferred[Any]:
        """Begin to connect."""
        return connect(
            url,
            options.pop("factory", self.clients),
            reactor=self.clock,
            endpoints=self.network,
            **options,
        )

    def open(self, **options: Any) -> RecordingProtocol:
        """Connect; polling and upgrading go on afterwards."""
        connecting = self.connect(**options)
        self.network.settle()
        if not connecting.called:
            # The open packet of revision 3 follows its answer a moment later.
            self.advance(OPEN_PACKET_DELAY)
        protocol: RecordingProtocol = result_of(connecting)
        return protocol

    def peer(self, protocol: RecordingProtocol) -> RecordingProtocol:
        """Return the server's protocol of a client's session."""
        (peer,) = (
            each
            for each in self.application.built
            if each.session.id == protocol.session.id
        )
        return peer

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass, and everything happen meanwhile."""
        self.network.settle()
        while seconds > 1e-9:
            self.clock.advance(min(step, seconds))
            self.network.settle()
            seconds -= step

    def assert_nothing_left(self) -> None:
        """Assert that no session, no connection and no call is left."""
        self.network.settle()
        assert dict(self.engine.sessions) == {}
        # The server keeps idle connections for a while.
        for wire in self.network.open_wires:
            wire.lose()
        self.network.settle()
        assert self.engine.websockets.connections == set()
        assert self.clock.getDelayedCalls() == []


class RawProtocol(Protocol):
    """A server's end that does what a test says."""

    factory: RawServer

    def __init__(self) -> None:
        self.received = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(b"\r\n\r\n") and self.factory.answers:
            answer = self.factory.answers.pop(0)
            self.received = b""
            if answer is None:
                self.transport.loseConnection()  # type: ignore[union-attr]
            else:
                self.transport.write(answer)  # type: ignore[union-attr]

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        pass


class RawServer(Factory):
    """Answers each request, one after the other, with the bytes that it was given.

    Attributes:
        answers: What it answers; None closes the connection. When there is none left,
            it says nothing.
    """

    noisy = False

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.built: list[RawProtocol] = []

    @override
    def buildProtocol(self, addr: Any) -> Any:
        protocol = RawProtocol()
        protocol.factory = self
        self.built.append(protocol)
        return protocol
