"""Echo over WebSocket: each connection keeps a number of messages in flight."""

import socket
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.figures import Latency
from benchmarks.load.base import ExchangeLoad
from benchmarks.load.loop import Address, Connection, LoadError, unexpected_end
from benchmarks.load.sessions import open_websocket, receive_exactly


class Messages:
    """The messages of one window, as they are sent and as they are answered.

    All have the same size, and so have the answers, which are counted by their bytes.

    Args:
        opcode: Of the frames.
        payloads: The messages, at least one.
        answers: What comes back for each of them.
    """

    def __init__(
        self, opcode: int, payloads: Sequence[bytes], answers: Sequence[bytes]
    ) -> None:
        requests = [frames.client_frame(opcode, payload) for payload in payloads]
        self.window = len(requests)
        self.requests = memoryview(b"".join(requests))
        self.request_size = len(requests[0])
        self.first_reply = frames.server_frame(opcode, answers[0])
        self.reply_size = len(self.first_reply)


class EchoMessages(Messages):
    """Messages that come back as they are."""

    def __init__(self, size: int, window: int, *, binary: bool = False) -> None:
        payloads = [_payload(size, number, binary) for number in range(window)]
        super().__init__(frames.BINARY if binary else frames.TEXT, payloads, payloads)


def _payload(size: int, number: int, binary: bool) -> bytes:
    if binary:
        return frames.message_binary(size)
    return f"4{frames.message_text(size, number % 100)}".encode()


class _EchoClient:
    """One connection: for every reply it sends another message."""

    __slots__ = ("_bytes", "_connection", "_load", "_messages", "_pending", "in_flight")

    def __init__(
        self,
        load: "EchoLoad",
        messages: Messages,
        opened: socket.socket,
        rest: bytes,
    ) -> None:
        opened.sendall(messages.requests[: messages.request_size])
        reply = receive_exactly(opened, rest, messages.reply_size)
        if reply != messages.first_reply:
            raise LoadError(f"not the echo: {reply[:200]!r}")
        self.in_flight = 0
        self._connection = Connection(load.loop, opened, self._received, unexpected_end)
        self._bytes = 0
        self._load = load
        self._messages = messages
        self._pending: deque[Latency] = deque()

    @property
    def busy(self) -> bool:
        """Whether echoes are under way."""
        return bool(self.in_flight)

    def begin(self) -> None:
        """Send a window of messages."""
        self.send(self._messages.window, perf_counter())

    def send(self, count: int, now: float) -> None:
        """Send that many messages, one write for all."""
        self.in_flight += count
        self._pending.append(Latency(now, count))
        size = self._messages.request_size
        self._connection.send(self._messages.requests[: count * size])

    def _received(self, data: bytes) -> None:
        now = perf_counter()
        size = self._messages.reply_size
        count, self._bytes = divmod(self._bytes + len(data), size)
        if count > self.in_flight:
            raise LoadError(f"more replies than messages, the last in {data[-80:]!r}")
        if not count:
            return
        self.in_flight -= count
        self._record(count, now)
        if self._load.running:
            self.send(count, now)

    def _record(self, count: int, now: float) -> None:
        self._load.operations += count
        pending = self._pending
        latencies = self._load.latencies
        while count:
            sent, waiting = pending[0]
            if waiting > count:
                pending[0] = Latency(sent, waiting - count)
                waiting = count
            else:
                pending.popleft()
            latencies.append(Latency(now - sent, waiting))
            count -= waiting


class EchoLoad(ExchangeLoad):
    """Some connections, each with a window of messages in flight."""

    def __init__(
        self,
        address: Address,
        messages: Messages,
        *,
        connections: int,
        rate: float | None = None,
    ) -> None:
        super().__init__(address, rate=rate)
        self._messages = messages
        self._connections = connections

    @override
    def connect(self) -> list[_EchoClient]:
        """Connect, and check one echo byte for byte on each connection."""
        return [
            _EchoClient(self, self._messages, opened, rest)
            for opened, rest in self.open_sessions(self._connections)
        ]

    def open_sessions(self, count: int) -> list[tuple[socket.socket, bytes]]:
        """Open that many WebSockets; also return what has come on each since."""
        return [open_websocket(self.address) for _ in range(count)]
