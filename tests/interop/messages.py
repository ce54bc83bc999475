"""Messages that every client has to get through a session unchanged."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

__all__ = ["ECHOES", "LARGE", "LARGE_LIMIT", "digest"]

LARGE = 900_000
LARGE_LIMIT = 1_250_000
"""`LARGE` bytes in base64, which polling makes of binary, are more than the default."""

_TEXT = ["hello", "4", "b", "é" * 150_000, "bAQID", "2probe", "a\nb\r\nc\\n", "!"]
_MULTI_BYTE = [
    "héllo wörld",
    "石室詩士施氏",
    "嗜獅",
    "誓食十獅",
    "😀 🏳️‍🌈 𝄞",
    "😀" * 50_000,
    "\0\u2028\u2029\uffff\U0010ffff",
]
_BINARY: list[str | bytes] = [
    bytes(range(256)),
    b"\0\1\2\3\4",
    b"",
    b"\x1e4\xff",
    "text in between",
    b"\0",
]


def _plain(message: str | bytes) -> object:
    return {"binary": message.hex()} if isinstance(message, bytes) else message


ECHOES: dict[str, list[object]] = {
    "text": [_plain(message) for message in _TEXT],
    "multi_byte": [_plain(message) for message in _MULTI_BYTE],
    "empty": ["before", "", "", "after"],
    "binary": [_plain(message) for message in _BINARY],
}
"""Messages by what is special about them, as JSON: binary is ``{"binary": hex}``."""


def digest(message: str | bytes) -> dict[str, Any]:
    """What client programs print of a message that is too large to print."""
    content = message.encode() if isinstance(message, str) else message
    kind = "text" if isinstance(message, str) else "binary"
    return {
        "kind": kind,
        "length": len(content),
        "sha256": sha256(content).hexdigest(),
    }
