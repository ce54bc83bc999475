"""The opening request of a WebSocket, checked: RFC 6455, section 4.2.1.

The request has been read; this takes what matters out of its headers, once.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final, NamedTuple

from txengineio.checks import is_token
from txengineio.errors import Refusal
from txengineio.server.web.headers import header_lines
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["BadOpening", "OpeningRequest", "opening_response", "wants_websocket"]

_VERSIONS: Final = ("13", "8")
_NAMES: Final = (
    "connection",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
)
# Sixteen bytes in base64.
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadOpening(Refusal):
    """A request asks for a WebSocket in a way that RFC 6455 does not allow.

    Args:
        message: What is wrong with it.
        status: The HTTP status of the answer.
        headers: Headers that the answer must have.
    """

    def __init__(
        self, message: str, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(
            message,
            status=status,
            headers={"Content-Type": "text/plain; charset=UTF-8", **(headers or {})},
            body=message.encode(),
        )


def _tokens(text: str) -> list[str]:
    return [token.strip() for token in text.split(",")] if text.strip() else []


@lru_cache(maxsize=16)
def _names_upgrade(connection: str) -> bool:
    """Whether ``upgrade`` is among the options of a connection.

    There are few kinds of clients, and each sends the same with every request.
    """
    return "upgrade" in map(str.lower, _tokens(connection))


def wants_websocket(request: IncomingRequest) -> bool:
    """Whether a request asks to become a WebSocket.

    A request that asks for another protocol (some clients offer ``h2c`` on each GET) is
    plain HTTP.
    """
    upgrade = request.upgrade
    return upgrade == b"websocket" or (
        b"websocket" in upgrade
        and b"websocket" in [each.strip() for each in upgrade.split(b",")]
    )


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
    def of(cls, request: IncomingRequest) -> OpeningRequest:
        """Read a request.

        Raises:
            BadOpening: It breaks a rule.
        """
        if request.method != b"GET":
            raise BadOpening("Invalid HTTP method", 405, {"Allow": "GET"})
        if request.version != b"HTTP/1.1":
            raise BadOpening("HTTP Version Not Supported", 505)
        values = request.select_headers(_NAMES)
        keys = values["sec-websocket-key"]
        key = keys[0].strip() if len(keys) == 1 else ""
        if not _KEY.fullmatch(key):
            raise BadOpening("Missing or invalid Sec-WebSocket-Key header")
        versions = values["sec-websocket-version"]
        if len(versions) != 1 or versions[0].strip() not in _VERSIONS:
            raise BadOpening(
                "Missing or invalid Sec-WebSocket-Version header",
                headers={"Sec-WebSocket-Version": "13, 8"},
            )
        if not _names_upgrade(",".join(values["connection"])):
            raise BadOpening("Invalid Connection header")
        offered = values["sec-websocket-protocol"]
        subprotocols = _tokens(",".join(offered)) if offered else []
        if subprotocols and not _are_unique_tokens(subprotocols):
            raise BadOpening("Invalid Sec-WebSocket-Protocol header")
        return cls(
            key=key,
            version=int(versions[0]),
            subprotocols=subprotocols,
            extensions=", ".join(values["sec-websocket-extensions"]),
        )


def _are_unique_tokens(names: list[str]) -> bool:
    return len(set(names)) == len(names) and all(map(is_token, names))


def opening_response(opening: OpeningRequest, headers: Mapping[str, Any]) -> bytes:
    """Return the answer that accepts a WebSocket: RFC 6455, section 4.2.2.

    Args:
        opening: The request.
        headers: More headers; a list of values makes as many lines.
    """
    accept = b64encode(sha1(opening.key.encode() + _GUID).digest()).decode()
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    )
    if opening.subprotocols:
        head += f"Sec-WebSocket-Protocol: {opening.subprotocols[0]}\r\n"
    for name, value in headers.items():
        head += "".join(f"{name}: {line}\r\n" for line in header_lines(value))
    return f"{head}\r\n".encode()
