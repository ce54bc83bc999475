"""The connections between two nodes of a machine: one to send by, one to receive by.

Each node listens at a path, and connects to the others' paths. It sends by the links
that it has opened, and receives by those that were opened to it. The end of the former
is the end of the node there; of the latter it is not, as each side opens its own anew.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IReadDescriptor,
    IWriteDescriptor,
)
from twisted.internet.main import CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.cluster.packets import Packet, Piece, new_buffer, receive, send
from txengineio.cluster.pieces import Message, Pieces
from txengineio.net.turns import turns_of

__all__ = [
    "MAX_WAITING",
    "TAKES_NOTHING",
    "Door",
    "OwnLink",
    "Receiver",
    "Sender",
    "Watched",
    "is_own_user",
    "open_link",
]

MAX_WAITING: Final = 256
"""Connections that may wait for a node that accepts none."""

_PAUSE: Final = 0.02
"""Seconds until the next attempt to send a socket, when too many are under way."""

_DOOR_PAUSE: Final = 1.0
"""Seconds until it is tried again to accept a node, when no descriptor is left."""

_NOTHING_THERE: Final = (errno.EAGAIN, errno.ECONNABORTED)

_BACKLOG: Final = 128
_CREDENTIALS: Final = struct.Struct("iII")
"""Process, user and group."""

TAKES_NOTHING: Final = {errno.EAGAIN, errno.ENOBUFS}
"""The errors of a link whose other end takes no more for now."""
_TOO_MANY: Final = errno.ETOOMANYREFS


def new_socket() -> socket.socket:
    """Make a socket that keeps packets whole."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.setblocking(False)
    return made


def is_own_user(link: socket.socket) -> bool:
    """Whether the process at the other end runs as the same user as this one."""
    size = _CREDENTIALS.size
    told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(_CREDENTIALS.unpack(told)[1] == os.geteuid())


def open_link(path: Path) -> socket.socket | None:
    """Connect to a node; return None if none is there, or no descriptor is left."""
    try:
        link = new_socket()
    except OSError:
        return None
    try:
        link.connect(os.fspath(path))
        if is_own_user(link):
            return link
    except OSError as problem:
        if problem.errno == errno.ECONNREFUSED:
            # A process that was killed leaves this.
            path.unlink(missing_ok=True)
    link.close()
    return None


class Watched:
    """A socket that a reactor watches."""

    def __init__(self, reactor: Any, link: socket.socket) -> None:
        self._reactor = reactor
        self._link = link
        reactor.addReader(self)

    def fileno(self) -> int:
        """Return its descriptor, -1 after the end."""
        return self._link.fileno()

    def logPrefix(self) -> str:
        """Name it, for the log."""
        return "Engine.IO cluster"

    def connectionLost(self, _reason: Failure) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Stop watching it, and close it; once is enough."""
        if self._link.fileno() >= 0:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._link.close()


@implementer(IReadDescriptor)
class Door(Watched):
    """Where other nodes connect.

    Args:
        reactor: The reactor.
        path: Where it is.
        opened: Called with each link that another node has opened.
    """

    def __init__(
        self, reactor: Any, path: Path, opened: Callable[[socket.socket], object]
    ) -> None:
        link = new_socket()
        try:
            _listen_at(link, path)
        except BaseException:
            link.close()
            raise
        self._path = path
        self._opened = opened
        self._later: IDelayedCall | None = None
        super().__init__(reactor, link)

    def doRead(self) -> None:
        """Accept a process of the same user."""
        try:
            link, _ = self._link.accept()
        except OSError as problem:
            if problem.errno not in _NOTHING_THERE:
                # It would call again at once.
                self._reactor.removeReader(self)
                self._later = self._reactor.callLater(_DOOR_PAUSE, self._go_on)
            return
        link.setblocking(False)
        if is_own_user(link):
            self._opened(link)
        else:
            link.close()

    def _go_on(self) -> None:
        self._later = None
        self._reactor.addReader(self)

    @override
    def close(self) -> None:
        """Remove the path, too."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self.fileno() >= 0:
            self._path.unlink(missing_ok=True)
        super().close()


def _listen_at(link: socket.socket, path: Path) -> None:
    """Let a socket listen at a path, which appears when it does and not before.

    Others take a path at which nobody listens for one that a dead process has left.

    What a killed node has left there is cleared away.

    Raises:
        OSError: There is something at that path, or near it.
    """
    living = open_link(path)
    if living is not None:
        living.close()
        raise FileExistsError(errno.EEXIST, "there is such a node already", str(path))
    unfinished = path.with_name(f".{path.name}")
    link.bind(os.fspath(unfinished))
    try:
        link.listen(_BACKLOG)
        os.link(unfinished, path)
    finally:
        unfinished.unlink()


@implementer(IReadDescriptor)
class Receiver(Watched):
    """Receives what another node sends.

    Args:
        reactor: The reactor.
        link: The link that it has opened.
        received: Called with each packet, and with messages for their pieces.
        ended: Called when the link has ended, once.
    """

    _log = Logger()
    _buffer = new_buffer()
    """One buffer for all links: nothing stays in it."""

    def __init__(
        self,
        reactor: Any,
        link: socket.socket,
        received: Callable[[Receiver, Packet | Message], object],
        ended: Callable[[Receiver], object],
    ) -> None:
        self._received = received
        self._ended = ended
        self._pieces = Pieces()
        self._turns = turns_of(reactor)
        super().__init__(reactor, link)

    @property
    def is_within_message(self) -> bool:
        """Whether there is the beginning of a message, and not its end."""
        return self._pieces.is_incomplete

    def doRead(self) -> Any:
        """Receive packets, but leave time for others."""
        began = self._turns.seconds()
        while self.fileno() >= 0:
            try:
                packet: Packet | Message | None = receive(self._link, self._buffer)
                if packet is None:
                    return CONNECTION_LOST
                if isinstance(packet, Piece):
                    packet = self._pieces.add(packet)
            except BlockingIOError:
                return None
            except (OSError, ValueError):
                self._log.failure("a link from another node is broken")
                return CONNECTION_LOST
            if packet is not None:
                self._received(self, packet)
            if self._turns.is_over(began):
                # If there is more, the reactor comes back here, after the others.
                return None
        return None

    @override
    def connectionLost(self, reason: Failure) -> None:
        """Report that nothing more will come."""
        super().connectionLost(reason)
        self._ended(self)


@implementer(IReadDescriptor)
class OwnLink(Watched):
    """A link that this node has opened: it sends by it, and reads only its end.

    Args:
        reactor: The reactor.
        link: The link.
        ended: Called when the link has ended, once.
    """

    def __init__(
        self, reactor: Any, link: socket.socket, ended: Callable[[], object]
    ) -> None:
        self._ended = ended
        super().__init__(reactor, link)

    def doRead(self) -> Any:
        """Notice the end; nothing else is received here."""
        return CONNECTION_LOST

    @override
    def connectionLost(self, reason: Failure) -> None:
        """Report that nothing more can be sent."""
        was_open = self.fileno() >= 0
        super().connectionLost(reason)
        if was_open:
            self._ended()


@implementer(IWriteDescriptor)
class Sender(OwnLink):
    """Sends to another node, in order; keeps what it does not take at once.

    Args:
        reactor: The reactor.
        link: The link that was opened to it.
        ended: Called when the link has ended, once.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, link: socket.socket, ended: Callable[[], object]
    ) -> None:
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self._later: IDelayedCall | None = None
        super().__init__(reactor, link, ended)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is queued."""
        return not self._waiting

    @property
    def is_full(self) -> bool:
        """Whether so much is queued that nothing more is accepted."""
        return len(self._waiting) >= MAX_WAITING

    def send(self, packet: bytes, client: socket.socket | None = None) -> None:
        """Send a packet and, with it, a socket, which is then closed here."""
        self._waiting.append((packet, client))
        if len(self._waiting) == 1:
            self.doWrite()

    def doWrite(self) -> None:
        """Send as much as the other node takes."""
        self._later = None
        try:
            while self._waiting:
                packet, client = self._waiting[0]
                send(self._link, (packet,), client)
                self._waiting.popleft()
                if client is not None:
                    client.close()
            self._reactor.removeWriter(self)
        except OSError as problem:
            self._try_again(problem.errno)

    def _try_again(self, error: int | None) -> None:
        if error in TAKES_NOTHING:
            self._reactor.addWriter(self)
        elif error == _TOO_MANY:
            # The kernel does not tell when fewer are under way.
            self._reactor.removeWriter(self)
            self._later = self._reactor.callLater(_PAUSE, self.doWrite)
        elif error == errno.EMSGSIZE:
            self._drop_first()
            self._reactor.addWriter(self)
        else:
            self.connectionLost(Failure(CONNECTION_LOST))

    def _drop_first(self) -> None:
        """Drop a connection of which too much was read: the others can be sent."""
        packet, client = self._waiting.popleft()
        self._log.error(
            "a connection is dropped: {size} bytes of it were read, which is more than "
            "sockets of this system take at a time (net.core.wmem_default)",
            size=len(packet),
        )
        if client is not None:
            client.close()

    @override
    def close(self) -> None:
        """Close what is queued: those clients see their connections end."""
        super().close()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        while self._waiting:
            _, client = self._waiting.popleft()
            if client is not None:
                client.close()
