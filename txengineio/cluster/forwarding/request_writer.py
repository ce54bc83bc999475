"""A request that was read here, written for the node that answers it."""

from __future__ import annotations

import re
from typing import Final

from twisted.web.http_headers import Headers

from txengineio.server.transports.opening import wants_websocket
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["asks_for_tunnel", "write_request"]

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
section 7.6.1."""

_UPGRADE: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def asks_for_tunnel(request: IncomingRequest) -> bool:
    """Whether the answer may be a WebSocket, and the connection one then."""
    return (
        wants_websocket(request)
        # RFC 9110, section 7.8: HTTP/1.0 knows no upgrade.
        and request.version == b"HTTP/1.1"
        and request.can_take_over()
    )


def write_request(request: IncomingRequest) -> bytes:
    """Return a request, which is complete, as bytes of HTTP/1.1.

    Raises:
        ValueError: Its first line would not be read there as it was read here.
    """
    if not _METHOD.fullmatch(request.method) or not _TARGET.fullmatch(request.uri):
        raise ValueError(f"the first line of {request.method!r} {request.uri!r}")
    headers = request.copy_headers()
    dropped = _OF_THIS_CONNECTION | _named_by_connection(headers)
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.uri)]
    lines += [
        b"%b: %b\r\n" % (name, value)
        for name, values in headers.getAllRawHeaders()
        if name.lower() not in dropped
        for value in values
    ]
    if not headers.hasHeader(b"Host"):
        # HTTP/1.0 does without.
        lines.append(b"Host: \r\n")
    if asks_for_tunnel(request):
        lines.append(_UPGRADE)
    body = request.read_body()
    if body or request.method == b"POST":
        lines.append(b"Content-Length: %d\r\n" % len(body))
    return b"".join([*lines, b"\r\n", body])


def _named_by_connection(headers: Headers) -> set[bytes]:
    values = headers.getRawHeaders(b"Connection", ())
    return {each.strip().lower() for each in b",".join(values).split(b",")}
