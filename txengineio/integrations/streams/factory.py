"""`StreamFactory`: a factory of stream protocols, as an application of Engine.IO."""

from __future__ import annotations

from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, NoProtocol
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import alsoProvides

from txengineio.application import AnySession, BuildsProtocols, EngineIOProtocol
from txengineio.client.session import ClientSession
from txengineio.errors import CloseReason, InvalidOption, SessionClosed
from txengineio.integrations.streams.transport import (
    END_OF_STREAM,
    StreamTransport,
    address_of,
    half_closeable,
)
from txengineio.server.session import Session

__all__ = ["StreamFactory", "StreamSession"]


class StreamSession(EngineIOProtocol[Any]):
    """A session that carries a stream protocol.

    Args:
        factory: The factory of the stream protocol.
        address: What the application was told of the other side's address.

    Attributes:
        wrapped: The stream protocol; None before the session is open, or if the factory
            wanted none.
    """

    _log = Logger()

    def __init__(
        self, factory: IProtocolFactory, address: IAddress | None = None
    ) -> None:
        self.wrapped: IProtocol | None = None
        self._factory = factory
        self._address = address
        self._transport: StreamTransport | None = None

    @override
    def connectionMade(self) -> None:
        host, peer = _addresses(self.session, self._address)
        self.wrapped = self._factory.buildProtocol(peer)
        if self.wrapped is None:
            self.session.close(discard=True)
            return
        self._transport = StreamTransport(
            self.session, host, peer, partial(_certificate, self.session)
        )
        if self._transport.getPeerCertificate() is not None:
            alsoProvides(self._transport, ISSLTransport)
        self.wrapped.makeConnection(self._transport)

    def stream(self) -> IProtocol:
        """Return the stream protocol.

        Raises:
            NoProtocol: The factory has built none.
        """
        if self.wrapped is None:
            raise NoProtocol
        return self.wrapped

    @override
    def messageReceived(self, message: str | bytes) -> Deferred[None] | None:
        if self._transport is None:
            return None
        paused = self._transport.when_resumed()
        if paused is None:
            return self._deliver(message)
        # Paused since the last message: this one waits, and those after it.
        return paused.addCallback(lambda _: self._deliver(message))

    def _deliver(self, message: str | bytes) -> Deferred[None] | None:
        if self.wrapped is None or self._transport is None or self._transport.aborted:
            return None
        try:
            self._received(self.wrapped, message)
        except Exception:
            # As Twisted's reactor does it: a protocol that raises has lost its place in
            # the stream.
            self._log.failure("{protocol} is dropped", protocol=self.wrapped)
            self._transport.abortConnection()
        return self._transport.when_resumed()

    def _received(self, wrapped: IProtocol, message: str | bytes) -> None:
        data = message.encode() if isinstance(message, str) else message
        if data != END_OF_STREAM:
            wrapped.dataReceived(data)
            return
        interested = half_closeable(wrapped)
        if interested is not None:
            interested.readConnectionLost()
        elif self._transport is not None:
            self._transport.loseConnection()

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        assert reason is not None
        wrapped, self.wrapped = self.wrapped, None
        if wrapped is not None:
            wrapped.connectionLost(_as_of_tcp(reason.value))


class StreamFactory(Factory):
    """Serves stream protocols, such as ``LineReceiver``, to clients of Engine.IO.

    Give it to `Engine`, `connect` or `EngineIOClientService` where they want an
    application.

    Args:
        factory: Builds the stream protocols. Its ``buildProtocol`` gets the address of
            the peer.

    Raises:
        InvalidOption: It is no factory.
    """

    noisy = False

    def __init__(self, factory: BuildsProtocols | IProtocolFactory) -> None:
        if not callable(getattr(factory, "buildProtocol", None)) or isinstance(
            factory, type
        ):
            expected = "a factory, as Factory.forProtocol(YourProtocol) makes it"
            raise InvalidOption("factory", expected, factory)
        self.wrapped = cast(IProtocolFactory, factory)

    @override
    def doStart(self) -> None:
        super().doStart()
        self.wrapped.doStart()

    @override
    def doStop(self) -> None:
        self.wrapped.doStop()
        super().doStop()

    @override
    def buildProtocol(self, addr: IAddress | None) -> StreamSession:
        session = StreamSession(self.wrapped, addr)
        session.factory = self
        return session


def _as_of_tcp(closed: Any) -> Failure:
    """Return why a session ended, in the words of a TCP connection."""
    assert isinstance(closed, SessionClosed)
    if closed.reason in (CloseReason.FORCED_CLOSE, CloseReason.TRANSPORT_CLOSE):
        return Failure(ConnectionDone(str(closed)))
    return Failure(ConnectionLost(str(closed)))


def _addresses(session: AnySession, told: IAddress | None) -> tuple[IAddress, IAddress]:
    """Return the addresses of this side and of the other one, as far as known."""
    if isinstance(session, Session):
        request = session.request
        peer: IAddress = request.client_address
        if request.remote_address != getattr(peer, "host", None):
            # A proxy has told the address, but not the port.
            peer = address_of(request.remote_address, 0)
        return _called(request.header("Host") or ""), peer
    port = getattr(told, "port", 0)
    return address_of(None, 0), _named(session.remote_address or "", port)


def _certificate(session: AnySession) -> Any:
    """Return the certificate that the other side has shown, if there is one."""
    if isinstance(session, Session):
        return session.request.certificate
    return session.certificate if isinstance(session, ClientSession) else None


def _called(host: str) -> IAddress:
    """Return what the client has called this server: it may write anything there."""
    try:
        parts = urlsplit(f"//{host}")
        return _named(parts.hostname or "", parts.port or 0)
    except ValueError:
        return _named("")


def _named(name: str, port: int = 0) -> IAddress:
    """Return a name, or an address, as TCP tells it.

    The name is an empty one if it can be none in DNS.
    """
    if isIPAddress(name) or isIPv6Address(name):
        return address_of(name, port)
    try:
        return HostnameAddress(name.encode("idna"), port)
    except UnicodeError:
        return HostnameAddress(b"", port)
