"""Stream protocols over real sockets, found by their endpoint strings."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor  # noqa: TID251  # real sockets
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import ConnectionDone, NoProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.amp import AMP, Command, Integer
from twisted.protocols.basic import LineReceiver
from twisted.spread.pb import PBClientFactory, PBServerFactory, Root
from typing_extensions import override

from tests.integrations.streams.doubles import RecordingStream
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


class Echo(LineReceiver):
    @override
    def lineReceived(self, line: bytes) -> None:
        self.sendLine(line)


class Asking(LineReceiver):
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.enough: Deferred[None] = Deferred()
        self.lost: Deferred[Any] = Deferred()

    @override
    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)
        if line == b"last":
            self.enough.callback(None)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.type)


@each_transport
@pytest_twisted.ensureDeferred
async def test_lines(transports: str) -> None:
    port, number = await listen(Factory.forProtocol(Echo))
    client = await connect(number, Factory.forProtocol(Asking), transports)
    lines = [b"%d" % each for each in range(500)] + [b"x" * 10_000, b"last"]
    for line in lines:
        client.sendLine(line)
    await client.enough
    assert client.lines == lines
    client.transport.loseConnection()
    assert await client.lost is ConnectionDone
    await port.stopListening()


class Sum(Command):
    arguments = [(b"a", Integer()), (b"b", Integer())]  # noqa: RUF012
    response = [(b"total", Integer())]  # noqa: RUF012


class Calculator(AMP):
    @Sum.responder
    def sum(self, a: int, b: int) -> dict[str, int]:
        return {"total": a + b}


@each_transport
@pytest_twisted.ensureDeferred
async def test_amp(transports: str) -> None:
    port, number = await listen(Factory.forProtocol(Calculator))
    client = await connect(number, Factory.forProtocol(AMP), transports)
    answers = [await client.callRemote(Sum, a=each, b=1) for each in range(5)]
    assert [answer["total"] for answer in answers] == [1, 2, 3, 4, 5]
    client.transport.loseConnection()
    await port.stopListening()


class Greeter(Root):
    def remote_greet(self, name: str) -> str:
        return f"hello {name}"


@each_transport
@pytest_twisted.ensureDeferred
async def test_perspective_broker(transports: str) -> None:
    port, number = await listen(PBServerFactory(Greeter()))
    factory = PBClientFactory()
    await connect(number, factory, transports)
    root = await factory.getRootObject()
    assert await root.callRemote("greet", "world") == "hello world"
    factory.disconnect()
    await port.stopListening()


class Source(Protocol):
    """Sends a lot, as fast as it may; knows how much it has sent."""

    TOTAL = 8_000_000
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


@pytest.mark.parametrize("transports", ["polling", "websocket"])
@pytest_twisted.ensureDeferred
async def test_a_reader_that_pauses_stops_the_writer(transports: str) -> None:
    sources: list[Source] = []

    class Sources(Factory):
        @override
        def buildProtocol(self, addr: object) -> Source:
            sources.append(Source())
            return sources[-1]

    port, number = await listen(Sources())
    sink = await connect(number, Factory.forProtocol(Sink), transports)
    before = -1
    while sources[0].sent != before:
        before = sources[0].sent
        await deferLater(reactor, 0.2)
    # What is on its way fits into the buffers of two processes and the kernel.
    assert sink.received == 0
    assert sources[0].pauses > 0
    assert before < Source.TOTAL
    sink.transport.resumeProducing()
    await sink.lost
    assert sink.received == Source.TOTAL
    await port.stopListening()


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
