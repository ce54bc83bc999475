"""One end of a connection in memory: it behaves as a socket's transport does."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface.verify import verifyObject

from txengineio.testing import MemoryTransport


class Recorder(Protocol):
    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: list[Failure] = []

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


class Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


@pytest.fixture
def transport() -> MemoryTransport:
    transport = MemoryTransport()
    transport.protocol = Recorder()
    transport.protocol.makeConnection(transport)
    return transport


@pytest.mark.parametrize("interface", [ITransport, IConsumer, IPushProducer])
def test_it_provides_what_transports_provide(
    transport: MemoryTransport, interface: Any
) -> None:
    assert verifyObject(interface, transport)


def test_a_peer_that_does_not_read(transport: MemoryTransport) -> None:
    producer: Any = Producer()
    transport.registerProducer(producer, True)
    with pytest.raises(RuntimeError, match="a producer already"):
        transport.registerProducer(producer, True)
    transport.stop_reading()
    transport.write(b"x" * transport.BUFFER_SIZE)
    assert producer.calls == []
    transport.writeSequence([b"y", b"z"])
    assert producer.calls == ["pause"]
    assert transport.writes == []
    transport.loseConnection()
    # It waits for what is still to be read.
    assert not transport.settle()
    transport.start_reading()
    assert b"".join(transport.writes).endswith(b"xyz")
    assert transport.settle()
    assert producer.calls == ["pause", "resume", "stop"]


def test_a_protocol_that_does_not_read(transport: MemoryTransport) -> None:
    transport.pauseProducing()
    transport.deliver(b"later")
    assert not transport.is_read()
    protocol: Any = transport.protocol
    assert protocol.received == []
    transport.resumeProducing()
    assert transport.settle()
    assert protocol.received == [b"later"]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (MemoryTransport.loseConnection, ConnectionDone),
        (MemoryTransport.stopProducing, ConnectionDone),
        (MemoryTransport.abortConnection, ConnectionAborted),
    ],
)
def test_the_end_is_told_later_and_once(
    transport: MemoryTransport, end: Any, reason: type[Exception]
) -> None:
    protocol: Any = transport.protocol
    end(transport)
    assert protocol.lost == []
    transport.write(b"too late")
    transport.deliver(b"too late")
    assert transport.settle()
    assert not transport.settle()
    assert [failure.type for failure in protocol.lost] == [reason]
    assert (transport.writes, protocol.received) == ([], [])
    assert transport.is_reported


def test_addresses() -> None:
    here, there = IPv4Address("TCP", "192.0.2.5", 1), IPv4Address("TCP", "192.0.2.6", 2)
    transport = MemoryTransport(peer=there, host=here)
    assert (transport.getHost(), transport.getPeer()) == (here, there)
