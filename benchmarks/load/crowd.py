"""Many WebSocket sessions that mostly listen: idle ones, and broadcasts."""

import socket
from itertools import cycle
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.apps.steering import address_for
from benchmarks.figures import Latency
from benchmarks.load.base import SETTLE_SECONDS, Load
from benchmarks.load.loop import Address, Connection, LoadError, unexpected_end
from benchmarks.load.sessions import open_websocket

_PING = frames.server_frame(frames.TEXT, b"2")
_PONG = frames.client_frame(frames.TEXT, b"3")


class _IdleClient:
    """A session that only answers pings."""

    __slots__ = ("_bytes", "_connection", "_load")

    def __init__(self, load: "IdleLoad") -> None:
        opened, rest = open_websocket(load.address)
        self._bytes = b""
        self._connection = Connection(load.loop, opened, self._received, unexpected_end)
        self._load = load
        if rest:
            self._received(rest)

    def _received(self, data: bytes) -> None:
        data = self._bytes + data
        count, left = divmod(len(data), len(_PING))
        if data != _PING * count + _PING[:left]:
            raise LoadError(f"no ping: {data!r}")
        self._bytes = data[len(data) - left :]
        self._connection.send(_PONG * count)
        self._load.operations += count


class IdleLoad(Load):
    """Sessions that nobody uses; an operation is a ping that got its pong."""

    def __init__(self, address: Address, *, sessions: int) -> None:
        super().__init__(address)
        self._clients: list[_IdleClient] = []
        self._sessions = sessions

    @override
    def prepare(self) -> None:
        """Open the sessions."""
        self.add(self._sessions)

    def add(self, sessions: int) -> None:
        """Open more sessions."""
        self._clients += [_IdleClient(self) for _ in range(sessions)]


class BroadcastLoad(Load):
    """One session says something to all; an operation is one delivery."""

    speakers = 1
    """How many of the first sessions say it: those who hear each are others."""

    def __init__(
        self, address: Address, *, sessions: int, request: bytes, reply: bytes
    ) -> None:
        super().__init__(address)
        self.running = True
        self.sessions = sessions
        self._bytes = 0
        self._connections: list[Connection] = []
        self._missing = 0
        self._reply = frames.server_frame(frames.TEXT, reply)
        self._request = frames.client_frame(frames.TEXT, request)
        self._sent_at = 0.0

    @override
    def prepare(self) -> None:
        """Open the sessions, then let the first one speak."""
        for _ in range(self.sessions):
            opened, rest = self.open_session()
            if rest:
                raise LoadError(f"the server sent {rest!r} unasked")
            self._connections.append(
                Connection(self.loop, opened, self._received, unexpected_end)
            )
        self._broadcast()

    def open_session(self) -> tuple[socket.socket, bytes]:
        """Open a session that hears what is said; also return what came since."""
        return open_websocket(self.address)

    @override
    def finish(self) -> None:
        """Wait until the last message has reached all."""
        self.running = False
        self.loop.run_until(
            lambda: self._missing == 0, SETTLE_SECONDS, "the last broadcast"
        )

    def _broadcast(self) -> None:
        self._missing = self.sessions * len(self._reply)
        self._sent_at = perf_counter()
        for connection in self._connections[: self.speakers]:
            connection.send(self._request)

    def _received(self, data: bytes) -> None:
        self._missing -= len(data)
        count, self._bytes = divmod(self._bytes + len(data), len(self._reply))
        self.operations += count
        if self._missing > 0:
            return
        if self._missing < 0:
            raise LoadError(f"more than was sent, the last in {data[-80:]!r}")
        self.latencies.append(Latency(perf_counter() - self._sent_at, self.sessions))
        if self.running:
            self._broadcast()


class NodesLoad(BroadcastLoad):
    """The same, with as many sessions on each of some nodes that have one port.

    Args:
        address: Where to.
        nodes: How many there are; see `benchmarks.apps.steering`.
        apart: Whether they do not know each other: one session of each speaks then.
        sessions: On all nodes together.
        request: What is said.
        reply: What each session hears.
    """

    def __init__(
        self,
        address: Address,
        *,
        nodes: int,
        apart: bool,
        sessions: int,
        request: bytes,
        reply: bytes,
    ) -> None:
        super().__init__(address, sessions=sessions, request=request, reply=reply)
        self._sources = cycle([address_for(number) for number in range(nodes)])
        if apart:
            self.speakers = nodes

    @override
    def open_session(self) -> tuple[socket.socket, bytes]:
        """Open a session on the node whose turn it is."""
        return open_websocket(self.address, next(self._sources))
