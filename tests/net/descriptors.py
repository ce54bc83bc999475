"""A reactor that does nothing by itself, and connections between real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import (
    IReactorFDSet,
    IReadDescriptor,
    IWriteDescriptor,
)
from twisted.internet.posixbase import _DisconnectSelectableMixin
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.net.poller import poller_of
from txengineio.net.watched_connection import WatchedConnection

__all__ = ["Descriptors", "Pair", "Recorder", "pair", "served", "watched", "watched_by"]

ADDRESS = ("127.0.0.1", 40_000)


@implementer(IReactorFDSet)
class Descriptors(_DisconnectSelectableMixin, Clock):
    """Knows what is watched; `turn` is a turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []
        self.writers: list[IWriteDescriptor] = []

    def turn(self) -> None:
        self.advance(0)
        for reader in tuple(self.readers):
            self._end(reader, reader.doRead(), True)
        for writer in tuple(self.writers):
            self._end(writer, writer.doWrite(), False)

    def _end(self, descriptor: Any, reason: Any, is_reading: bool) -> None:
        if reason is not None:
            self._disconnectSelectable(descriptor, reason, is_reading)

    def addReader(self, reader: IReadDescriptor) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        if writer not in self.writers:
            self.writers.append(writer)

    def removeReader(self, reader: IReadDescriptor) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        if writer in self.writers:
            self.writers.remove(writer)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        found: list[IReadDescriptor | IWriteDescriptor] = []
        found += self.readers
        found += self.writers
        self.readers, self.writers = [], []
        return found

    def getReaders(self) -> list[IReadDescriptor]:
        return self.readers

    def getWriters(self) -> list[IWriteDescriptor]:
        return self.writers


class Recorder(Protocol):
    """Keeps what it receives, and how it ends."""

    def __init__(self, react: Callable[[Any, bytes], None] | None = None) -> None:
        self.data: list[bytes] = []
        self.lost: list[Any] = []
        self._react = react

    @override
    def dataReceived(self, data: bytes) -> None:
        self.data.append(data)
        if self._react is not None:
            self._react(self, data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(type(reason.value))


@dataclass(kw_only=True)
class Pair:
    """A connection, and the socket at its other end."""

    peer: socket.socket
    transport: Any
    protocol: Any = field(default_factory=Recorder)


def served(
    reactor: Any, protocol: Any, *, make: Callable[..., Any] = Server, **details: Any
) -> Pair:
    """Serve one end of a new connection."""
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    transport = make(ours, protocol, ADDRESS, None, 7, reactor, **details)
    protocol.makeConnection(transport)
    return Pair(peer=peer, transport=transport, protocol=protocol)


@contextmanager
def pair(
    reactor: Any, react: Callable[[Any, bytes], None] | None = None, **details: Any
) -> Iterator[Pair]:
    """Serve one end of a new connection, for a while."""
    made = served(reactor, Recorder(react), **details)
    try:
        yield made
    finally:
        made.peer.close()
        if made.transport.connected:
            made.transport.connectionLost(Failure(ConnectionAbortedError()))


def watched_by(reactor: Descriptors) -> dict[str, Any]:
    """Return what makes `served` serve a connection that a poller watches."""
    return {
        "make": WatchedConnection,
        "poller": poller_of(reactor),
        "host": None,
        "number": None,
        "is_undelayed": False,
    }


def watched(reactor: Descriptors, react: Any = None) -> Any:
    """Serve one end of a new connection that a poller watches, for a while."""
    return pair(reactor, react, **watched_by(reactor))
