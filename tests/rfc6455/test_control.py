"""Pings and pongs, reserved bits, and opcodes that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.rfc6455.peer import Case, bytewise, check, frame, message, ping, pong

pytestmark = pytest.mark.socket

HELLO = message("hello")
ECHO = (0x80 | TEXT, b"4hello")


def pings() -> Iterator[Case]:
    for name, payload in {
        "empty": b"",
        "of text": b"Hello, world!",
        "of bytes that are no text": b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
        "of 125 bytes": b"\xfe" * 125,
    }.items():
        yield Case(name=f"ping {name}", send=[ping(payload)], expect=[pong(payload)])
    largest = b"\xfe" * 125
    yield Case(
        name="ping byte by byte", send=bytewise(ping(largest)), expect=[pong(largest)]
    )
    yield Case(name="ping of 126 bytes", send=[ping(b"\xfe" * 126)], close=1002)
    yield Case(name="ping of 66000 bytes", send=[ping(b"\xfe" * 66000)], close=1002)
    ten = [b"payload-%d" % number for number in range(10)]
    yield Case(
        name="ten pings at once",
        send=[b"".join(map(ping, ten))],
        expect=list(map(pong, ten)),
    )
    yield Case(
        name="ten pings byte by byte",
        send=bytewise(b"".join(map(ping, ten))),
        expect=list(map(pong, ten)),
    )


def pongs() -> Iterator[Case]:
    yield Case(name="pong that nobody asked for", send=[frame(PONG)])
    yield Case(name="pong with a payload", send=[frame(PONG, b"unsolicited")])
    yield Case(name="pong of 126 bytes", send=[frame(PONG, b"x" * 126)], close=1002)
    yield Case(
        name="pong, then ping",
        send=[frame(PONG, b"unsolicited") + ping(b"ping")],
        expect=[pong(b"ping")],
    )
    yield Case(
        name="control frames are no heartbeat and no message",
        send=[ping(b"4hello"), frame(PONG, b"4hello"), HELLO],
        expect=[pong(b"4hello"), ECHO],
    )


def reserved_bits() -> Iterator[Case]:
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            bad = frame(opcode, b"" if opcode == CLOSE else b"4hello", rsv=rsv)
            yield Case(name=f"opcode {opcode}, bits {rsv:03b}", send=[bad], close=1002)
            yield Case(
                name=f"opcode {opcode}, bits {rsv:03b}, byte by byte",
                send=bytewise(bad),
                close=1002,
            )
        yield Case(
            name=f"bits {rsv:03b} behind a good message",
            send=[HELLO, frame(TEXT, b"4x", rsv=rsv), ping()],
            expect=[ECHO],
            close=1002,
        )
        yield Case(
            name=f"bits {rsv:03b} in a continuation",
            send=[
                frame(TEXT, b"4", fin=False),
                frame(CONTINUATION, b"x", rsv=rsv),
            ],
            close=1002,
        )


def unknown_opcodes() -> Iterator[Case]:
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for name, payload in {"empty": b"", "with a payload": b"4hello"}.items():
            bad = frame(opcode, payload)
            yield Case(name=f"opcode {opcode}, {name}", send=[bad], close=1002)
            yield Case(
                name=f"opcode {opcode}, {name}, behind a good message",
                send=[HELLO + bad + ping()],
                expect=[ECHO],
                close=1002,
            )
            yield Case(
                name=f"opcode {opcode}, {name}, byte by byte",
                send=bytewise(HELLO + bad + ping()),
                expect=[ECHO],
                close=1002,
            )


@pytest.mark.parametrize("cases", [pings, pongs, reserved_bits, unknown_opcodes])
def test_control_frames_and_headers(
    port: int, cases: Callable[[], Iterable[Case]]
) -> None:
    check(port, cases())
