"""A session as the transport of a stream protocol.

Bytes travel as binary messages, whose boundaries mean nothing. An empty message says
that no more will come: Engine.IO has nothing else for a connection that is closed in
one direction only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IPushProducer,
    ITransport,
)
from zope.interface import implementer

from txengineio.application import AnySession

__all__ = ["END_OF_STREAM", "StreamTransport"]

END_OF_STREAM: Final = b""
"""The message with which a side says that it sends no more."""

MAX_MESSAGE: Final = 65_536
"""Bytes of one message: far below any limit that a peer may have by default."""


@implementer(ITransport, IConsumer, IPushProducer)
class StreamTransport:
    """What a stream protocol knows as its transport.

    Args:
        session: The session, of a server or of a client.
        host: The address of this side.
        peer: The address of the other side.
        certificate: Returns the certificate of the other side; None if there is none.

    Attributes:
        session: The session.
        disconnecting: Whether the connection is being closed; what a producer still
            writes goes out before.
        aborted: Whether nothing is handed over any more.
    """

    def __init__(
        self,
        session: AnySession,
        host: IAddress,
        peer: IAddress,
        certificate: Callable[[], Any] = lambda: None,
    ) -> None:
        self.session = session
        self._certificate = certificate
        self.disconnecting = False
        self.aborted = False
        self._host = host
        self._peer = peer
        self._half_closing = False
        self._takes_no_more = False
        self._unsent: deque[bytes] = deque()
        self._is_sending = False
        self._producer: IProducer | None = None
        self._paused: Deferred[None] | None = None

    # --- writing ----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes; they are dropped after the end of this direction."""
        if self._takes_no_more:
            return
        for start in range(0, len(data), MAX_MESSAGE):
            self._unsent.append(bytes(data[start : start + MAX_MESSAGE]))
        if not self._is_sending:
            self._send_all()

    def _send_all(self) -> None:
        # A producer that is told to pause meanwhile may write, or close: as with TCP,
        # that comes after all of this.
        self._is_sending = True
        while self._unsent:
            self.session.send(self._unsent.popleft())
        self._is_sending = False
        if not self.aborted:
            self._end_when_produced()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces of bytes as one."""
        self.write(b"".join(data))

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let a producer produce as fast as the peer reads."""
        self.session.registerProducer(producer, streaming)
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer; an end that has waited for it comes now."""
        if self._producer is None:
            return
        self._producer = None
        self.session.unregisterProducer()
        self._end_when_produced()

    # --- ending -----------------------------------------------------------------------

    def loseConnection(self) -> None:
        """Close the session when all is sent, and the producer is done."""
        if not self.disconnecting:
            self.disconnecting = True
            self._end_when_produced()

    def loseWriteConnection(self) -> None:
        """Tell the peer that no more bytes will come; go on reading.

        As `loseConnection` it waits for the producer.
        """
        if not (self.disconnecting or self._half_closing):
            self._half_closing = True
            self._end_when_produced()

    def abortConnection(self) -> None:
        """Drop the session, and what was not sent yet."""
        self.disconnecting = self.aborted = self._takes_no_more = True
        self.session.close(discard=True)
        # The session tells its end when the message that waits here is done with.
        self.resumeProducing()

    def _end_when_produced(self) -> None:
        if self._producer is not None or self._is_sending:
            return
        if self.disconnecting:
            self._takes_no_more = True
            # A paused reader would keep the goodbye of the peer back, too.
            self.resumeProducing()
            self.session.close()
        elif self._half_closing and not self._takes_no_more:
            self._takes_no_more = True
            self.session.send(END_OF_STREAM)

    # --- reading ----------------------------------------------------------------------

    def pauseProducing(self) -> None:
        """Hand nothing more over; the peer is told to wait, in the end."""
        if self._paused is None and not self.aborted:
            self._paused = Deferred()

    def resumeProducing(self) -> None:
        """Go on."""
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.callback(None)

    def stopProducing(self) -> None:
        """Read no more: lose the connection."""
        self.loseConnection()

    def when_resumed(self) -> Deferred[None] | None:
        """Return what the next message has to wait for; None if nothing is paused."""
        return self._paused

    # --- who is there -----------------------------------------------------------------

    def getHost(self) -> IAddress:
        """Return the address of this side."""
        return self._host

    def getPeer(self) -> IAddress:
        """Return the address of the other side: what a trusted proxy has said of it."""
        return self._peer

    def getPeerCertificate(self) -> Any:
        """Return the certificate that the other side has shown, as TLS does.

        It is an ``OpenSSL.crypto.X509``; None without TLS, and for a client that has
        shown none. With one, the transport provides ``ISSLTransport``.
        """
        return self._certificate()

    # What protocols ask TCP for, and what others answer for the connection below.

    def getTcpNoDelay(self) -> bool:
        """Return True: nothing is held back here to be sent with more."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: see `getTcpNoDelay`."""

    def getTcpKeepAlive(self) -> bool:
        """Return True: the session's heartbeat does what TCP's would."""
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Do nothing: see `getTcpKeepAlive`."""


def half_closeable(protocol: Any) -> IHalfCloseableProtocol | None:
    """Return what wants to know of half-closed connections, if the protocol does."""
    return IHalfCloseableProtocol(protocol, None)


def address_of(host: str | None, port: int) -> IPv4Address | IPv6Address:
    """Return an address as TCP would tell it."""
    if host is not None and ":" in host:
        return IPv6Address("TCP", host, port)
    return IPv4Address("TCP", host or "0.0.0.0", port)
