"""Limits, and messages of up to 16 MB: whole, in fragments and in crumbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random

import pytest

from tests.frames import BINARY, CONTINUATION, TEXT
from tests.rfc6455.conftest import MEGABYTE
from tests.rfc6455.peer import Case, Peer, check, fragments, frame, message

pytestmark = pytest.mark.socket

KILOBYTE = 1 << 10
SIZES = (64 * KILOBYTE, 256 * KILOBYTE, MEGABYTE, 4 * MEGABYTE, 16 * MEGABYTE)
RANDOM_BYTES = Random(6455).randbytes(MEGABYTE)


def content(opcode: int, size: int) -> bytes:
    if opcode == BINARY:
        return RANDOM_BYTES * (size // MEGABYTE) + RANDOM_BYTES[: size % MEGABYTE]
    text = "4" + "äöü" * ((size - 1) // 6)
    return text.encode().ljust(size, b".")


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def whole() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        for size in SIZES:
            payload = content(opcode, size)
            yield Case(
                name=f"opcode {opcode}, {size} bytes",
                send=[frame(opcode, payload)],
                expect=[(0x80 | opcode, payload)],
            )


def in_fragments() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        for size, piece in (
            (64 * KILOBYTE, 64),
            (256 * KILOBYTE, 256),
            (4 * MEGABYTE, KILOBYTE),
            (4 * MEGABYTE, 64 * KILOBYTE),
            (16 * MEGABYTE, MEGABYTE),
        ):
            payload = content(opcode, size)
            yield Case(
                name=f"opcode {opcode}, {size} bytes in frames of {piece}",
                send=[b"".join(fragments(opcode, *cut(payload, piece)))],
                expect=[(0x80 | opcode, payload)],
            )


def in_crumbs() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        for size, piece in ((64 * KILOBYTE, 64), (MEGABYTE, 1448), (MEGABYTE, 8000)):
            payload = content(opcode, size)
            yield Case(
                name=f"opcode {opcode}, {size} bytes, {piece} at a time",
                send=cut(frame(opcode, payload), piece),
                expect=[(0x80 | opcode, payload)],
            )


def one_after_another() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        for size in (1, 64, 1024, 16384):
            payload = content(opcode, size) if opcode == BINARY else b"4" * size
            yield Case(
                name=f"opcode {opcode}, 200 messages of {size} bytes",
                send=[frame(opcode, payload)] * 200,
                expect=[(0x80 | opcode, payload)] * 200,
            )


@pytest.mark.parametrize(
    "cases",
    [whole, in_fragments, in_crumbs, one_after_another],
)
def test_sizes(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


def announced(size: int) -> bytes:
    """Return the header of a frame of which nothing more comes."""
    return b"\x82\xff" + size.to_bytes(8, "big") + b"mask"


@pytest.mark.parametrize("size", [16 * MEGABYTE + 1, 1 << 40, (1 << 63) - 1])
def test_the_length_of_a_frame_alone_is_too_much(port: int, size: int) -> None:
    with Peer(port) as peer:
        peer.send(announced(size))
        assert peer.receive_until_close() == ([], 1009)


def test_fragments_are_too_much_together(port: int) -> None:
    with Peer(port) as peer:
        peer.send(frame(BINARY, bytes(16 * MEGABYTE), fin=False))
        peer.send(frame(CONTINUATION, b"x", fin=False))
        assert peer.receive_until_close() == ([], 1009)


def small_limits() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        fits = b"4" * 1000
        yield Case(
            name=f"opcode {opcode}, 1000 bytes",
            send=[frame(opcode, fits)],
            expect=[(0x80 | opcode, fits)],
        )
        yield Case(
            name=f"opcode {opcode}, 1001 bytes",
            send=[frame(opcode, fits + b"4")],
            close=1009,
        )
        for pieces in ((500, 500), (1, 998, 1), (1000, 0)):
            yield Case(
                name=f"opcode {opcode}, 1000 bytes as {pieces}",
                send=fragments(opcode, *(b"4" * size for size in pieces)),
                expect=[(0x80 | opcode, fits)],
            )
        for pieces in ((500, 501), (1, 998, 2), (1000, 1)):
            yield Case(
                name=f"opcode {opcode}, 1001 bytes as {pieces}",
                send=fragments(opcode, *(b"4" * size for size in pieces)),
                close=1009,
            )
        yield Case(
            name=f"opcode {opcode}, 50 frames",
            send=fragments(opcode, *[b"4"] * 50),
            expect=[(0x80 | opcode, b"4" * 50)],
        )
        for name, piece in {"frames": b"4", "empty frames": b""}.items():
            yield Case(
                name=f"opcode {opcode}, 51 {name}",
                send=fragments(opcode, *[piece] * 51),
                close=1008,
            )
    yield Case(
        name="the limits are about each message",
        send=[message("x" * 900) * 20, *fragments(TEXT, *[b"4"] * 50) * 3],
        expect=[(0x80 | TEXT, b"4" + b"x" * 900)] * 20 + [(0x80 | TEXT, b"4" * 50)] * 3,
    )


def test_limits(small_port: int) -> None:
    check(small_port, small_limits())
