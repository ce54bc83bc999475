"""Making WebSocket frames, and reading the most frequent kind of all.

Spec: RFC 6455, section 5.2 "Base Framing Protocol".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from struct import Struct
from typing import Final

from txengineio.websocket.heads import (
    BINARY,
    LENGTH_16,
    LENGTH_64,
    LONGEST_KEY,
    MASK_WIDTH,
    MASKED,
    MAX_16,
    PONG,
    TEXT,
)
from txengineio.websocket.masking import apply_mask, from_bytes

__all__ = [
    "GOODBYES",
    "encode_frame",
    "encode_masked_frame",
    "encode_text",
    "lone_masked_text",
    "pong_frame",
]

_MASKED_HEAD: Final = 2 + MASK_WIDTH
_PONG: Final = bytes((PONG,))

_TEXT_HEADERS: Final = [bytes((TEXT, length)) for length in range(LENGTH_16)]
_BINARY_HEADERS: Final = [bytes((BINARY, length)) for length in range(LENGTH_16)]
_MASKED_TEXT_HEADERS: Final = [
    bytes((TEXT, MASKED | length)) for length in range(LENGTH_16)
]
_MASKED_BINARY_HEADERS: Final = [
    bytes((BINARY, MASKED | length)) for length in range(LENGTH_16)
]

GOODBYES: Final[Mapping[int | None, bytes]] = {
    None: b"\x88\x00",
    # Normal closure, and going away: section 7.4.1.
    1000: b"\x88\x02\x03\xe8",
    1001: b"\x88\x02\x03\xe9",
}
"""A server's close frames with the codes with which nearly every WebSocket ends."""

_MASKS: Final = Struct(f"{MASK_WIDTH}s" * 256)

_masks: list[bytes] = []
"""Masks that are drawn and not used yet.

Each frame has a new one that nobody can predict: RFC 6455, section 10.3. They are drawn
by the hundred, as each time is a system call.
"""

if hasattr(os, "register_at_fork"):
    # What one process sends must not tell the masks of another.
    os.register_at_fork(after_in_child=_masks.clear)


def encode_frame(content: str | bytes) -> bytes:
    """Return a server's frame: text for str, binary for bytes, never masked."""
    if type(content) is str:
        try:
            payload = content.encode()
        except UnicodeEncodeError:
            payload = _replace_surrogates(content)
        headers, opcode = _TEXT_HEADERS, TEXT
    else:
        payload = content  # type: ignore[assignment]  # bytes, as the type says
        headers, opcode = _BINARY_HEADERS, BINARY
    length = len(payload)
    if length < LENGTH_16:
        return headers[length] + payload
    if length <= MAX_16:
        return bytes((opcode, LENGTH_16, length >> 8, length & 0xFF)) + payload
    return bytes((opcode, LENGTH_64)) + length.to_bytes(8, "big") + payload


def encode_masked_frame(content: str | bytes) -> bytes:
    """Return a client's frame: text for str, binary for bytes, masked."""
    if type(content) is str:
        try:
            payload = content.encode()
        except UnicodeEncodeError:
            payload = _replace_surrogates(content)
        headers, opcode = _MASKED_TEXT_HEADERS, TEXT
    else:
        payload = content  # type: ignore[assignment]  # bytes, as the type says
        headers, opcode = _MASKED_BINARY_HEADERS, BINARY
    length = len(payload)
    if not _masks:
        _masks.extend(_MASKS.unpack(os.urandom(_MASKS.size)))
    mask = _masks.pop()
    if length < LENGTH_16:
        # As in `apply_mask`: a call more would cost as much as the rest.
        number = from_bytes(payload, "little")
        number ^= from_bytes((mask * LONGEST_KEY)[:length], "little")
        return headers[length] + mask + number.to_bytes(length, "little")
    if length <= MAX_16:
        header = bytes((opcode, MASKED | LENGTH_16)) + length.to_bytes(2, "big")
    else:
        header = bytes((opcode, MASKED | LENGTH_64)) + length.to_bytes(8, "big")
    return b"".join((header, mask, apply_mask(payload, mask, length)))


def lone_masked_text(data: bytes, limit: int) -> str | None:
    """Return the text in a client's frame, if that is short and all that has come.

    This is what comes from a client that has one message under way at a time.

    Args:
        data: What has come, from the beginning of a frame on.
        limit: Bytes that the text may have.

    Returns:
        The text; None if there is anything else about the frame.
    """
    length = len(data) - _MASKED_HEAD
    if (
        length < 1
        or length >= LENGTH_16
        or data[1] != MASKED | length
        or data[0] != TEXT
        or length > limit
    ):
        return None
    # As in `apply_mask`: a call more would cost as much as the rest.
    number = from_bytes(data[_MASKED_HEAD:], "little")
    key = (data[2:_MASKED_HEAD] * LONGEST_KEY)[:length]
    number ^= from_bytes(key, "little")
    try:
        return number.to_bytes(length, "little").decode()
    except UnicodeDecodeError:
        return None


def encode_text(text: str) -> bytes:
    """Return UTF-8; a surrogate without its other half becomes U+FFFD.

    Section 8.1 allows nothing else, and Python keeps surrogates in its strings.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _replace_surrogates(text)


def _replace_surrogates(text: str) -> bytes:
    units = text.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").encode()


def pong_frame(frame: bytes) -> bytes:
    """Return the frame of a pong, made of a binary frame with the same payload."""
    return _PONG + frame[1:]
