"""Messages in more frames than one, and control frames in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.rfc6455.peer import (
    Case,
    bytewise,
    check,
    close_payload,
    fragments,
    frame,
    message,
    ping,
    pong,
)

pytestmark = pytest.mark.socket

HELLO = message("hello")
ECHO = (0x80 | TEXT, b"4hello")
SPLITS = ((b"4hello",), (b"4", b"hello"), (b"4he", b"", b"llo"), (b"", b"", b"4hello"))


def good() -> Iterator[Case]:
    for opcode, pieces in ((opcode, each) for opcode in (1, 2) for each in SPLITS):
        frames = fragments(opcode, *pieces)
        echo = (0x80 | opcode, b"".join(pieces))
        name = f"opcode {opcode}, {pieces}"
        yield Case(name=name, send=frames, expect=[echo])
        yield Case(name=f"{name} at once", send=[b"".join(frames)], expect=[echo])
        yield Case(
            name=f"{name} byte by byte",
            send=bytewise(b"".join(frames)),
            expect=[echo],
        )
        between = [part for each in frames for part in (each, ping(b"?"))][:-1]
        yield Case(
            name=f"{name} with pings in between",
            send=between,
            expect=[pong(b"?")] * (len(pieces) - 1) + [echo],
        )
        yield Case(
            name=f"{name}, then a whole message",
            send=[b"".join(frames) + HELLO],
            expect=[echo, ECHO],
        )
    yield Case(
        name="a thousand frames",
        send=[b"".join(fragments(BINARY, *[b"x"] * 1000))],
        expect=[(0x80 | BINARY, b"x" * 1000)],
    )
    yield Case(
        name="a character in four frames",
        send=fragments(TEXT, b"4\xf0", b"\x9f", b"\x98", b"\x80"),
        expect=[(0x80 | TEXT, b"4\xf0\x9f\x98\x80")],
    )
    yield Case(
        name="pongs in between",
        send=[
            frame(TEXT, b"4he", fin=False) + frame(PONG, b"!"),
            frame(PONG) + frame(CONTINUATION, b"llo"),
        ],
        expect=[ECHO],
    )


def bad() -> Iterator[Case]:
    for opcode in (PING, PONG):
        for payload in (b"", b"x"):
            yield Case(
                name=f"opcode {opcode} in fragments, {payload!r}",
                send=[frame(opcode, payload, fin=False), frame(CONTINUATION, b"x")],
                close=1002,
            )
    yield Case(
        name="close in fragments",
        send=[frame(CLOSE, close_payload(1000), fin=False)],
        close=1002,
    )
    for fin in (True, False):
        start = frame(CONTINUATION, b"4hello", fin=fin)
        yield Case(name=f"continuation of nothing, {fin=}", send=[start], close=1002)
        yield Case(
            name=f"continuation of nothing, {fin=}, byte by byte",
            send=bytewise(start),
            close=1002,
        )
        yield Case(
            name=f"continuation of a message that is complete, {fin=}",
            send=[HELLO, start, HELLO],
            expect=[ECHO],
            close=1002,
        )
        for opcode in (TEXT, BINARY):
            yield Case(
                name=f"opcode {opcode} within a message, {fin=}",
                send=[
                    frame(TEXT, b"4he", fin=False),
                    frame(opcode, b"4llo", fin=fin),
                    frame(CONTINUATION, b""),
                ],
                close=1002,
            )
    yield Case(
        name="a third message within two",
        send=[
            b"".join(fragments(TEXT, b"4", b"hello")),
            frame(CONTINUATION, b"x", fin=False),
        ],
        expect=[ECHO],
        close=1002,
    )


@pytest.mark.parametrize("cases", [good, bad])
def test_fragmentation(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


def test_close_within_a_message_is_answered(port: int) -> None:
    case = Case(
        name="close within a message",
        send=[frame(TEXT, b"4he", fin=False) + frame(CLOSE, close_payload(1000))],
        close=1000,
    )
    check(port, [case])
