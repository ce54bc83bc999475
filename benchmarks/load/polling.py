"""Long-polling on kept connections: a POST, then GETs until its echo is there."""

import socket
from collections.abc import Sequence
from itertools import cycle
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.figures import Latency
from benchmarks.load.base import ExchangeLoad
from benchmarks.load.loop import Address, Connection, LoadError, unexpected_end
from benchmarks.load.sessions import open_polling

_OK = 200


class _PollingClient:
    """One session, one request at a time."""

    __slots__ = (
        "_bytes",
        "_connection",
        "_exchanges",
        "_expected",
        "_load",
        "_poll",
        "_polled",
        "_posting",
        "_sent_at",
        "busy",
    )

    def __init__(
        self,
        load: "PollingLoad",
        payloads: Sequence[bytes],
        opened: socket.socket,
        sid: str,
    ) -> None:
        host = str(load.address)
        self.busy = False
        self._connection = Connection(load.loop, opened, self._received, unexpected_end)
        self._bytes = b""
        self._exchanges = cycle(
            [(frames.post_request(host, sid, payload), payload) for payload in payloads]
        )
        self._expected = b""
        self._load = load
        self._poll = frames.poll_request(host, sid)
        self._polled = b""
        self._posting = False
        self._sent_at = 0.0

    def begin(self) -> None:
        """Send the POST."""
        self.busy = True
        self._posting = True
        self._polled = b""
        post, self._expected = next(self._exchanges)
        self._sent_at = perf_counter()
        self._connection.send(post)

    def _received(self, data: bytes) -> None:
        parsed = frames.parse_response(self._bytes + data)
        if parsed is None:
            self._bytes += data
            return
        response, self._bytes = parsed
        if response.status != _OK:
            raise LoadError(f"{response.status} {response.body!r}")
        if self._posting:
            self._posting = False
            self._connection.send(self._poll)
        else:
            self._answered(response.body)

    def _answered(self, body: bytes) -> None:
        separator = frames.RECORD_SEPARATOR.encode()
        self._polled += separator + body if self._polled else body
        if len(self._polled) < len(self._expected):
            self._connection.send(self._poll)
            return
        if self._polled != self._expected:
            raise LoadError(f"not the echo: {self._polled[:200]!r}")
        self.busy = False
        self._load.operations += 1
        self._load.latencies.append(Latency(perf_counter() - self._sent_at, 1))
        if self._load.running:
            self.begin()


class PollingLoad(ExchangeLoad):
    """Some polling sessions, each with one exchange under way."""

    def __init__(
        self,
        address: Address,
        *,
        clients: int,
        messages: int,
        size: int,
        rate: float | None = None,
    ) -> None:
        super().__init__(address, rate=rate)
        self._count = clients
        # Not always the same: what is remembered of a request is not all of the next.
        self._payloads = [
            frames.payload_of(
                [frames.message_text(length, number) for number in range(messages)]
            )
            for length in (size, size - 1)
        ]

    @override
    def connect(self) -> list[_PollingClient]:
        """Open the sessions."""
        return [
            _PollingClient(self, self._payloads, opened, sid)
            for opened, sid in self.open_sessions(self._count)
        ]

    def open_sessions(self, count: int) -> list[tuple[socket.socket, str]]:
        """Open that many sessions, each on a connection of its own."""
        return [open_polling(self.address) for _ in range(count)]
