"""Connections in memory, from the client's end, and the HTTP that goes over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = [
    "SEPARATOR",
    "Connection",
    "Exchange",
    "MemoryTransport",
    "Response",
    "make_request",
]

SEPARATOR: Final = "\x1e"


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """The server's end of a TCP connection.

    As a real one it takes everything that is written, tells its producer to pause when
    the peer does not read, and reports the connection's end only later.
    """

    BUFFER_SIZE: int = 65536

    protocol: IProtocol

    def __init__(self) -> None:
        self.reading = True
        self.disconnecting = False
        self.was_aborted = False
        self.disconnected: Failure | None = None
        self.peer_reads = True
        self.writes: list[bytes] = []
        self.producer: Any = None
        self._backlog = b""
        self._incoming = b""

    # ITransport and IConsumer

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        if self.disconnecting or self.disconnected is not None or not data:
            return
        if self.peer_reads:
            self.writes.append(data)
            return
        self._backlog += data
        if len(self._backlog) > self.BUFFER_SIZE and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self.reading = False

    def abortConnection(self) -> None:
        if self.disconnected is None:
            self.was_aborted = True
            self.disconnected = Failure(ConnectionAborted())

    def getPeer(self) -> IAddress:
        return IPv4Address("TCP", "192.0.2.1", 54321)

    def getHost(self) -> IAddress:
        # As a socket's, which is closed by then.
        assert not self.is_reported
        return IPv4Address("TCP", "192.0.2.2", 80)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if self.producer is not None:
            raise RuntimeError("there is a producer already")
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    # IPushProducer

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        if not self.disconnecting:
            self.reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    # for the client's end

    def stop_reading(self) -> None:
        """Let the peer read nothing any more."""
        self.peer_reads = False

    def start_reading(self) -> None:
        """Let the peer read all that was kept back."""
        self.peer_reads = True
        if self._backlog:
            self.writes.append(self._backlog)
            self._backlog = b""
        if self.producer is not None:
            self.producer.resumeProducing()

    @property
    def is_reported(self) -> bool:
        """Whether the connection is over, and the protocol knows."""
        return self.disconnected is _REPORTED

    def is_read(self) -> bool:
        """Whether the server reads what the client sends."""
        return self.reading

    def deliver(self, data: bytes = b"") -> None:
        """Let the server receive what was sent, unless it does not read now."""
        self._incoming += data
        if self.reading and self._incoming and self.disconnected is None:
            incoming, self._incoming = self._incoming, b""
            self.protocol.dataReceived(incoming)

    def settle(self) -> bool:
        """Report what happens only later; say whether anything did."""
        if self.reading and self._incoming and self.disconnected is None:
            self.deliver()
            return True
        if self.disconnected is None and self.disconnecting and not self._backlog:
            self.disconnected = Failure(ConnectionDone())
        if self.disconnected is None or self.disconnected is _REPORTED:
            return False
        reason, self.disconnected = self.disconnected, _REPORTED
        if self.producer is not None:
            producer, self.producer = self.producer, None
            producer.stopProducing()
        self.protocol.connectionLost(reason)
        return True


_REPORTED: Final = Failure(ConnectionDone())


class Connection:
    """The client's end of a connection."""

    def __init__(self, factory: IProtocolFactory, settle: Callable[[], None]) -> None:
        self._settle = settle
        self.transport = MemoryTransport()
        self._taken = 0
        self.exchanges: list[Exchange] = []
        address = self.transport.getPeer()
        protocol = factory.buildProtocol(address)
        assert protocol is not None
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed it, or has been told that it is lost."""
        self._settle()
        return self.transport.disconnected is not None

    @property
    def was_reset(self) -> bool:
        """Whether the server dropped it rather than closing it."""
        return self.transport.was_aborted

    def send(self, *pieces: bytes) -> None:
        """Send bytes; each piece is received on its own."""
        for piece in pieces:
            self.transport.deliver(piece)
            self._settle()

    def lose(self) -> None:
        """Break the connection from the client's side."""
        if self.transport.disconnected is None:
            self.transport.disconnected = Failure(ConnectionLost())
        self._settle()

    def peek(self) -> bytes:
        """Return what was received and not taken."""
        return b"".join(self.transport.writes)[self._taken :]

    def take(self, size: int | None = None) -> bytes:
        """Return, and remove, what was received."""
        data = self.peek()[:size]
        self._taken += len(data)
        return data

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        version: str = "HTTP/1.1",
    ) -> Exchange:
        """Send a request behind those that were sent before."""
        exchange = self.expect(method)
        self.send(make_request(method, target, body, headers, version))
        return exchange

    def expect(self, method: str = "GET") -> Exchange:
        """Announce that the answer to one more request will come."""
        exchange = Exchange(connection=self, method=method)
        self.exchanges.append(exchange)
        return exchange

    def read_responses(self) -> None:
        for exchange in self.exchanges:
            if exchange.response is not None:
                continue
            parsed = parse_response(
                self.peek(), is_head=exchange.method == "HEAD", is_over=self.is_closed
            )
            if parsed is None:
                return
            exchange.response, size = parsed
            self.take(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer.

    Attributes:
        headers: Names as they were sent, and values.
    """

    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def packets(self) -> list[str]:
        return self.text.split(SEPARATOR)

    @property
    def json(self) -> Any:
        assert self.header("Content-Type") == "application/json"
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """A request, and what came back for it."""

    connection: Connection
    method: str
    response: Response | None = None

    @property
    def answer(self) -> Response:
        """The answer; there must be one."""
        self.connection.read_responses()
        assert self.response is not None, "not answered"
        return self.response

    @property
    def is_pending(self) -> bool:
        self.connection.read_responses()
        return self.response is None

    def abort(self) -> None:
        self.connection.lose()


def make_request(
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """Return a request's bytes."""
    lines = [f"{method} {target} {version}"]
    fields = {"Host": "test.example"}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    fields |= headers or {}
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def parse_response(
    data: bytes, *, is_head: bool = False, is_over: bool = False
) -> tuple[Response, int] | None:
    """Return the answer that ``data`` begins with and its size; None if more is due."""
    head, separator, _ = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = status_line.split(" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    start = len(head) + 4
    response = Response(version=version, status=int(status), headers=headers, body=b"")
    if is_head or response.status in (101, 304):
        return response, start
    body: bytes | None
    if response.header("Transfer-Encoding") == "chunked":
        body, size = _parse_chunks(data[start:])
    elif (length := response.header("Content-Length")) is not None:
        size = int(length)
        body = data[start : start + size] if len(data) >= start + size else None
    else:
        body, size = (data[start:] if is_over else None), len(data) - start
    if body is None:
        return None
    response = Response(version=version, status=int(status), headers=headers, body=body)
    return response, start + size


def _parse_chunks(data: bytes) -> tuple[bytes | None, int]:
    body, position = b"", 0
    while True:
        line, separator, _ = data[position:].partition(b"\r\n")
        if not separator:
            return None, 0
        size = int(line, 16)
        start = position + len(line) + 2
        if len(data) < start + size + 2:
            return None, 0
        body += data[start : start + size]
        position = start + size + 2
        if size == 0:
            return body, position
