"""WebSocket frames, made and read by other means than the server's."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "frame_size",
    "make_frame",
    "parse_frames",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA


def make_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length_bytes: int | None = None,
) -> bytes:
    """Return a frame's bytes.

    Args:
        mask: Four bytes, or None for a frame that is not masked.
        length_bytes: 0, 2 or 8 to have the length in that form, be it the right one.
    """
    length = len(payload)
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length <= 0xFFFF else 8
    short = {0: length, 2: 126, 8: 127}[length_bytes]
    header = bytes(
        (
            (0x80 if fin else 0) | rsv << 4 | opcode,
            (0 if mask is None else 0x80) | short,
        )
    )
    extended = length.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return header + extended + payload
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return header + extended + mask + masked


def parse_frames(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return a server's complete frames as (opcode, payload), and their size."""
    frames, position = [], 0
    while len(data) - position >= 2:
        first, length = data[position], data[position + 1]
        start = position + 2
        assert length < 0x80, "a server must not mask"
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(data[start : start + width], "big")
            start += width
        if len(data) < start + length:
            break
        assert first & 0x80, "fragmented"
        frames.append((first & 0x7F, data[start : start + length]))
        position = start + length
    return frames, position


def frame_size(payload: bytes) -> int:
    """Return the size of a server's frame with this payload."""
    length = len(payload)
    return length + (2 if length < 126 else 4 if length <= 0xFFFF else 10)
