"""What a reader of frames reads, beside one that follows the RFC word for word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.websocket.peer import Peer

__all__ = ["check"]

_LIMIT = 70_000

_Event = tuple[str, Any]


def check(data: bytes) -> None:
    """Read frames; the first byte says whether they are masked, and how to cut them."""
    how, stream = data[0] if data else 0, data[1:]
    width = 4 if how & 1 else 0
    expected = list(_read(stream, width))
    whole = Peer(is_masked=bool(width), max_size=_LIMIT, max_tiny_frames=None)
    whole.receive(stream)
    assert _names(whole.take()) == expected
    size = (how >> 1) or 1
    cut = Peer(is_masked=bool(width), max_size=_LIMIT, max_tiny_frames=None)
    for start in range(0, len(stream), size):
        cut.receive(stream[start : start + size])
    assert _names(cut.take()) == expected


def _names(events: list[_Event]) -> list[_Event]:
    """Return the events up to a violation, which has no content; close is the last."""
    names: list[_Event] = []
    for what, content in events:
        if what == "violation":
            # The message that it has broken off is passed on before.
            if names and names[-1][0] == "frame" and not names[-1][1][0] & 0x80:
                names.pop()
            names.append(("violation", None))
            break
        names.append((what, content))
        if what == "close":
            break
    return names


def _read(stream: bytes, width: int) -> Iterator[_Event]:  # noqa: C901  # one rule after the other
    """Yield what RFC 6455, sections 5.2 to 5.5, makes of a stream."""
    opcode, content = 0, None
    while len(stream) >= 2:
        first, masked, length = stream[0], stream[1] >> 7, stream[1] & 0x7F
        kind, is_last = first & 0x0F, bool(first & 0x80)
        wrong = bool(first & 0x70) or masked != bool(width)
        if kind >= 8:
            wrong |= kind > 10 or not is_last or length > 125
            wrong |= kind == 8 and length == 1
        else:
            wrong |= kind > 2 or (kind == 0) != (content is not None)
        if wrong:
            yield "violation", None
            return
        extended = {126: 2, 127: 8}.get(length, 0)
        start = 2 + extended + width
        if len(stream) < start:
            return
        if extended:
            length = int.from_bytes(stream[2 : 2 + extended], "big")
            wrong = length < {2: 126, 8: 65536}[extended]
        if wrong or (kind < 8 and length + len(content or b"") > _LIMIT):
            yield "violation", None
            return
        if len(stream) < start + length:
            return
        mask = stream[start - width : start] or bytes(4)
        payload = bytes(
            byte ^ mask[number % 4]
            for number, byte in enumerate(stream[start : start + length])
        )
        frame, stream = stream[: start + length], stream[start + length :]
        if kind >= 8:
            yield from _control(kind, payload, frame)
            if kind == 8 and length in (0, 2):
                return
            continue
        opcode, content = kind or opcode, (content or b"") + payload
        if opcode == 1 and not _may_be_text(content, is_last):
            yield "violation", None
            return
        if is_last:
            yield ("text", content.decode()) if opcode == 1 else ("binary", content)
            content = None


def _control(kind: int, payload: bytes, frame: bytes) -> Iterator[_Event]:
    if kind == 9:
        yield "ping", payload
    elif kind == 8 and len(payload) in (0, 2):
        yield "close", int.from_bytes(payload, "big") if payload else None
    elif kind == 8:
        yield "frame", frame


def _may_be_text(content: bytes, is_all: bool) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError as exc:
        return not is_all and exc.reason == "unexpected end of data"
    return True
