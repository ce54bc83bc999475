"""Nodes of a cluster in memory, and what links need of a reactor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from tests.wiring import Server
from txengineio.cluster.interfaces import ICluster, IPeer, Load
from txengineio.cluster.joined_engine import JoinedEngine
from txengineio.server.cluster import ClusterCounts
from txengineio.server.registry import node_of
from txengineio.testing import RecordingApplication

__all__ = [
    "LinkReactor",
    "MemoryNode",
    "MemoryPeer",
    "acquainted",
    "deliver_all",
    "linked",
    "make_nodes",
]


class LinkReactor(Clock):
    """A clock that remembers which descriptors are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)


@contextmanager
def linked() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a link."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    with ends[0], ends[1]:
        yield ends


@implementer(IPeer)
class MemoryPeer:
    """Another node, as one node sees it."""

    is_near = True

    def __init__(self, sender: MemoryNode, receiver: MemoryNode) -> None:
        self.name = receiver.node
        self.load = Load(receiver.node)
        self.heard_at = 0.0
        self.takes = True
        self._sender = sender
        self._receiver = receiver

    def hand_over(self, channel: Any, received: bytes) -> bool:
        return False

    def forward(self, request: object) -> None:
        raise AssertionError

    abandon = forward

    def tell(self, kind: bytes, payload: bytes) -> bool:
        if self.takes:
            self._sender.told.append((self.name, kind))
            self._receiver.under_way.append((self._sender.node, kind, payload))
        return self.takes


@implementer(ICluster)
class MemoryNode:
    """A node with an engine in memory; `deliver` brings what others have told.

    Args:
        name: Its name.
        server: A server whose engine it is to be; by default one that records.

    Attributes:
        state: How it stands among the others.
        server: Its engine.
        joined: What its engine has of the others.
        told: To whom what kind of message was sent.
    """

    def __init__(self, name: str, server: Server | None = None) -> None:
        self.node = name
        self.state: str | None = None
        self.counts = ClusterCounts()
        self.server = server or Server.new(RecordingApplication(), node_name=name)
        self.told: list[tuple[str, bytes]] = []
        self.under_way: list[tuple[str, bytes, bytes]] = []
        self.known: dict[str, MemoryPeer] = {}
        self._hears: list[Callable[[str, bytes, bytes], object]] = []
        self._left: list[Callable[[str], object]] = []
        self.restarts: list[int] = []
        self.joined = JoinedEngine(self.server.engine, self, f"w{name}", self.restarts)
        self.server.engine.cluster = self.joined

    def owner_of(self, sid: str) -> IPeer | None:
        return self.peer(node_of(sid))

    def peer(self, name: str) -> IPeer | None:
        return self.known.get(name)

    def peers(self) -> list[IPeer]:
        return list(self.known.values())

    def tell_all(self, kind: bytes, payload: bytes) -> int:
        return sum(peer.tell(kind, payload) for peer in self.known.values())

    def announce(self, load: Load) -> None:
        for peer in self.known.values():
            known = peer._receiver.known[self.node]
            known.load = load
            known.heard_at = self.server.clock.seconds()

    def when_told(self, callback: Callable[[str, bytes, bytes], object]) -> None:
        self._hears.append(callback)

    def when_left(self, callback: Callable[[str], object]) -> None:
        self._left.append(callback)

    # --- for tests ------------------------------------------------------------------

    def loses(self, name: str) -> None:
        """Let a peer be gone."""
        del self.known[name]
        for callback in self._left:
            callback(name)

    def deliver(self) -> None:
        """Hear what others have told."""
        heard, self.under_way = self.under_way, []
        for each in heard:
            for callback in self._hears:
                callback(*each)


def make_nodes(count: int) -> list[MemoryNode]:
    """Make nodes ``n0`` … that know each other."""
    return acquainted([MemoryNode(f"n{number}") for number in range(count)])


def acquainted(nodes: list[MemoryNode]) -> list[MemoryNode]:
    """Let nodes know each other."""
    for one in nodes:
        for other in nodes:
            if one is not other:
                one.known[other.node] = MemoryPeer(one, other)
    return nodes


def deliver_all(nodes: list[MemoryNode]) -> None:
    """Deliver until nothing is under way."""
    while any(node.under_way for node in nodes):
        for node in nodes:
            node.deliver()
