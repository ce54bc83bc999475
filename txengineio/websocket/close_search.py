"""The search for a close frame, in what a peer sends after a failure.

RFC 6455, section 7.1.7: what comes is not processed any more. That the peer says
goodbye only tells that the connection can be closed. Frames may break all rules here;
only their lengths are read.
"""

from __future__ import annotations

import re
from typing import Final

from txengineio.websocket.heads import (
    CLOSE,
    LENGTH_16,
    MASK_WIDTH,
    MASKED,
    OPCODE,
)
from txengineio.websocket.masking import apply_mask

__all__ = ["close_code", "pass_frames"]

_CODE_WIDTH: Final = 2
_MAX_CONTROL: Final = 125

_TINY_SIZES: Final = range(16)

# The second byte and all that follows, masked or not.
_TINY_RESTS: Final = b"|".join(
    rb"\x%02x.{%d}" % (mask | size, (MASK_WIDTH if mask else 0) + size)
    for size in _TINY_SIZES
    for mask in (MASKED, 0)
)
# Anything but the opcode of a close frame, whatever bits are before it.
_NO_CLOSE: Final = b"[^%b]" % b"".join(rb"\x%x8" % bits for bits in range(16))
_TINY_FRAMES: Final = re.compile(
    b"(?:%b(?:%b))*+" % (_NO_CLOSE, _TINY_RESTS), re.DOTALL
)


def pass_frames(data: bytes, start: int) -> tuple[int, int, bool]:
    """Pass over the frames that are complete and are not close frames.

    Returns:
        Where the first other frame begins; up to where it is needed; and whether there
        is something to be read in it, because it is a close frame or its length is not
        known yet. If no other frame has begun, the first two are where the data ends.
    """
    size, start = len(data), _pass_tiny_frames(data, start)
    while start < size:
        content, end = _extent(data, start)
        if end is None:
            return start, content, True
        if data[start] & OPCODE == CLOSE & OPCODE:
            return start, min(end, content + _MAX_CONTROL), True
        if size < end:
            return start, end, False
        start = _pass_tiny_frames(data, end)
    return size, size, False


def close_code(data: bytes, start: int) -> int | None:
    """Return the code in the close frame that begins there; None if there is none."""
    content, end = _extent(data, start)
    payload = data[content:end][:_CODE_WIDTH]
    if len(payload) < _CODE_WIDTH:
        return None
    if data[start + 1] & MASKED:
        payload = apply_mask(payload, data[content - MASK_WIDTH : content], _CODE_WIDTH)
    return int.from_bytes(payload, "big")


def _extent(data: bytes, start: int) -> tuple[int, int | None]:
    """Return where the payload of a frame begins and ends.

    If the end is None, it is not known before the data comes as far as the beginning.
    """
    content = start + 2
    if len(data) < content:
        return content, None
    width = MASK_WIDTH if data[start + 1] & MASKED else 0
    length = data[start + 1] & ~MASKED
    if length >= LENGTH_16:
        content += 2 if length == LENGTH_16 else 8
        if len(data) < content:
            return content, None
        length = int.from_bytes(data[start + 2 : content], "big")
    return content + width, content + width + length


def _pass_tiny_frames(data: bytes, start: int) -> int:
    """Return where the first frame begins that is large, incomplete, or a close frame.

    So it costs little that a peer with which nobody talks any more sends very many.
    """
    found = _TINY_FRAMES.match(data, start)
    return found.end() if found else start
