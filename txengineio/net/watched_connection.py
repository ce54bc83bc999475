"""Connections that a `Poller` watches in place of their reactor."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, ILoggingContext
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port, Server
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.net.direct_writes import has_unsent_bytes
from txengineio.net.poller import Poller, poller_of

__all__ = [
    "WatchedConnection",
    "leaves_now",
    "serve_socket",
    "watch_closely",
    "watch_port",
]

_PLAIN: Final[list[type]] = [Server]

with suppress(ImportError):
    # There is none where the system has no such sockets.
    from twisted.internet.unix import Server as UnixServer

    _PLAIN.append(UnixServer)

_INTERNET: Final = (AF_INET, AF_INET6)

_IPV4_WIDTH: Final = 2
"""Parts of an IPv4 address, as the kernel tells it."""


def watch_closely(transport: Any) -> bool:
    """Take a connection from its reactor to a `Poller`, if it is a plain one.

    Args:
        transport: A transport that is read from.

    Returns:
        Whether that was done.
    """
    # Not subclasses, which may read in ways of their own. Unix sockets do so too, for
    # protocols that receive descriptors from them; none here does.
    if type(transport) not in _PLAIN or has_unsent_bytes(transport):
        return False
    poller = poller_of(transport.reactor)
    if poller is None or poller is transport.reactor:
        return False
    transport.stopReading()
    transport.reactor = poller
    transport.startReading()
    return True


def watch_port(port: Any) -> None:
    """Have connections that come to a port watched from their beginning on."""
    if not isinstance(port, Port) or port.transport is not Server:
        return
    poller = poller_of(port.reactor)
    if poller is not None:
        # Twisted offers this; its annotation knows classes only.
        make: Any = partial(
            WatchedConnection,
            poller=poller,
            host=_only_host(port),
            number=port.getHost().port,
            is_undelayed=_undelay(port),
        )
        port.transport = make


def serve_socket(reactor: Any, accepted: socket, factory: Any, watch: bool) -> Any:
    """Serve a connection that was accepted here or elsewhere; return its protocol.

    Args:
        reactor: The reactor.
        accepted: Its socket, which does not block, and belongs to the reactor then.
        factory: What is served.
        watch: Whether a `Poller` may watch it, from its beginning on.

    Raises:
        OSError: Its other end is gone, or there is no descriptor left; it is closed.
    """
    watch = watch and accepted.family in _INTERNET
    poller = poller_of(reactor) if watch else None
    try:
        if poller is None:
            made = _Made(factory)
            with accepted:
                # It takes a copy.
                reactor.adoptStreamConnection(accepted.fileno(), accepted.family, made)
            return made.protocol
        client = accepted.getpeername()
    except OSError:
        accepted.close()
        raise
    protocol = factory.buildProtocol(_address(client))
    if protocol is None:
        accepted.close()
        return None
    transport = WatchedConnection(
        accepted,
        protocol,
        client,
        None,
        client[1],
        reactor,
        poller=poller,
        host=None,
        number=None,
        is_undelayed=False,
    )
    protocol.makeConnection(transport)
    return protocol


class _Made(Factory):
    """Makes one protocol, and keeps it."""

    noisy = False
    protocol: Any = None

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    @override
    def buildProtocol(self, addr: Any) -> Any:
        self.protocol = self._factory.buildProtocol(addr)
        return self.protocol


def leaves_now(transport: Any) -> bool:
    """Whether a connection that was told to end will do so in this turn of the reactor.

    If so, nothing may be written to it any more, and nobody has to wait for its end.
    """
    return isinstance(transport, WatchedConnection) and transport.is_leaving


def _only_host(port: Port) -> IPv4Address | IPv6Address | None:
    """Return the address that all connections to a port come to, if there is only one.

    It saves asking the kernel for each of them.
    """
    host: IPv4Address | IPv6Address = port.getHost()
    return None if ip_address(host.host).is_unspecified else host


def _undelay(port: Port) -> bool:
    """Have the kernel set ``TCP_NODELAY`` on each connection to a port, if it does."""
    if sys.platform != "linux":
        return False
    port.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, True)
    return True


def _address(parts: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """Return an address that the kernel has told."""
    kind = IPv4Address if len(parts) == _IPV4_WIDTH else IPv6Address
    return kind("TCP", *parts)


class WatchedConnection(Server):
    """A connection that a `Poller` watches from its beginning on.

    Attributes:
        is_leaving: Whether it ends before this turn of the reactor does.
    """

    reactor: Any
    is_leaving = False

    def __init__(  # noqa: PLR0913  # as Twisted calls it
        self,
        sock: Any,
        protocol: Any,
        client: Any,
        server: Any,
        sessionno: int,
        reactor: Any,
        *,
        poller: Poller,
        host: IPv4Address | IPv6Address | None,
        number: int | None,
        is_undelayed: bool,
    ) -> None:
        # Not Twisted's: that gives it two names, which nearly nobody asks for.
        FileDescriptor.__init__(self, poller)
        sock.setblocking(False)
        self.socket = sock
        self.fileno = sock.fileno
        self.protocol = protocol
        self.server = server
        self.client = client
        self.sessionno = sessionno
        self.hostname = client[0]
        self._host = host
        self._kind = type(protocol).__name__
        self._number = number
        self._is_half_closed = False
        self._is_undelayed = is_undelayed
        self.startReading()
        self.connected = 1

    # What Twisted makes of them for each connection: names, for the log and for people.

    @property
    def logstr(self) -> str:  # type: ignore[explicit-override, override]
        """Its name in the log."""
        # The protocol goes with the connection.
        protocol = getattr(self, "protocol", None)
        name = (
            protocol.logPrefix() if ILoggingContext.providedBy(protocol) else self._kind
        )
        return f"{name},{self.sessionno},{self.hostname}"

    @property
    def repstr(self) -> str:  # type: ignore[explicit-override, override]
        """Its name elsewhere."""
        return f"<{self._kind} #{self.sessionno} on {self._number}>"

    @override
    def getHost(self) -> IPv4Address | IPv6Address:
        if self._host is None:
            self._host = _address(self.socket.getsockname())
        return self._host

    @override
    def getPeer(self) -> IPv4Address | IPv6Address:
        return _address(self.client)

    @override
    def setTcpNoDelay(self, enabled: bool) -> None:
        # It saves asking the kernel for what the port has given to the connection.
        if not (enabled and self._is_undelayed):
            super().setTcpNoDelay(enabled)
        self._is_undelayed = enabled

    @override
    def readConnectionLost(self, reason: Failure) -> None:
        # Twisted's looks for an adapter, each time.
        if IHalfCloseableProtocol.providedBy(self.protocol):
            super().readConnectionLost(reason)
        else:
            self.connectionLost(reason)

    @override
    def loseWriteConnection(self) -> None:
        self._is_half_closed = True
        super().loseWriteConnection()

    @override
    def connectionLost(self, reason: Failure) -> None:
        if isinstance(reason.value, ConnectionDone) and not self.disconnected:
            # As Twisted's, which takes longer to find out that it is no abort.
            FileDescriptor.connectionLost(self, reason)
            with suppress(OSError):
                self.socket.shutdown(SHUT_RDWR)
            with suppress(OSError):
                self.socket.close()
            protocol = self.protocol
            del self.protocol, self.socket, self.fileno
            protocol.connectionLost(reason)
        else:
            super().connectionLost(reason)

    @override
    def loseConnection(self) -> None:
        if (
            self.connected
            and not self.disconnecting
            and not self._is_half_closed
            and not self.TLS
            and self.producer is None
            and not has_unsent_bytes(self)
            and self.reactor.lets_go(self)
        ):
            # Not asking when nothing can be written: it takes a turn of the loop.
            self.stopReading()
            self.disconnecting = 1
            self.is_leaving = True
        else:
            super().loseConnection()
