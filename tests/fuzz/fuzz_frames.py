"""What the short path reads, beside a reader that follows the RFC word for word."""

from __future__ import annotations

from txengineio.websocket.frames import MASK_WIDTH, missing_bytes, read_messages

__all__ = ["check"]

_LIMIT = 70_000

_Message = tuple[int, bytes]


def check(data: bytes) -> None:
    """Read frames; the first byte says whether they are masked, and when to stop."""
    how, stream = data[0] if data else 0, data[1:]
    width = MASK_WIDTH if how & 1 else 0
    enough = how >> 1
    messages: list[_Message] = []

    def text_received(text: str) -> bool:
        messages.append((1, text.encode()))
        return len(messages) != enough

    def binary_received(content: bytes) -> bool:
        messages.append((2, content))
        return len(messages) != enough

    rest = read_messages(stream, _LIMIT, width, text_received, binary_received)
    expected, size = _read(stream, width, enough)
    assert messages == expected
    assert rest == stream[size:]
    missing = missing_bytes(rest, _LIMIT, width)
    assert missing >= 0
    if missing:
        # With exactly that much more it is a complete frame, and with less it is not.
        assert _frame(rest + bytes(missing - 1), width) is None
        whole = _frame(rest + bytes(missing), width)
        assert whole is not None
        assert whole[1] == len(rest) + missing


def _read(stream: bytes, width: int, enough: int) -> tuple[list[_Message], int]:
    messages: list[_Message] = []
    position = 0
    while (found := _frame(stream[position:], width)) is not None:
        message, size = found
        if message[0] == 1:
            try:
                message[1].decode()
            except UnicodeDecodeError:
                break
        messages.append(message)
        position += size
        if len(messages) == enough:
            break
    return messages, position


def _frame(data: bytes, width: int) -> tuple[_Message, int] | None:
    """Return the simple frame that data begins with, and its size: RFC 6455, 5.2."""
    if len(data) < 2 or data[0] not in (0x81, 0x82) or (data[1] >> 7) != bool(width):
        return None
    length = data[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    if extended:
        if len(data) < 2 + extended:
            return None
        length = int.from_bytes(data[2 : 2 + extended], "big")
        if length < {2: 126, 8: 65536}[extended]:
            return None
    start = 2 + extended + width
    if length > _LIMIT or len(data) < start + length:
        return None
    mask = data[start - width : start] or bytes(4)
    payload = bytes(
        byte ^ mask[number % 4]
        for number, byte in enumerate(data[start : start + length])
    )
    return (data[0] & 0x0F, payload), start + length
