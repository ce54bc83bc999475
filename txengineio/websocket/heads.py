"""The heads of frames: their first byte, and the length of what follows.

Spec: RFC 6455, section 5.2 "Base Framing Protocol".
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BINARY",
    "CLOSE",
    "COMPRESSED",
    "FINAL",
    "LENGTH_16",
    "LENGTH_64",
    "LONGEST_KEY",
    "MASKED",
    "MASK_WIDTH",
    "MAX_16",
    "OPCODE",
    "PING",
    "PONG",
    "TEXT",
    "TEXT_OPCODE",
    "fragment_head",
    "long_length",
]

FINAL: Final = 0x80
"""The bit of a first byte that says that this is the last frame of its message."""
COMPRESSED: Final = 0x40
"""The first reserved bit of a first byte: RFC 7692, section 6."""
OPCODE: Final = 0x0F
"""The bits of a first byte that say what kind of frame this is."""
TEXT_OPCODE: Final = 0x01

# First bytes: of messages in one frame, and of control frames.
TEXT: Final = 0x81
BINARY: Final = 0x82
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A

MASKED: Final = 0x80
"""The bit of a second byte that says that there is a mask."""
MASK_WIDTH: Final = 4
"""Bytes of the mask in a client's frame; a server's frame has none."""

LENGTH_16: Final = 126
"""In the second byte: the length is in the next two bytes."""
LENGTH_64: Final = 127
"""In the second byte: the length is in the next eight bytes."""
MAX_16: Final = 0xFFFF

LONGEST_KEY: Final = -(-LENGTH_16 // MASK_WIDTH)
"""Repetitions of a mask that suffice where the length is in the second byte."""


def long_length(data: bytes, start: int, code: int) -> tuple[int, int]:
    """Return a length of more than one byte, and its width.

    The length is -1 if it does not have its shortest form, or if there is no such code:
    that is a masked frame where there must be none.

    Args:
        data: What has come.
        start: Where the length begins, in the third byte of its frame.
        code: The second byte, without the bit that says that there is a mask.
    """
    if code > LENGTH_64:
        return -1, 0
    if code == LENGTH_64:
        length = int.from_bytes(data[start : start + 8], "big")
        return length if length > MAX_16 else -1, 8
    length = int.from_bytes(data[start : start + 2], "big")
    return length if length >= LENGTH_16 else -1, 2


def fragment_head(opcode: int, length: int, mask_width: int) -> bytes:
    """Return the head of a frame that is not the last, with a mask of zeros."""
    masked = MASKED if mask_width else 0
    head = bytes((opcode, masked | LENGTH_64)) + length.to_bytes(8, "big")
    if length < LENGTH_16:
        head = bytes((opcode, masked | length))
    elif length <= MAX_16:
        head = bytes((opcode, masked | LENGTH_16)) + length.to_bytes(2, "big")
    return head + bytes(mask_width)
