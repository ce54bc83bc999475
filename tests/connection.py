"""Connections in memory, from the client's end, and the HTTP that goes over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocolFactory
from twisted.python.failure import Failure

from txengineio.testing import MemoryTransport

__all__ = ["SEPARATOR", "Connection", "Exchange", "Response", "make_request"]

SEPARATOR: Final = "\x1e"


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
