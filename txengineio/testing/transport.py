"""One end of a TCP connection in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProducer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["MemoryTransport"]


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """One end of a TCP connection, without a socket.

    As a real one it takes everything that is written, tells its producer to pause when
    the peer does not read, and reports the connection's end only later: by `settle`.

    Args:
        peer: The address of the other end.
        host: The address of this end.

    Attributes:
        protocol: The protocol on the transport; set it before anything happens.
        writes: What was written and the peer reads; the code that plays the peer
            empties it.
        producer: The registered producer, which is told to pause; None if there is
            none.
        reading: Whether the protocol reads.
        peer_reads: Whether the peer does; see `stop_reading`.
        disconnecting: Whether the protocol has closed the connection.
        disconnected: Why the connection is over; None while it is not.
        was_aborted: Whether the protocol has dropped it.
    """

    BUFFER_SIZE: int = 65536
    """Bytes that wait for the peer before the producer is told to pause."""

    protocol: IProtocol

    def __init__(
        self, peer: IAddress | None = None, host: IAddress | None = None
    ) -> None:
        self.reading = True
        self.disconnecting = False
        self.was_aborted = False
        self.disconnected: Failure | None = None
        self.peer_reads = True
        self.writes: list[bytes] = []
        self.producer: Any = None
        self._peer = peer or IPv4Address("TCP", "192.0.2.1", 54321)
        self._host = host or IPv4Address("TCP", "192.0.2.2", 80)
        self._backlog = b""
        self._incoming = b""

    # --- ITransport and IConsumer -----------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take bytes; they are dropped after the end."""
        assert isinstance(data, bytes)
        if self.disconnecting or self.disconnected is not None or not data:
            return
        if self.peer_reads:
            self.writes.append(data)
            return
        self._backlog += data
        if len(self._backlog) > self.BUFFER_SIZE and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Take several pieces of bytes as one."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close the connection, when all is read."""
        self.disconnecting = True
        self.reading = False

    def abortConnection(self) -> None:
        """Drop the connection."""
        if self.disconnected is None:
            self.was_aborted = True
            self.disconnected = Failure(ConnectionAborted())

    def getPeer(self) -> IAddress:
        """Return the address of the other end."""
        return self._peer

    def getHost(self) -> IAddress:
        """Return the address of this end."""
        # As a socket's, which is closed by then.
        assert not self.is_reported
        return self._host

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Tell a producer to pause when much waits for the peer."""
        if self.producer is not None:
            raise RuntimeError("there is a producer already")
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None

    # --- IPushProducer ----------------------------------------------------------------

    def pauseProducing(self) -> None:
        """Let the protocol read no more."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Let it read on."""
        if not self.disconnecting:
            self.reading = True

    def stopProducing(self) -> None:
        """Close the connection."""
        self.loseConnection()

    # --- for whoever plays the peer ---------------------------------------------------

    def stop_reading(self) -> None:
        """Stop the peer's reading."""
        self.peer_reads = False

    def start_reading(self) -> None:
        """Let the peer read all that was kept back."""
        self.peer_reads = True
        if self._backlog:
            self.writes.append(self._backlog)
            self._backlog = b""
        if self.producer is not None:
            self.producer.resumeProducing()

    @property
    def is_reported(self) -> bool:
        """Whether the connection is over, and the protocol knows."""
        return self.disconnected is _REPORTED

    def is_read(self) -> bool:
        """Whether the protocol reads what the peer sends."""
        return self.reading

    def deliver(self, data: bytes = b"") -> None:
        """Let the protocol receive bytes, now or when it reads again."""
        self._incoming += data
        if self.reading and self._incoming and self.disconnected is None:
            incoming, self._incoming = self._incoming, b""
            self.protocol.dataReceived(incoming)

    def settle(self) -> bool:
        """Report what is reported only later; say whether there was anything."""
        if self.reading and self._incoming and self.disconnected is None:
            self.deliver()
            return True
        if self.disconnected is None and self.disconnecting and not self._backlog:
            self.disconnected = Failure(ConnectionDone())
        if self.disconnected is None or self.disconnected is _REPORTED:
            return False
        reason, self.disconnected = self.disconnected, _REPORTED
        if self.producer is not None:
            producer, self.producer = self.producer, None
            producer.stopProducing()
        self.protocol.connectionLost(reason)
        return True


_REPORTED: Final = Failure(ConnectionDone())
