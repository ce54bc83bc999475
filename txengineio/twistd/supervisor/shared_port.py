"""A port on a listening socket that other processes accept from, too."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReadDescriptor,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.net.accepted import Acceptor, deliver
from txengineio.net.turns import turns_of
from txengineio.server.web.site import EngineIOSite
from txengineio.twistd.supervisor.sockets import address_of

__all__ = ["SharedPort"]

_AT_ONCE: Final = 100
"""Connections that are accepted in a turn of the reactor."""

_READ: Final = 1 << 16
"""Bytes that are read of a new connection: what may be sent on with its socket."""

_PAUSE: Final = 1.0
"""Seconds until the next attempt to accept, when there is no descriptor left."""

_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@implementer(IListeningPort, IReadDescriptor)
class SharedPort:
    """Accepts from a socket that belongs to others; it may rest in between.

    Twisted's port logs a line each time it starts or stops, takes the path of a Unix
    socket for its own (it changes the mode of the path, and removes the path when it
    stops: ``unix.Port`` of Twisted 26.10), and makes a transport and a protocol of each
    connection before anybody can say that it is for another process.

    Args:
        reactor: The reactor.
        shared: The socket, which listens.
        factory: What is served.
    """

    _log = Logger()

    def __init__(self, reactor: Any, shared: socket.socket, factory: Any) -> None:
        self._reactor = reactor
        self._socket = shared
        self._factory = factory
        self._site = factory if isinstance(factory, EngineIOSite) else None
        self._turns = turns_of(reactor)
        self._later: IDelayedCall | None = None
        self._acceptor: Acceptor | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 after the end."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it, for the log."""
        return type(self._factory).__name__

    def getHost(self) -> IAddress:
        """Return the address of the socket."""
        address: IAddress = address_of(self._socket)
        return address

    def startListening(self) -> None:
        """Begin to accept; once is enough."""
        if self._acceptor is None:
            site = self._site
            watch = site is not None and site.is_watched
            self._acceptor = Acceptor(self._reactor, self._factory, watch, self._socket)
            self._factory.doStart()
            self._reactor.addReader(self)

    def doRead(self) -> None:
        """Accept waiting connections, but leave time for others."""
        began = self._turns.seconds()
        for _ in range(_AT_ONCE):
            # A client that was just served may have stopped this.
            if self._acceptor is None:
                return
            try:
                self._serve(self._acceptor, *self._socket.accept())
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno in _NO_ROOM:
                    self._pause(problem)
                    return
                # This client is gone; there may be others.
            except Exception:
                self._log.failure("a connection could not be served")
            if self._turns.is_over(began):
                # The reactor comes back here, after the others.
                return

    def _serve(
        self, acceptor: Acceptor, accepted: socket.socket, client: tuple[Any, ...]
    ) -> None:
        site = self._site
        if site is None:
            acceptor.serve(accepted)
            return
        received = _begun(accepted)
        if (
            received
            and site.elsewhere is not None
            and site.elsewhere.takes_accepted(site, accepted, received)
        ):
            return
        protocol = acceptor.serve(accepted, client)
        if received:
            deliver(protocol.http_channel.transport, received)

    def _pause(self, problem: OSError) -> None:
        """Ignore the socket for a while: it would be ready again at once."""
        self._log.error("cannot accept: {problem}", problem=problem)
        self._reactor.removeReader(self)
        self._later = self._reactor.callLater(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._later = None
        self._reactor.addReader(self)

    def rest(self) -> None:
        """Accept nothing for now; others that have the socket go on."""
        if self._acceptor is not None:
            self._acceptor = None
            self._reactor.removeReader(self)
            if self._later is not None:
                self._later.cancel()
                self._later = None
            self._factory.doStop()

    def stopListening(self) -> Deferred[None]:
        """Accept nothing more, and close this process' descriptor of the socket."""
        self.rest()
        self._socket.close()
        return succeed(None)

    def connectionLost(self, _reason: Failure) -> None:
        """Stop: the reactor cannot watch the socket, or has come to its end."""
        self.stopListening()


def _begun(accepted: socket.socket) -> bytes:
    """Read what has come of a new connection: nearly always its request, or nothing.

    That saves watching it before the request is served, or given away.
    """
    try:
        return accepted.recv(_READ, socket.MSG_DONTWAIT)
    except OSError:
        # Nothing has come yet, or the client is gone: that is found out later.
        return b""
