"""Text that is UTF-8, and text that is not: wherever the fault stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.frames import BINARY, CONTINUATION, TEXT
from tests.rfc6455.peer import Case, Peer, bytewise, check, fragments, frame, message

pytestmark = pytest.mark.socket

VALID = {
    "the first of each length": "\0\x80\u0800\U00010000",
    "the last of each length": "\x7f\u07ff\uffff\U0010ffff",
    "around the surrogates": "\ud7ff\ue000\uee80\ufffd",
    "no characters": "".join(
        chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
    ),
    "Greek": "κόσμε",
    "many scripts": "Grüße, 世界, мир, שלום, 👋🏽, e\u0301, \u202emirror",
}

INVALID = {
    "a continuation alone": b"\x80",
    "the last continuation alone": b"\xbf",
    "many continuations": bytes(range(0x80, 0xC0)),
    "lead of two, then a space": b"\xc0 \xc1 \xdf ",
    "lead of three, then a space": b"\xe0 \xef ",
    "lead of four, then a space": b"\xf0 \xf7 ",
    "never used": b"\xfe",
    "never used either": b"\xff",
    "lead of five": b"\xf8\x88\x80\x80\x80",
    "lead of six": b"\xfc\x84\x80\x80\x80\x80",
    "overlong solidus": b"\xc0\xaf",
    "overlong in three": b"\xe0\x80\xaf",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "overlong of 7f": b"\xc1\xbf",
    "overlong of 7ff": b"\xe0\x9f\xbf",
    "overlong of ffff": b"\xf0\x8f\xbf\xbf",
    "overlong null": b"\xc0\x80",
    "the first high surrogate": b"\xed\xa0\x80",
    "the last high surrogate": b"\xed\xaf\xbf",
    "the first low surrogate": b"\xed\xb0\x80",
    "the last low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "above the last character": b"\xf4\x90\x80\x80",
    "two bytes of three": b"\xe2\x82",
    "three bytes of four": b"\xf0\x9f\x98",
    "one byte of two": b"\xc3",
}

STREAM = "4äöü\u0800\U0001f600x".encode()


def valid() -> Iterator[Case]:
    for name, text in VALID.items():
        content = b"4" + text.encode()
        echo = (0x80 | TEXT, content)
        yield Case(name=name, send=[message(text)], expect=[echo])
        yield Case(
            name=f"{name}, byte by byte", send=bytewise(message(text)), expect=[echo]
        )
        yield Case(
            name=f"{name}, a frame for each byte",
            send=[b"".join(fragments(TEXT, *bytewise(content)))],
            expect=[echo],
        )
        for cut in range(len(content) + 1) if len(content) < 30 else ():
            yield Case(
                name=f"{name}, in two frames of which the first has {cut} bytes",
                send=fragments(TEXT, content[:cut], content[cut:]),
                expect=[echo],
            )


def invalid() -> Iterator[Case]:
    for name, octets in INVALID.items():
        for before in (b"4", b"4\xce\xba"):
            content = before + octets
            whole = frame(TEXT, content)
            where = f"{name} behind {before!r}"
            yield Case(name=where, send=[whole], close=1007)
            yield Case(name=f"{where}, byte by byte", send=bytewise(whole), close=1007)
            yield Case(
                name=f"{where}, a frame for each byte",
                send=[b"".join(fragments(TEXT, *bytewise(content)))],
                close=1007,
            )
            yield Case(
                name=f"{where}, with more behind",
                send=[frame(TEXT, content + b" and more")],
                close=1007,
            )


def invalid_at_every_position() -> Iterator[Case]:
    for octet in (0xFF, 0xC0):
        for position in range(1, len(STREAM) + 1):
            content = STREAM[:position] + bytes((octet,)) + STREAM[position:]
            name = f"{octet:#x} at {position}"
            yield Case(name=name, send=[frame(TEXT, content)], close=1007)
            yield Case(
                name=f"{name}, a frame before and one behind",
                send=fragments(TEXT, content[:position], content[position:]),
                close=1007,
            )


def truncated_at_every_position() -> Iterator[Case]:
    for position in range(1, len(STREAM)):
        content = STREAM[:position]
        try:
            content.decode()
        except UnicodeDecodeError:
            yield Case(
                name=f"the first {position} bytes",
                send=[frame(TEXT, content)],
                close=1007,
            )
            yield Case(
                name=f"the first {position} bytes, and an empty frame",
                send=fragments(TEXT, content, b""),
                close=1007,
            )


def long_texts() -> Iterator[Case]:
    half = "ä" * 40_000
    content = b"4" + half.encode()
    yield Case(
        name="80 kB of text",
        send=[frame(TEXT, content)],
        expect=[(0x80 | TEXT, content)],
    )
    for position in (1, 40_000, 80_000):
        yield Case(
            name=f"80 kB of text with a fault at {position}",
            send=[frame(TEXT, content[:position] + b"\xff" + content[position:])],
            close=1007,
        )


def binary_data() -> Iterator[Case]:
    for name, octets in INVALID.items():
        yield Case(
            name=f"{name} in a binary message",
            send=[message(octets)],
            expect=[(0x80 | BINARY, octets)],
        )


@pytest.mark.parametrize(
    "cases",
    [
        valid,
        invalid,
        invalid_at_every_position,
        truncated_at_every_position,
        long_texts,
        binary_data,
    ],
)
def test_text(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_fault_is_found_before_the_message_is_complete(
    port: int, pieces: int
) -> None:
    start = [frame(TEXT, b"4\xce\xba", fin=False)]
    start += [frame(CONTINUATION, b"\xe1\xbd", fin=False)] * (pieces - 1)
    with Peer(port) as peer:
        peer.send(*start, frame(CONTINUATION, b"\xf4\x90", fin=False))
        assert peer.receive_until_close() == ([], 1007)
        peer.goodbye()
        assert peer.is_over()
