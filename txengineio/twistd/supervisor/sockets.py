"""Listening sockets: the supervisor binds them, the workers accept from them.

Endpoints listen by a reactor. In the supervisor a `Binder` stands there for it, which
binds a socket for each slot and accepts nothing; in a worker an `Inheritance`, which
takes the sockets that the worker has inherited, in the same order. So each endpoint
works in both, even if it wraps the socket in TLS, which the worker does.

The kernel spreads connections evenly over the sockets that share a port by
``SO_REUSEPORT``. The supervisor keeps them open, and each worker inherits those of all
slots: it accepts from its own, and from that of another slot while that has no worker.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.abstract import isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
)
from twisted.internet.protocol import Factory
from zope.interface import implementer

__all__ = ["Binder", "address_of"]

_BACKLOG: Final = 50
"""As Twisted's reactors have it."""


@implementer(IListeningPort)
class _Bound:
    """The sockets of one place to listen at, for all slots; nothing accepts here.

    Args:
        sockets: One for each slot, or one that all have.
    """

    def __init__(self, sockets: Iterable[socket.socket]) -> None:
        self._sockets = list(sockets)

    def descriptors(self) -> list[int]:
        """List the descriptors of the sockets."""
        return [each.fileno() for each in self._sockets]

    def getHost(self) -> Any:
        """Return the address that it is bound to."""
        return address_of(self._sockets[0])

    def startListening(self) -> None:
        """Do nothing: it listens."""

    def stopListening(self) -> Deferred[None]:
        """Close the sockets."""
        for each in self._sockets:
            each.close()
        return succeed(None)


@implementer(IListeningPort)
class _BoundPath:
    """A Unix socket that all slots have; Twisted makes it, locks it, and removes it."""

    def __init__(self, port: Any) -> None:
        self._port = port
        port.stopReading()

    def descriptors(self) -> list[int]:
        """List its descriptor."""
        return [self._port.fileno()]

    def getHost(self) -> Any:
        """Return its address."""
        return self._port.getHost()

    def startListening(self) -> None:
        """Do nothing: it listens."""

    def stopListening(self) -> Any:
        """Close and remove it."""
        return self._port.stopListening()


class _Nobody(Factory):
    """A factory for ports that accept nothing."""

    noisy = False


class Binder:
    """Stands for the reactor where endpoints of the supervisor listen.

    Args:
        reactor: The reactor.
        slots: How many workers there are.
    """

    def __init__(self, reactor: Any, slots: int) -> None:
        self._reactor = reactor
        self._slots = slots
        self._bound: list[_Bound | _BoundPath] = []

    def descriptors(self) -> list[list[int]]:
        """List the sockets of each place, in the order in which endpoints listened.

        A place has one for each slot, or one that all slots have.
        """
        return [each.descriptors() for each in self._bound]

    def close(self) -> Deferred[Any]:
        """Close all sockets; fires when they are."""
        bound, self._bound = self._bound, []
        return DeferredList([maybeDeferred(each.stopListening) for each in bound])

    def listenTCP(
        self, port: int, factory: Any, backlog: int = _BACKLOG, interface: str = ""
    ) -> IListeningPort:
        """Bind a port.

        Raises:
            CannotListenError: That does not work.
        """
        try:
            sockets = _bind(interface, port, backlog, self._slots)
        except OSError as problem:
            raise CannotListenError(interface, port, problem) from problem
        return self._add(_Bound(sockets))

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = _BACKLOG,
        interface: str = "",
    ) -> IListeningPort:
        """Bind a port; TLS is for the workers."""
        return self.listenTCP(port, factory, backlog, interface)

    def listenUNIX(self, address: str, factory: Any, *details: Any, **more: Any) -> Any:
        """Bind a path, as Twisted does."""
        port = self._reactor.listenUNIX(address, _Nobody(), *details, **more)
        return self._add(_BoundPath(port))

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """Take a socket that another program, such as systemd, has bound."""
        try:
            given = socket.socket(fileno=os.dup(fileDescriptor))
        except OSError as problem:
            raise CannotListenError("", fileDescriptor, problem) from problem
        given.setblocking(False)
        return self._add(_Bound([given]))

    def _add(self, bound: _Bound | _BoundPath) -> IListeningPort:
        self._bound.append(bound)
        return bound


def _bind(interface: str, port: int, backlog: int, count: int) -> list[socket.socket]:
    """Bind a port, with a socket for each slot where the system spreads over several.

    Raises:
        OSError: That does not work.
    """
    family = socket.AF_INET6 if isIPv6Address(interface) else socket.AF_INET
    address: Any = (interface, port)
    if family == socket.AF_INET6:
        numeric = socket.AI_NUMERICHOST
        (found,) = socket.getaddrinfo(
            interface, port, family, socket.SOCK_STREAM, flags=numeric
        )
        address = found[4]
    if not hasattr(socket, "SO_REUSEPORT"):
        return [_listener(family, address, backlog)]
    if port:
        # Otherwise another server of this user that shares its port would go unnoticed.
        _listener(family, address, backlog).close()
    bound: list[socket.socket] = []
    try:
        for _ in range(count):
            bound.append(_listener(family, address, backlog, shared=True))
            address = bound[0].getsockname()
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _listener(
    family: int, address: Any, backlog: int, *, shared: bool = False
) -> socket.socket:
    """Bind a socket, and let it listen."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


def address_of(bound: socket.socket) -> Any:
    """Return the address that a socket is bound to."""
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return UNIXAddress(name)
    kind = IPv6Address if bound.family == socket.AF_INET6 else IPv4Address
    return kind("TCP", *name[:2])
