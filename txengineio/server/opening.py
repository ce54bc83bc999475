"""The opening request of a WebSocket, checked: RFC 6455, section 4.2.1.

Twisted has parsed the request; this reads what matters out of it once.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final, NamedTuple

from twisted.web.http import Request
from twisted.web.http_headers import Headers

from txengineio.server.headers import header_lines, received

__all__ = ["BadOpening", "OpeningRequest", "opening_response", "wants_websocket"]

_VERSIONS: Final = ("13", "8")
# Sixteen bytes in base64.
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN: Final = frozenset(
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


class BadOpening(Exception):
    """A request asks for a WebSocket in a way that RFC 6455 does not allow.

    Args:
        message: What is wrong with it.
        status: The HTTP status of the answer.
        headers: Headers that the answer must have.
    """

    def __init__(
        self, message: str, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = headers or {}


def _tokens(headers: Headers, name: str) -> list[str]:
    text = ",".join(received(headers, name)).strip()
    return [token.strip() for token in text.split(",")] if text else []


def wants_websocket(request: Request) -> bool:
    """Whether a request asks to become a WebSocket.

    A request that asks for another protocol (some clients offer ``h2c`` on each GET) is
    plain HTTP.
    """
    headers: Headers = request.requestHeaders
    if not headers.hasHeader(b"Upgrade"):
        return False
    upgrades = _tokens(headers, "Upgrade")
    return "websocket" in upgrades or "websocket" in map(str.lower, upgrades)


class OpeningRequest(NamedTuple):
    """What a client's opening request asks for.

    Attributes:
        key: Its ``Sec-WebSocket-Key``.
        version: Its ``Sec-WebSocket-Version``: 13, or 8, which differs in nothing here.
        subprotocols: The subprotocols that it offers.
        extensions: Its ``Sec-WebSocket-Extensions``, or an empty string.
    """

    key: str
    version: int
    subprotocols: list[str]
    extensions: str

    @classmethod
    def of(cls, request: Request) -> OpeningRequest:
        """Read a request.

        Raises:
            BadOpening: It breaks a rule.
        """
        headers: Headers = request.requestHeaders
        if request.method != b"GET":
            raise BadOpening("Invalid HTTP method", 405, {"Allow": "GET"})
        if request.clientproto != b"HTTP/1.1":
            raise BadOpening("HTTP Version Not Supported", 505)
        keys = received(headers, "Sec-WebSocket-Key")
        if len(keys) != 1 or not _KEY.fullmatch(keys[0].strip()):
            raise BadOpening("Missing or invalid Sec-WebSocket-Key header")
        versions = received(headers, "Sec-WebSocket-Version")
        if len(versions) != 1 or versions[0].strip() not in _VERSIONS:
            raise BadOpening(
                "Missing or invalid Sec-WebSocket-Version header",
                headers={"Sec-WebSocket-Version": "13, 8"},
            )
        if "upgrade" not in map(str.lower, _tokens(headers, "Connection")):
            raise BadOpening("Invalid Connection header")
        subprotocols = _tokens(headers, "Sec-WebSocket-Protocol")
        if subprotocols and not _are_unique_tokens(subprotocols):
            raise BadOpening("Invalid Sec-WebSocket-Protocol header")
        return cls(
            key=keys[0].strip(),
            version=int(versions[0]),
            subprotocols=subprotocols,
            extensions=", ".join(received(headers, "Sec-WebSocket-Extensions")),
        )


def _are_unique_tokens(names: list[str]) -> bool:
    unique = set(names)
    return len(unique) == len(names) and all(
        name and set(name) <= _TOKEN for name in unique
    )


def opening_response(opening: OpeningRequest, headers: Mapping[str, Any]) -> bytes:
    """Return the answer that accepts a WebSocket: RFC 6455, section 4.2.2.

    Args:
        opening: The request.
        headers: More headers; a list of values makes as many lines.
    """
    accept = b64encode(sha1(opening.key.encode() + _GUID).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket"]
    lines += ["Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    if opening.subprotocols:
        lines.append(f"Sec-WebSocket-Protocol: {opening.subprotocols[0]}")
    for name, value in headers.items():
        lines += [f"{name}: {line}" for line in header_lines(value)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
