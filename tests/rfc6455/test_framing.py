"""Framing: every form of the length, at its borders, whole and in crumbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.frames import BINARY, PING, TEXT
from tests.rfc6455.peer import Case, Frame, Peer, bytewise, check, frame, message, pong

pytestmark = pytest.mark.socket

SIZES = (0, 1, 124, 125, 126, 127, 128, 129, 65534, 65535, 65536, 65537)
PIECES = (1, 2, 3, 7, 997)


def echo(content: str | bytes) -> Frame:
    if isinstance(content, str):
        return 0x80 | TEXT, b"4" + content.encode()
    return 0x80 | BINARY, content


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def whole_messages() -> Iterator[Case]:
    for size in SIZES:
        text = "*" * (size - 1) if size else ""
        yield Case(
            name=f"text of {size} bytes", send=[message(text)], expect=[echo(text)]
        )
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        yield Case(
            name=f"binary of {size} bytes", send=[message(data)], expect=[echo(data)]
        )


def messages_in_pieces() -> Iterator[Case]:
    for piece in PIECES:
        sizes = (0, 1, 125, 126, 600) if piece < 100 else (65535, 65536)
        for size in sizes:
            content = b"\xfe" * size
            yield Case(
                name=f"binary of {size} bytes, {piece} at a time",
                send=cut(message(content), piece),
                expect=[echo(content)],
            )
    many = [f"number {number}" for number in range(100)]
    yield Case(
        name="100 messages byte by byte",
        send=bytewise(b"".join(map(message, many))),
        expect=list(map(echo, many)),
    )


def many_messages() -> Iterator[Case]:
    many = [f"number {number}" for number in range(2000)]
    yield Case(
        name="2000 messages at once",
        send=[b"".join(map(message, many))],
        expect=list(map(echo, many)),
    )
    mixed: list[str | bytes] = ["text", b"\x00", "\u20ac", b"", "", b"\xff" * 200]
    yield Case(
        name="text and binary by turns",
        send=[b"".join(map(message, mixed))],
        expect=list(map(echo, mixed)),
    )


def masks() -> Iterator[Case]:
    for mask in (bytes(4), b"\xff" * 4, b"\x80\x00\x00\x01", b"4444"):
        for size in (3, 511, 512, 70000):
            content = b"4" + b"x" * size
            yield Case(
                name=f"mask {mask.hex()}, {size} bytes",
                send=[frame(TEXT, content, mask=mask)],
                expect=[(0x80 | TEXT, content)],
            )


def bad_headers() -> Iterator[Case]:
    for opcode in (TEXT, BINARY, PING):
        for size in (0, 1, 125):
            for width in (2, 8):
                if opcode == PING and width == 8:
                    continue
                yield Case(
                    name=f"opcode {opcode}: length {size} in {width} bytes",
                    send=[frame(opcode, b"4" * size, length_bytes=width)],
                    close=1002,
                )
    for size in (126, 65535):
        yield Case(
            name=f"length {size} in 8 bytes",
            send=[frame(TEXT, b"4" * size, length_bytes=8)],
            close=1002,
        )
    for opcode in (TEXT, BINARY, PING):
        yield Case(
            name=f"opcode {opcode}: no mask",
            send=[frame(opcode, b"4hello", mask=None)],
            close=1002,
        )
    yield Case(
        name="no mask behind a good message",
        send=[message("good") + frame(TEXT, b"4hello", mask=None)],
        expect=[echo("good")],
        close=1002,
    )


@pytest.mark.parametrize(
    "cases", [whole_messages, messages_in_pieces, many_messages, masks, bad_headers]
)
def test_framing(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


def test_frames_behind_the_opening_request_are_read(port: int) -> None:
    case = Case(
        name="ping and message in a row",
        send=[frame(PING, b"1") + message("a") + frame(PING, b"2")],
        expect=[pong(b"1"), pong(b"2"), echo("a")],
    )
    check(port, [case])


def test_the_highest_bit_of_a_length_is_never_set(port: int) -> None:
    with Peer(port) as peer:
        peer.send(b"\x82\xff\x80" + bytes(7) + b"mask")
        assert peer.receive_until_close() == ([], 1002)
