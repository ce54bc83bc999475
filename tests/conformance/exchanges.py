"""HTTP/1.1 as bytes: requests as a client writes them, responses as it reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Headers", "Response", "parse_response", "write_request"]

Headers = Mapping[str, str] | Sequence[tuple[str, str]]

_NO_BODY = {101, 204, 304}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response that has arrived whole."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the value of a header that must not be there twice."""
        values = self.all(name)
        assert len(values) <= 1, self.headers
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        assert self.header("Content-Type") == "application/json"
        return json.loads(self.body)


def write_request(
    method: str, target: str, headers: Headers = (), body: bytes | None = None
) -> bytes:
    """Return a request; with a body it has a Content-Length unless it has chunks."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", "localhost"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {text}" for name, text in pairs),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def parse_response(
    data: bytes, *, to_head: bool = False
) -> tuple[Response | None, bytes]:
    """Return the first response of what a server sent, and what follows it.

    Args:
        data: What was received.
        to_head: Whether it answers a HEAD request.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None, data
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    assert version == "HTTP/1.1", first
    pairs = [line.partition(":") for line in lines]
    headers = [(name, value.strip()) for name, _, value in pairs]
    response = Response(status=int(status), headers=headers, body=b"")
    body: bytes | None
    if to_head or response.status in _NO_BODY:
        body = b""
    elif response.header("Transfer-Encoding") == "chunked":
        body, rest = _parse_chunks(rest)
    else:
        size = int(response.header("Content-Length") or 0)
        body, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, rest)
    if body is None:
        return None, data
    return Response(status=response.status, headers=headers, body=body), rest


def _parse_chunks(data: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        line, separator, data = data.partition(b"\r\n")
        if not separator:
            return None, data
        size = int(line, 16)
        if len(data) < size + 2:
            return None, data
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, data
