"""Listening sockets: the supervisor binds them, the workers accept from them.

Endpoints listen by a reactor. In the supervisor a `Binder` stands there for it, which
binds a socket for each slot and accepts nothing; in a worker an `Inheritance`, which
takes the sockets that the worker has inherited, in the same order. So each endpoint
works in both, even if it wraps the socket in TLS, which the worker does.

The kernel spreads connections evenly over the sockets that share a port by
``SO_REUSEPORT``. The supervisor keeps them open: connections in the queue of a socket
whose process has ended are served by the slot's next process. Only if that is to be
started after a pause, as its predecessors have ended too soon, the slot gets sockets
that are bound but do not listen: what waits in its queue is reset, and the others have
its share of the connections until its next process listens.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.abstract import isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReadDescriptor,
)
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Binder", "Inheritance", "UnixPort", "as_inherited"]

_BACKLOG: Final = 50
"""As Twisted's reactors have it."""

_AT_ONCE: Final = 100
"""Connections that are accepted in a turn of the reactor."""

_PAUSE: Final = 1.0
"""Seconds until the next attempt to accept, when there is no descriptor left."""

_NOTHING_THERE: Final = (errno.EAGAIN, errno.ECONNABORTED)

# The number of a descriptor, or a name from systemd, which a worker does not know.
_GIVEN: Final = re.compile(r"^((?:haproxy:)*)(?:systemd|fd):.*", re.DOTALL)


def as_inherited(description: str) -> str:
    """Return the description of an endpoint for a worker.

    The inherited socket determines where it listens.
    """
    return _GIVEN.sub(r"\1tcp:0", description)


@implementer(IListeningPort)
class _Bound:
    """The sockets of one place to listen at, for all slots; nothing accepts here.

    Args:
        sockets: One for each slot, or one that all have.
    """

    def __init__(self, sockets: Iterable[socket.socket]) -> None:
        self._sockets = list(sockets)

    def descriptor(self, slot: int) -> int:
        """Return the descriptor of a slot's socket."""
        return self._sockets[slot % len(self._sockets)].fileno()

    def withdraw(self, slot: int) -> None:
        """Leave a slot's share of the connections to the other slots."""
        old = self._sockets[slot % len(self._sockets)]
        if len(self._sockets) == 1 or not _listens(old):
            return
        # Without the right to bind the port by now, the connections wait.
        with suppress(OSError):
            self._sockets[slot] = _listener(old.family, old.getsockname(), shared=True)
            old.close()

    def getHost(self) -> Any:
        """Return the address that it is bound to."""
        return _address_of(self._sockets[0])

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

    def descriptor(self, _slot: int) -> int:
        """Return its descriptor."""
        number: int = self._port.fileno()
        return number

    def withdraw(self, slot: int) -> None:
        """Do nothing: the other slots accept from it, too."""

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

    def descriptors(self, slot: int) -> list[int]:
        """List the sockets of a slot, in the order in which endpoints have listened."""
        return [each.descriptor(slot) for each in self._bound]

    def withdraw(self, slot: int) -> None:
        """Let the other slots have what would come to one that pauses."""
        for each in self._bound:
            each.withdraw(slot)

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
    family: int, address: Any, backlog: int | None = None, *, shared: bool = False
) -> socket.socket:
    """Bind a socket; without a backlog it does not listen yet."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        if backlog is not None:
            made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


def _listens(bound: socket.socket) -> bool:
    return bool(bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _address_of(bound: socket.socket) -> Any:
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return UNIXAddress(name)
    kind = IPv6Address if bound.family == socket.AF_INET6 else IPv4Address
    return kind("TCP", *name[:2])


class Inheritance:
    """Stands for the reactor where endpoints of a worker listen.

    Args:
        reactor: The reactor.
        descriptors: The sockets that the worker has inherited; each is taken once.
    """

    def __init__(self, reactor: Any, descriptors: Iterable[int]) -> None:
        self._reactor = reactor
        self._descriptors = deque(descriptors)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = _BACKLOG, interface: str = ""
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory, backlog)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = _BACKLOG,
        interface: str = "",
    ) -> IListeningPort:
        """Accept from the next socket, and speak TLS."""
        # As `PosixReactorBase.listenSSL` of Twisted 26.10 does.
        wrapped = TLSMemoryBIOFactory(contextFactory, False, factory)
        return self._adopt(wrapped, backlog)

    def listenUNIX(
        self, address: str, factory: Any, *_details: Any, **_more: Any
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory)

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory)

    def _adopt(self, factory: Any, backlog: int = _BACKLOG) -> IListeningPort:
        inherited = socket.socket(fileno=self._descriptors.popleft())
        # Programs that the application starts are not to go on listening.
        inherited.set_inheritable(False)
        if inherited.family == socket.AF_UNIX:
            port = UnixPort(self._reactor, inherited, factory)
            port.startListening()
            return port
        with inherited:
            if not _listens(inherited):
                # Its predecessor was withdrawn while the slot had no process.
                inherited.listen(backlog)
            adopted: IListeningPort = self._reactor.adoptStreamPort(
                inherited.fileno(), inherited.family, factory
            )
        return adopted


@implementer(IListeningPort, IReadDescriptor)
class UnixPort:
    """Accepts from a Unix socket whose path belongs to another process.

    Twisted's port takes an inherited one for its own: it changes the mode of the path,
    and removes the path when it stops (``unix.Port`` of Twisted 26.10).

    Args:
        reactor: The reactor.
        inherited: The socket, which listens.
        factory: What is served.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inherited: socket.socket, factory: Any) -> None:
        self._reactor = reactor
        self._socket = inherited
        self._factory = factory
        self._later: IDelayedCall | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 after the end."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it, for the log."""
        return type(self._factory).__name__

    def getHost(self) -> IAddress:
        """Return the address of the socket."""
        address: IAddress = _address_of(self._socket)
        return address

    def startListening(self) -> None:
        """Begin to accept."""
        self._factory.doStart()
        self._reactor.addReader(self)

    def doRead(self) -> None:
        """Accept waiting connections, but leave time for others."""
        for _ in range(_AT_ONCE):
            try:
                connection, _address = self._socket.accept()
            except OSError as problem:
                if problem.errno not in _NOTHING_THERE:
                    self._pause(problem)
                return
            with connection:
                connection.setblocking(False)
                try:
                    # It takes a copy, for which there may be no descriptor left.
                    self._reactor.adoptStreamConnection(
                        connection.fileno(), socket.AF_UNIX, self._factory
                    )
                except OSError as problem:
                    self._pause(problem)
                    return

    def _pause(self, problem: OSError) -> None:
        """Ignore the socket for a while: it would be ready again at once."""
        self._log.error("cannot accept: {problem}", problem=problem)
        self._reactor.removeReader(self)
        self._later = self._reactor.callLater(_PAUSE, self._reactor.addReader, self)

    def stopListening(self) -> Deferred[None]:
        """Accept nothing more; others that have the socket go on."""
        self.connectionLost(Failure(CONNECTION_DONE))
        return succeed(None)

    def connectionLost(self, _reason: Failure) -> None:
        """Close this process' descriptor of the socket."""
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            if self._later is not None and self._later.active():
                self._later.cancel()
            self._socket.close()
            self._factory.doStop()
