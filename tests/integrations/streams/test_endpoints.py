"""Stream protocols over real sockets, found by their endpoint strings."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor  # noqa: TID251  # real sockets
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import ConnectionDone, NoProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineReceiver
from typing_extensions import override
from zope.interface import implementer

from tests.integrations.streams.doubles import RecordingStream
from tests.integrations.streams.scenarios import SCENARIOS, Asking
from txengineio.errors import ConnectFailed

reactor: Any = _reactor

pytestmark = pytest.mark.socket

SERVER = "engineio:0:interface=127.0.0.1:path=/pipe/:ping_interval=20"
each_transport = pytest.mark.parametrize(
    "transports", ["polling", "websocket", "polling,websocket"]
)


async def listen(factory: Any, options: str = "") -> tuple[Any, int]:
    port = await serverFromString(reactor, SERVER + options).listen(factory)
    return port, port.getHost().port


def connect(number: int, factory: Any, transports: str) -> Deferred[Any]:
    url = rf"http\://127.0.0.1\:{number}/pipe/"
    description = f"engineio:{url}:transports={transports}"
    connecting: Deferred[Any] = clientFromString(reactor, description).connect(factory)
    return connecting


@each_transport
@pytest.mark.parametrize("name", SCENARIOS)
@pytest_twisted.ensureDeferred
async def test_every_protocol(name: str, transports: str) -> None:
    make_server, talk = SCENARIOS[name]
    port, number = await listen(make_server())
    await talk(partial(connect, number, transports=transports))
    await port.stopListening()


# --- readers that pause ---------------------------------------------------------------


class Source(Protocol):
    """Sends a lot, as fast as it may; knows how much it has sent."""

    TOTAL = 30_000_000
    PIECE = b"x" * 50_000

    sent = 0
    is_paused = False
    pauses = 0

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.is_paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        transport: Any = self.transport
        self.is_paused = False
        while not self.is_paused and self.sent < self.TOTAL:
            self.sent += len(self.PIECE)
            transport.write(self.PIECE)
        if self.sent == self.TOTAL:
            transport.unregisterProducer()
            transport.loseConnection()

    def stopProducing(self) -> None:
        self.is_paused = True


class Sink(Protocol):
    """Reads a lot, after a pause."""

    def __init__(self) -> None:
        self.received = 0
        self.lost: Deferred[None] = Deferred()

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class Greeting(Protocol):
    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(b"hello")


class Paused(Asking):
    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()


class Keeping(Factory):
    """Builds protocols, and keeps them.

    Attributes:
        built: The protocols.
    """

    noisy = False

    def __init__(self, protocol: type[Protocol]) -> None:
        self.built: list[Any] = []
        self._protocol = protocol

    @override
    def buildProtocol(self, addr: object) -> Protocol:
        self.built.append(self._protocol())
        return self.built[-1]  # type: ignore[no-any-return]  # as was just built


@pytest.mark.parametrize("transports", ["polling", "websocket", "polling,websocket"])
@pytest.mark.parametrize("writer", ["server", "client"])
@pytest_twisted.ensureDeferred
async def test_a_reader_that_pauses_stops_the_writer(
    writer: str, transports: str
) -> None:
    sources, sinks = Keeping(Source), Keeping(Sink)
    of_server, of_client = (sources, sinks) if writer == "server" else (sinks, sources)
    port, number = await listen(of_server)
    await connect(number, of_client, transports)
    (source,), (sink,) = sources.built, sinks.built
    before = -1
    while source.sent != before:
        before = source.sent
        await deferLater(reactor, 0.3)
    # What is on its way fits into the buffers of two processes and the kernel.
    assert sink.received == 0
    assert source.pauses > 0
    assert before < Source.TOTAL
    sink.transport.resumeProducing()
    await sink.lost
    assert sink.received == Source.TOTAL
    await port.stopListening()


# --- half-closed connections ----------------------------------------------------------


@implementer(IHalfCloseableProtocol)
class AnswersAtTheEnd(Protocol):
    """Reads until the other side has said all, and answers with how much that was."""

    size = 0

    @override
    def dataReceived(self, data: bytes) -> None:
        self.size += len(data)

    def readConnectionLost(self) -> None:
        transport: Any = self.transport
        transport.write(b"%d" % self.size)
        transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nobody tells: what was written is on its way."""


@implementer(IHalfCloseableProtocol)
class SaysAllAtOnce(Asking):
    """Says a lot, and that this was all; then it only reads."""

    answer = b""

    @override
    def connectionMade(self) -> None:
        self.setRawMode()
        transport: Any = self.transport
        transport.write(b"x" * 1_000_000)
        transport.loseWriteConnection()
        transport.write(b"too late")

    @override
    def rawDataReceived(self, data: bytes) -> None:
        self.answer += data

    def readConnectionLost(self) -> None:
        raise AssertionError

    def writeConnectionLost(self) -> None:
        raise AssertionError


@each_transport
@pytest.mark.parametrize("first", ["client", "server"])
@pytest_twisted.ensureDeferred
async def test_a_connection_that_is_half_closed(first: str, transports: str) -> None:
    asking, answering = Keeping(SaysAllAtOnce), Keeping(AnswersAtTheEnd)
    pair = (answering, asking) if first == "client" else (asking, answering)
    port, number = await listen(pair[0])
    await connect(number, pair[1], transports)
    (asked,) = asking.built
    assert await asked.lost is ConnectionDone
    assert asked.answer == b"1000000"
    await port.stopListening()


@each_transport
@pytest_twisted.ensureDeferred
async def test_who_knows_nothing_of_half_closed_connections_loses_them(
    transports: str,
) -> None:
    port, number = await listen(Factory.forProtocol(LineReceiver))
    client = await connect(number, Factory.forProtocol(SaysAllAtOnce), transports)
    assert await client.lost is ConnectionDone
    assert client.answer == b""
    await port.stopListening()


# --- ends and failures ----------------------------------------------------------------


@pytest.mark.parametrize("transports", ["polling", "websocket"])
@pytest_twisted.ensureDeferred
async def test_a_paused_reader_that_aborts_loses_its_connection(
    transports: str,
) -> None:
    port, number = await listen(Factory.forProtocol(Greeting))
    client = await connect(number, Factory.forProtocol(Paused), transports)
    await deferLater(reactor, 0.1)
    client.transport.abortConnection()
    assert await client.lost is ConnectionDone
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_there() -> None:
    port, number = await listen(Factory.forProtocol(RecordingStream))
    await port.stopListening()
    with pytest.raises(ConnectFailed):
        await connect(number, Factory.forProtocol(RecordingStream), "polling")


@pytest_twisted.ensureDeferred
async def test_a_client_that_builds_nothing() -> None:
    class Refusing(Factory):
        @override
        def buildProtocol(self, addr: object) -> None:
            return None

    port, number = await listen(Factory.forProtocol(RecordingStream))
    with pytest.raises(NoProtocol):
        await connect(number, Refusing(), "websocket")
    await port.stopListening()
