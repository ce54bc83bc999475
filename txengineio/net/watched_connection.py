"""Connections that a `Poller` watches in place of their reactor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, ILoggingContext
from twisted.internet.tcp import Port, Server
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.net.direct_writes import has_unsent_bytes
from txengineio.net.poller import Poller, poller_of

__all__ = [
    "WatchedConnection",
    "internet_address",
    "leaves_now",
    "maker_of_connections",
    "watch_closely",
    "watch_port",
]

_PLAIN: Final[list[type]] = [Server]

with suppress(ImportError):
    # There is none where the system has no such sockets.
    from twisted.internet.unix import Server as UnixServer

    _PLAIN.append(UnixServer)

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
        make: Any = maker_of_connections(poller, port.socket)
        port.transport = make


def maker_of_connections(
    poller: Poller, listening: socket | None
) -> Callable[..., WatchedConnection]:
    """Return what makes connections, from the arguments that Twisted's ports give.

    Args:
        poller: Watches them.
        listening: The socket that all of them come to; None if they come to several.
    """
    if listening is None:
        return partial(
            WatchedConnection, poller=poller, host=None, number=None, is_undelayed=False
        )
    host = internet_address(listening.getsockname())
    return partial(
        WatchedConnection,
        poller=poller,
        host=_only_host(host),
        number=host.port,
        is_undelayed=_undelay(listening),
    )


def leaves_now(transport: Any) -> bool:
    """Whether a connection that was told to end will do so in this turn of the reactor.

    If so, nothing may be written to it any more, and nobody has to wait for its end.
    """
    return isinstance(transport, WatchedConnection) and transport.is_leaving


def _only_host(
    host: IPv4Address | IPv6Address,
) -> IPv4Address | IPv6Address | None:
    """Return the address that all connections to a port come to, if there is only one.

    It saves asking the kernel for each of them.
    """
    return None if ip_address(host.host).is_unspecified else host


def _undelay(listening: socket) -> bool:
    """Have the kernel set ``TCP_NODELAY`` on each connection to a port, if it does."""
    if sys.platform != "linux":
        return False
    listening.setsockopt(IPPROTO_TCP, TCP_NODELAY, True)
    return True


def internet_address(parts: tuple[Any, ...]) -> IPv4Address | IPv6Address:
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
        if sock.gettimeout() != 0:
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
        # A connection that is lost has none any more.
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
            self._host = internet_address(self.socket.getsockname())
        return self._host

    @override
    def getPeer(self) -> IPv4Address | IPv6Address:
        return internet_address(self.client)

    @override
    def setTcpNoDelay(self, enabled: bool) -> None:
        # No system call for what the connection has from its port.
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
            # As Twisted's, which looks first whether this is an abort.
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
            # Twisted would wait until the socket can be written to, a turn of the loop.
            self.stopReading()
            self.disconnecting = 1
            self.is_leaving = True
        else:
            super().loseConnection()
