"""What costs a server the most time for its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FLOODS", "OPENING", "Flood", "handshake"]


def handshake(transport: str, **headers: str) -> bytes:
    """Return the request that opens a session."""
    lines = [f"GET /engine.io/?EIO=4&transport={transport} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


OPENING: Final = handshake(
    "websocket",
    Upgrade="websocket",
    Connection="Upgrade",
    Sec_WebSocket_Version="13",
    Sec_WebSocket_Key="c2l4dGVlbiBieXRlcyBvaw==",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Bytes that are sent again and again.

    Attributes:
        data: The bytes.
        is_websocket: Whether they are sent on an open WebSocket.
    """

    data: bytes
    is_websocket: bool = True


def frames(*frames: bytes, size: int = 128_000) -> bytes:
    """Repeat frames; their masks are zeros."""
    data = b"".join(frame[:2] + b"\0\0\0\0" + frame[2:] for frame in frames)
    return data * (size // len(data))


_PING = b"\x89\x80"
_NOOP = b"\x81\x816"
_REFUSED = b"POST /engine.io/?EIO=4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
_PAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

FLOODS: Final = {
    "pings": Flood(data=frames(_PING)),
    "fragments": Flood(data=frames(b"\x01\x814", b"\x80\x81a")),
    "messages": Flood(data=frames(b"\x81\x824a")),
    "pings and noops": Flood(data=frames(_PING, _NOOP)),
    "GETs": Flood(data=handshake("polling") * 1500, is_websocket=False),
    "POSTs": Flood(data=_REFUSED * 2000, is_websocket=False),
    "pages": Flood(
        data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4000, is_websocket=False
    ),
}
