"""A request that was read here, written for the node that answers it."""

from __future__ import annotations

import re
from typing import Final

from txengineio.server.transports.opening import wants_websocket
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.request_parser import OF_THE_CONNECTION

__all__ = ["asks_for_tunnel", "write_request", "write_unfinished"]

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[!-~\x80-\xff]+")

_HTTP: Final = b"HTTP/1.1"
_CONNECTION: Final = b"\r\nConnection: Upgrade"
_UPGRADE: Final = b"\r\nUpgrade: websocket"


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
    length = len(body) if has_body else None
    if request.is_plain:
        return _write_head(request, _HTTP, b"", length) + body
    # Else the other node takes 1.0 for 1.1: between nodes connections are kept.
    in_vain = _asks_in_vain(request)
    version = request.version if in_vain else _HTTP
    upgrade = _write_upgrade(request, in_vain)
    return _write_head(request, version, upgrade, length) + body


def write_unfinished(request: IncomingRequest) -> bytes:
    """Return a request whose body will never be complete: without any of it.

    Its head says that there is one, as long as that of the request says.

    Raises:
        ValueError: As `write_request`.
    """
    length, *_ = request.header_values(b"Content-Length") or [b"1"]
    # A POST goes to no session if it asks for a WebSocket, however it does. Its version
    # is not known before its end.
    upgrade = _UPGRADE if wants_websocket(request) else b""
    return _write_head(request, _HTTP, upgrade, int(length))


def _write_head(
    request: IncomingRequest, version: bytes, upgrade: bytes, length: int | None
) -> bytes:
    received = request.received_fields
    if not _METHOD.fullmatch(request.method) or not _TARGET.fullmatch(request.uri):
        raise ValueError(f"the first line of {request.method!r} {request.uri!r}")
    return b"%b %b %b%b%b%b\r\n\r\n" % (
        request.method,
        request.uri,
        version,
        _fields(request) if received is None else received.end_to_end(),
        upgrade,
        b"" if length is None else b"\r\nContent-Length: %d" % length,
    )


def _write_upgrade(request: IncomingRequest, in_vain: bool) -> bytes:
    """Ask for a WebSocket no better than the client: RFC 6455, section 4.2.1."""
    if not in_vain and not asks_for_tunnel(request):
        return b""
    tokens = b",".join(request.header_values(b"Connection")).lower().split(b",")
    is_named = b"upgrade" in [each.strip() for each in tokens]
    return _CONNECTION + _UPGRADE if is_named else _UPGRADE


def _fields(request: IncomingRequest) -> bytes:
    headers = request.copy_headers()
    lines = [
        b"\r\n%b: %b" % (name, value)
        for name, values in headers.getAllRawHeaders()
        if name.lower() not in OF_THE_CONNECTION
        # HTTP/1.0 may have two hosts, and HTTP/1.1 not. Twisted takes the last one.
        for value in (values[-1:] if name.lower() == b"host" else values)
    ]
    if not headers.hasHeader(b"Host"):
        # HTTP/1.0 does without.
        lines.append(b"\r\nHost: ")
    return b"".join(lines)
