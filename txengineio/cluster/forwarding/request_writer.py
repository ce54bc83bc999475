"""A request that was read here, written for the node that answers it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from twisted.web.http_headers import Headers

from txengineio.server.transports.opening import wants_websocket
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.request_parser import ReceivedHeaders

__all__ = ["asks_for_tunnel", "write_request", "write_unfinished"]

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[!-~\x80-\xff]+")

_OF_THIS_CONNECTION: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that are about the client's connection, or about how its body came: RFC 9110,
section 7.6.1.

Those that its ``Connection`` names go on: to the client both nodes are one server,
which reads them. Else it could strip what a proxy has added: ``X-Forwarded-For``.
"""

_REMEMBERED: Final = 256
"""Heads that are remembered."""

_CONNECTION: Final = b"Connection: Upgrade\r\n"
_UPGRADE: Final = b"Upgrade: websocket\r\n"


def asks_for_tunnel(request: IncomingRequest) -> bool:
    """Whether the answer may be a WebSocket, and the connection one then."""
    return (
        wants_websocket(request)
        # RFC 9110, section 7.8: HTTP/1.0 knows no upgrade.
        and request.version == b"HTTP/1.1"
        and request.can_take_over()
    )


def _asks_in_vain(request: IncomingRequest) -> bool:
    """Whether it asks for a WebSocket, and is refused as HTTP/1.0 knows no upgrade."""
    return request.version == b"HTTP/1.0" and wants_websocket(request)


def write_request(request: IncomingRequest) -> bytes:
    """Return a request, which is complete, as bytes of HTTP.

    Raises:
        ValueError: Its first line would not be read there as it was read here.
    """
    body = request.read_body()
    has_body = body or request.method == b"POST"
    return _write_head(request, len(body) if has_body else None) + body


def write_unfinished(request: IncomingRequest) -> bytes:
    """Return a request whose body will never be complete: without any of it.

    Its head says that there is one, as long as that of the request says.

    Raises:
        ValueError: As `write_request`.
    """
    length, *_ = request.header_values(b"Content-Length") or [b"1"]
    return _write_head(request, int(length))


def _write_head(request: IncomingRequest, length: int | None) -> bytes:
    if not _METHOD.fullmatch(request.method) or not _TARGET.fullmatch(request.uri):
        raise ValueError(f"the first line of {request.method!r} {request.uri!r}")
    lines = request.header_lines
    in_vain = _asks_in_vain(request)
    return b"%b %b %b\r\n%b%b%b\r\n" % (
        request.method,
        request.uri,
        # Else the other node takes 1.0 for 1.1: between nodes connections are kept.
        request.version if in_vain else b"HTTP/1.1",
        _write_fields(request.copy_headers()) if lines is None else _as_sent(lines),
        _write_upgrade(request) if in_vain or asks_for_tunnel(request) else b"",
        b"" if length is None else b"Content-Length: %d\r\n" % length,
    )


def _write_upgrade(request: IncomingRequest) -> bytes:
    """Ask for a WebSocket no better than the client: RFC 6455, section 4.2.1."""
    tokens = b",".join(request.header_values(b"Connection")).lower().split(b",")
    is_named = b"upgrade" in [each.strip() for each in tokens]
    return _CONNECTION + _UPGRADE if is_named else _UPGRADE


@lru_cache(_REMEMBERED)
def _as_sent(lines: bytes) -> bytes:
    """Return the headers to send for those that came: most clients repeat theirs."""
    return _write_fields(ReceivedHeaders(lines))


def _write_fields(headers: Headers) -> bytes:
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, values in headers.getAllRawHeaders()
        if name.lower() not in _OF_THIS_CONNECTION
        # HTTP/1.0 may have two hosts, and HTTP/1.1 not. Twisted takes the last one.
        for value in (values[-1:] if name.lower() == b"host" else values)
    ]
    if not headers.hasHeader(b"Host"):
        # HTTP/1.0 does without.
        lines.append(b"Host: \r\n")
    return b"".join(lines)
