"""A network whose bytes arrive in pieces, a world of sessions, a server without one.

`World` is a `MemoryEngine` whose application and clients record what happens to them.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.client.connect import connect
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.testing import (
    MemoryConnection,
    MemoryEngine,
    MemoryNetwork,
    RecordingApplication,
    RecordingProtocol,
)

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


class Network(MemoryNetwork):
    """A network that may let single pieces arrive.

    Attributes:
        stalls_from: How many connections there may be before connecting never ends.
    """

    def __init__(self, server: IProtocolFactory) -> None:
        super().__init__(server)
        self.stalls_from: int | None = None

    @override
    def make(
        self, connection: MemoryConnection, factory: IProtocolFactory
    ) -> Deferred[IProtocol]:
        limit = self.stalls_from
        if limit is not None and len(self.connections) >= limit:
            return Deferred()
        return super().make(connection, factory)

    def step(self, random: Random) -> None:
        """Let something arrive."""
        if self.open_connections:
            connection = random.choice(self.open_connections)
            source, to = random.choice(connection.ends)
            size = random.choice([1, 7, 100, 1 << 20, 1 << 20])
            if not connection.move(source, to, size):
                connection.hang_up()


class World(MemoryEngine):
    """An engine and its clients.

    Attributes:
        application: The server's protocols.
        clients: The clients' protocols.
    """

    network: Network

    def __init__(
        self, application: RecordingApplication | None = None, **options: Any
    ) -> None:
        self.application = application or RecordingApplication()
        self.protocols = RecordingApplication()
        super().__init__(self.application, **options)
        self.network = Network(self.network.server)

    def dial(self, url: str = URL, **options: Any) -> Deferred[Any]:
        """Begin to connect."""
        return connect(
            url,
            options.pop("factory", self.protocols),
            reactor=self.clock,
            endpoints=self.network,
            **options,
        )

    def open(self, **options: Any) -> RecordingProtocol:
        """Connect; polling and upgrading go on afterwards."""
        connecting = self.dial(**options)
        self.flush()
        if not connecting.called:
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

    @override
    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        assert dict(self.engine.sessions) == {}
        assert self.engine.websockets.connections == set()


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
