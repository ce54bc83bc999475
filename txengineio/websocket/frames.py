"""WebSocket frames without detours: making them, and the short path of reading them.

`read_messages` understands only what nearly every frame is: a complete, unfragmented
and uncompressed data frame, masked where a client sent it. Whatever else comes is left
to Autobahn's parser, which understands all of it; nothing depends on the short path.

Spec: RFC 6455, section 5.2 "Base Framing Protocol".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from struct import Struct
from sys import maxsize
from typing import Final

from txengineio.protocol.text import encode_utf8
from txengineio.websocket.masking import apply_mask

__all__ = [
    "MASK_WIDTH",
    "MAX_HEADER",
    "close_code",
    "encode_frame",
    "encode_masked_frame",
    "encode_masked_message",
    "encode_message",
    "frame_size",
    "is_simple_close",
    "lone_masked_text",
    "lone_text",
    "missing_bytes",
    "read_messages",
]

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
_MAX_16: Final = 0xFFFF
_MASKED: Final = 0x80

_CODE_WIDTH: Final = 2

MASK_WIDTH: Final = 4
"""Bytes of the mask in a client's frame; a server's frame has none."""

MAX_HEADER: Final = 14
"""Bytes of the longest header: two, eight of the length, and the mask."""

_MESSAGE_HEADERS: Final = [
    bytes((_TEXT, length + 1)) + b"4" for length in range(_LENGTH_16 - 1)
]
_TEXT_HEADERS: Final = [bytes((_TEXT, length)) for length in range(_LENGTH_16)]
_BINARY_HEADERS: Final = [bytes((_BINARY, length)) for length in range(_LENGTH_16)]
_MASKED_TEXT_HEADERS: Final = [
    bytes((_TEXT, _MASKED | length)) for length in range(_LENGTH_16)
]
_MASKED_BINARY_HEADERS: Final = [
    bytes((_BINARY, _MASKED | length)) for length in range(_LENGTH_16)
]

_LONGEST_KEY: Final = -(-_LENGTH_16 // MASK_WIDTH)
"""Repetitions of a mask that suffice where the length is in the second byte."""

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
            payload = encode_utf8(content)
        headers, opcode = _TEXT_HEADERS, _TEXT
    else:
        payload = content  # type: ignore[assignment]  # bytes, as the type says
        headers, opcode = _BINARY_HEADERS, _BINARY
    length = len(payload)
    if length < _LENGTH_16:
        return headers[length] + payload
    if length <= _MAX_16:
        return bytes((opcode, _LENGTH_16, length >> 8, length & 0xFF)) + payload
    return bytes((opcode, _LENGTH_64)) + length.to_bytes(8, "big") + payload


def encode_message(text: str) -> bytes:
    """Return a server's frame of a message that is text.

    As `encode_frame` of what every codec makes of it, in fewer steps.
    """
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        payload = encode_utf8(text)
    length = len(payload)
    if length < _LENGTH_16 - 1:
        return _MESSAGE_HEADERS[length] + payload
    return encode_frame("4" + text)


def encode_masked_frame(content: str | bytes) -> bytes:
    """Return a client's frame: text for str, binary for bytes, masked."""
    if type(content) is str:
        try:
            payload = content.encode()
        except UnicodeEncodeError:
            payload = encode_utf8(content)
        headers, opcode = _MASKED_TEXT_HEADERS, _TEXT
    else:
        payload = content  # type: ignore[assignment]  # bytes, as the type says
        headers, opcode = _MASKED_BINARY_HEADERS, _BINARY
    length = len(payload)
    if not _masks:
        _masks.extend(_MASKS.unpack(os.urandom(_MASKS.size)))
    mask = _masks.pop()
    if length < _LENGTH_16:
        # As in `apply_mask`: a call more would cost as much as the rest.
        number = int.from_bytes(payload, "little")
        number ^= int.from_bytes((mask * _LONGEST_KEY)[:length], "little")
        return headers[length] + mask + number.to_bytes(length, "little")
    if length <= _MAX_16:
        header = bytes((opcode, _MASKED | _LENGTH_16)) + length.to_bytes(2, "big")
    else:
        header = bytes((opcode, _MASKED | _LENGTH_64)) + length.to_bytes(8, "big")
    return b"".join((header, mask, apply_mask(payload, mask, length)))


def encode_masked_message(text: str) -> bytes:
    """Return a client's frame of a message that is text."""
    return encode_masked_frame("4" + text)


def read_messages(  # noqa: C901  # a call for each step would cost more
    data: bytes,
    limit: int,
    mask_width: int,
    text_received: Callable[[str], bool],
    binary_received: Callable[[bytes], bool],
    at_most: int = maxsize,
) -> bytes:
    """Read the simple frames that ``data`` begins with.

    Args:
        data: What was received, from the beginning of a frame on.
        limit: Bytes that a message may have; a larger one is left alone.
        mask_width: `MASK_WIDTH`, or 0 if the frames come from a server.
        text_received: Called with the content of each text frame.
        binary_received: Called with the content of each binary frame. Both say whether
            to go on.
        at_most: Frames that are read.

    Returns:
        The rest, from the first frame on that is not simple, not complete, one too
        many, or came after one of the functions had enough.
    """
    size, start = len(data), 0
    shortest = 2 + mask_width
    masked = _MASKED if mask_width else 0
    for _ in range(at_most):
        if size - start < shortest:
            break
        opcode = data[start]
        if opcode != _TEXT and opcode != _BINARY:  # noqa: PLR1714  # twice as fast
            break
        length = data[start + 1] - masked
        content = start + shortest
        if length >= _LENGTH_16:
            if length > _LENGTH_64:
                # A masked frame where there must be none.
                break
            width = 2 if length == _LENGTH_16 else 8
            content += width
            length = int.from_bytes(data[start + 2 : start + 2 + width], "big")
            # The length must have its shortest form; Autobahn says what is wrong.
            if length < (_LENGTH_16 if width == 2 else _MAX_16 + 1):  # noqa: PLR2004
                break
        end = content + length
        # A negative length is a frame without the mask that it must have.
        if length < 0 or end > size or length > limit:
            break
        payload = data[content:end]
        if mask_width:
            payload = apply_mask(payload, data[content - mask_width : content], length)
        if opcode == _BINARY:
            go_on = binary_received(payload)
        else:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                break
            go_on = text_received(text)
        start = end
        if not go_on:
            break
    return data[start:] if start else data


def lone_masked_text(data: bytes, limit: int) -> str | None:
    """Return the content of a short text frame of a client that has come alone.

    That is what comes from whoever has one message under way at a time.

    Args:
        data: What was received, from the beginning of a frame on.
        limit: As for `read_messages`.

    Returns:
        The text; None if this is anything else, for `read_messages` to read.
    """
    length = len(data) - 2 - MASK_WIDTH
    if (
        0 < length < _LENGTH_16
        and data[1] == _MASKED | length
        and data[0] == _TEXT
        and length <= limit
    ):
        # As in `apply_mask`: a call more would cost as much as the rest.
        number = int.from_bytes(data[6:], "little")
        number ^= int.from_bytes((data[2:6] * _LONGEST_KEY)[:length], "little")
        try:
            return number.to_bytes(length, "little").decode()
        except UnicodeDecodeError:
            return None
    return None


def lone_text(data: bytes, limit: int) -> str | None:
    """Return the content of a short text frame of a server that has come alone.

    As `lone_masked_text`, for the other side.
    """
    length = len(data) - 2
    if (
        0 < length < _LENGTH_16
        and data[1] == length
        and data[0] == _TEXT
        and length <= limit
    ):
        try:
            return data[2:].decode()
        except UnicodeDecodeError:
            return None
    return None


def missing_bytes(data: bytes, limit: int, mask_width: int) -> int:
    """Count what is missing of the simple frame that ``data`` is the beginning of.

    Args:
        data: What `read_messages` has left.
        limit: As there.
        mask_width: As there.

    Returns:
        The bytes still to come; 0 if this is not the beginning of a simple frame, or
        not enough of it to tell.
    """
    if len(data) < 2 or data[0] not in (_TEXT, _BINARY):  # noqa: PLR2004
        return 0
    length = data[1] - (_MASKED if mask_width else 0)
    width = {_LENGTH_16: 2, _LENGTH_64: 8}.get(length, 0)
    header = 2 + width + mask_width
    if not 0 <= length <= _LENGTH_64 or len(data) < header:
        return 0
    if width:
        length = int.from_bytes(data[2 : 2 + width], "big")
        if length < (_LENGTH_16 if width == 2 else _MAX_16 + 1):  # noqa: PLR2004
            return 0
    # A complete frame was left for a reason, and so was one that is too large.
    return max(header + length - len(data), 0) if length <= limit else 0


def frame_size(head: bytes) -> int:
    """Return what a frame takes in all, whatever kind of frame it is.

    Args:
        head: Its beginning, `MAX_HEADER` bytes if there are as many.

    Returns:
        Bytes; fewer than there are if the header is not complete.
    """
    if len(head) < 2:  # noqa: PLR2004
        return 0
    length = head[1] & ~_MASKED
    width = {_LENGTH_16: 2, _LENGTH_64: 8}.get(length, 0)
    if width:
        length = int.from_bytes(head[2 : 2 + width], "big")
    return 2 + width + (MASK_WIDTH if head[1] & _MASKED else 0) + length


def is_simple_close(data: bytes, mask_width: int) -> bool:
    """Whether what was received is one close frame, without a reason in words.

    Args:
        data: What `read_messages` has left.
        mask_width: As there.
    """
    length = len(data) - 2 - mask_width
    return (
        data[0] == _CLOSE
        and length in (0, _CODE_WIDTH)
        and data[1] == (_MASKED if mask_width else 0) | length
    )


def close_code(data: bytes, mask_width: int) -> int | None:
    """Return the code in a close frame of which `is_simple_close` is true, if any."""
    code = data[2 + mask_width :]
    if not code:
        return None
    mask = data[2 : 2 + mask_width]
    return int.from_bytes(apply_mask(code, mask, _CODE_WIDTH) if mask else code, "big")
