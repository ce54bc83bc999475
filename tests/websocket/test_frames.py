"""Frames without detours: making them, and what the short path reads and leaves."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.frames import BINARY, CONTINUATION, PING, TEXT, make_frame, parse_frames
from txengineio.websocket.frames import (
    MASK_WIDTH,
    MAX_HEADER,
    encode_frame,
    encode_masked_frame,
    encode_masked_message,
    encode_message,
    frame_size,
    lone_masked_text,
    lone_text,
    missing_bytes,
    read_messages,
)

LIMIT = 100_000
LENGTHS = [0, 1, 125, 126, 511, 512, 65_535, 65_536]


class Reader:
    """Takes messages until it has had enough."""

    def __init__(self, enough: int = 1_000_000) -> None:
        self.messages: list[str | bytes] = []
        self._enough = enough

    def text_received(self, text: str) -> bool:
        assert isinstance(text, str)
        return self._received(text)

    def binary_received(self, data: bytes) -> bool:
        assert isinstance(data, bytes)
        return self._received(data)

    def _received(self, message: str | bytes) -> bool:
        self.messages.append(message)
        return len(self.messages) < self._enough

    def read(self, data: bytes, limit: int = LIMIT, mask_width: int = 4) -> bytes:
        return read_messages(
            data, limit, mask_width, self.text_received, self.binary_received
        )


# --- making ---------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
def test_a_servers_frame_has_the_shortest_header_and_no_mask(length: int) -> None:
    assert parse_frames(encode_frame("a" * length)) == (
        [(TEXT, b"a" * length)],
        length + (2 if length < 126 else 4 if length < 65_536 else 10),
    )
    assert parse_frames(encode_frame(b"\x00" * length))[0] == [
        (BINARY, b"\x00" * length)
    ]
    assert encode_frame(b"a" * length) == make_frame(BINARY, b"a" * length, mask=None)


def test_text_is_utf_8() -> None:
    assert encode_frame("€") == b"\x81\x03\xe2\x82\xac"
    assert encode_frame("\ud800") == b"\x81\x03\xef\xbf\xbd"


@pytest.mark.parametrize("text", ["", "€", "\ud800", *["a" * n for n in LENGTHS]])
def test_the_frame_of_a_message_is_that_of_its_packet(text: str) -> None:
    assert encode_message(text) == encode_frame("4" + text)
    reader = Reader()
    assert reader.read(encode_masked_message(text)) == b""
    assert reader.messages == ["4" + text.replace("\ud800", "\ufffd")]


@pytest.mark.parametrize("length", [122, 123, 124, 125, 126])
def test_the_frame_of_a_message_has_the_shortest_header(length: int) -> None:
    for text in ("a" * length, "é" * (length // 2)):
        assert encode_message(text) == encode_frame("4" + text)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("content", ["a", b"a"])
def test_a_clients_frame_is_what_the_server_reads(
    content: str | bytes, length: int
) -> None:
    reader = Reader()
    assert reader.read(encode_masked_frame(content * length)) == b""
    assert reader.messages == [content * length]


def test_what_is_not_utf_8_is_replaced_in_a_clients_frame_too() -> None:
    reader = Reader()
    assert reader.read(encode_masked_frame("a\ud800")) == b""
    assert reader.messages == ["a\ufffd"]


def test_each_frame_of_a_client_has_a_mask_of_its_own() -> None:
    masks = {encode_masked_frame("a" * 10)[2:6] for _ in range(600)}
    # Two of them may be the same by chance.
    assert len(masks) > 590


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_has_masks_of_its_own() -> None:
    program = """
import os
from txengineio.websocket.frames import encode_masked_frame
encode_masked_frame("a")
child = os.fork()
os.write(1, encode_masked_frame("a" * 10)[2:6])
if child:
    os.waitpid(child, 0)
"""
    command = [sys.executable, "-c", program]
    masks = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert len(masks) == 8
    assert masks[:4] != masks[4:]


# --- reading --------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "mask", [b"\x00\x00\x00\x00", b"\x01\x02\x03\x04", b"\xff" * 4]
)
def test_it_reads_frames_of_every_length_and_mask(mask: bytes, length: int) -> None:
    payload = (bytes(range(128)) * 513)[:length]
    reader = Reader()
    data = make_frame(TEXT, payload, mask=mask) + make_frame(BINARY, payload, mask=mask)
    assert reader.read(data) == b""
    assert reader.messages == [payload.decode(), payload]


def test_it_reads_a_servers_frames_too() -> None:
    reader = Reader()
    data = encode_frame("a" * 200) + encode_frame(b"b" * 70_000) + encode_frame("")
    assert reader.read(data, mask_width=0) == b""
    assert reader.messages == ["a" * 200, b"b" * 70_000, ""]


FRAME = make_frame(TEXT, b"first")


@pytest.mark.parametrize(
    "rest",
    [
        make_frame(PING, b""),
        make_frame(TEXT, b"fragment", fin=False),
        make_frame(CONTINUATION, b"fragment"),
        make_frame(TEXT, b"compressed", rsv=4),
        make_frame(TEXT, b"reserved", rsv=1),
        make_frame(0x3, b"unknown"),
        make_frame(TEXT, b"unmasked", mask=None),
        make_frame(TEXT, b"\xff not text"),
        make_frame(TEXT, b"long way round", length_bytes=2),
        make_frame(TEXT, b"long way round", length_bytes=8),
        make_frame(TEXT, b"a" * 65_535, length_bytes=8),
        make_frame(TEXT, b"a" * (LIMIT + 1)),
        b"\x81\xff" + b"\xff" * 8 + b"mask",
        make_frame(TEXT, b"cut off")[:-1],
        make_frame(TEXT, b"cut off" * 100)[:7],
        b"\x81",
        b"",
    ],
)
def test_it_stops_at_the_first_frame_that_is_not_simple(rest: bytes) -> None:
    reader = Reader()
    assert reader.read(FRAME + rest) == rest
    assert reader.messages == ["first"]
    assert Reader().read(rest) == rest


@pytest.mark.parametrize(
    "rest",
    [
        make_frame(TEXT, b"masked"),
        make_frame(TEXT, b"masked" * 100),
        make_frame(TEXT, b"masked" * 20_000),
    ],
)
def test_a_masked_frame_of_a_server_is_left_alone(rest: bytes) -> None:
    assert Reader().read(rest, mask_width=0) == rest


@pytest.mark.parametrize("frame", [make_frame(TEXT, b"a"), make_frame(BINARY, b"a")])
def test_it_stops_when_the_reader_has_had_enough(frame: bytes) -> None:
    reader = Reader(enough=2)
    assert reader.read(frame * 4) == frame * 2
    assert len(reader.messages) == 2


def test_a_message_of_the_limit_is_read_and_a_larger_one_left() -> None:
    reader = Reader()
    large = make_frame(BINARY, b"a" * 11)
    assert reader.read(make_frame(BINARY, b"a" * 10) + large, limit=10) == large
    assert reader.messages == [b"a" * 10]


# --- what is missing ------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask_width", [0, MASK_WIDTH])
def test_missing_bytes_counts_what_completes_the_frame(
    mask_width: int, length: int
) -> None:
    mask = b"mask" if mask_width else None
    frame = make_frame(BINARY, b"a" * length, mask=mask)
    header = len(frame) - length
    for received in {0, 1, 2, header - 1}:
        # Not enough to tell, unless the header is as short as that.
        if received < header:
            assert missing_bytes(frame[:received], LIMIT, mask_width) == 0
    for received in {header, header + length // 2, len(frame)}:
        missing = len(frame) - received
        assert missing_bytes(frame[:received], LIMIT, mask_width) == missing


@pytest.mark.parametrize(
    "data",
    [
        make_frame(PING, b"a" * 20)[:10],
        make_frame(TEXT, b"a" * 200, fin=False)[:10],
        make_frame(TEXT, b"a" * 200, rsv=4)[:10],
        make_frame(TEXT, b"a" * 200, mask=None)[:10],
        make_frame(TEXT, b"a" * 100, length_bytes=2)[:10],
        make_frame(TEXT, b"a" * 200, length_bytes=8)[:20],
        make_frame(TEXT, b"a" * (LIMIT + 1))[:20],
        make_frame(TEXT, b"complete"),
        b"\x81\x20" + b"a" * 20,
    ],
)
def test_missing_bytes_is_none_for_what_autobahn_has_to_read(data: bytes) -> None:
    assert missing_bytes(data, LIMIT, MASK_WIDTH) == 0


def test_missing_bytes_of_a_masked_frame_of_a_server_is_none() -> None:
    assert missing_bytes(make_frame(TEXT, b"a" * 200)[:10], LIMIT, 0) == 0


@given(
    st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), max_size=10),
    st.binary(min_size=4, max_size=4),
    st.data(),
)
def test_any_messages_are_read_however_they_are_cut(
    messages: list[str | bytes], mask: bytes, data: st.DataObject
) -> None:
    stream = b"".join(
        make_frame(TEXT, message.encode(), mask=mask)
        if isinstance(message, str)
        else make_frame(BINARY, message, mask=mask)
        for message in messages
    )
    reader = Reader()
    rest = b""
    while stream:
        size = data.draw(st.integers(1, 400))
        rest, stream = reader.read(rest + stream[:size]), stream[size:]
    assert rest == b""
    assert reader.messages == messages


# --- a message that has come alone ----------------------------------------------------


@pytest.mark.parametrize("text", ["4", "4é", "a" * 125])
def test_a_short_text_frame_that_has_come_alone_is_read(text: str) -> None:
    assert lone_text(encode_frame(text), LIMIT) == text
    for mask in (b"\x00\x00\x00\x00", b"\x01\x02\x03\x04", b"\xff" * 4):
        frame = make_frame(TEXT, text.encode(), mask=mask)
        assert lone_masked_text(frame, LIMIT) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        b"\x81\x00",
        encode_frame("ab")[:-1],
        encode_frame("ab") + b"\x81",
        encode_frame("a" * 126),
        encode_frame(b"ab"),
        b"\x81\x02\xff\xff",
        b"\x01\x01a",
        b"\xc1\x01a",
        b"\x89\x01a",
        encode_masked_frame("ab"),
    ],
)
def test_anything_else_is_not_read_there(data: bytes) -> None:
    assert lone_text(data, LIMIT) is None


MASKED = make_frame(TEXT, b"ab")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        make_frame(TEXT, b""),
        MASKED[:-1],
        MASKED + b"\x81",
        MASKED * 2,
        make_frame(TEXT, b"a" * 126),
        make_frame(BINARY, b"ab"),
        make_frame(PING, b"ab"),
        make_frame(CONTINUATION, b"ab"),
        make_frame(TEXT, b"\xff\xff"),
        make_frame(TEXT, b"ab", fin=False),
        make_frame(TEXT, b"ab", rsv=4),
        make_frame(TEXT, b"ab", length_bytes=2),
        encode_frame("ab"),
        encode_frame("abcdef"),
    ],
)
def test_anything_else_of_a_client_is_not_read_there(data: bytes) -> None:
    assert lone_masked_text(data, LIMIT) is None


def test_a_lone_text_is_not_larger_than_the_limit() -> None:
    assert lone_text(encode_frame("abc"), 3) == "abc"
    assert lone_text(encode_frame("abc"), 2) is None
    assert lone_masked_text(make_frame(TEXT, b"abc"), 3) == "abc"
    assert lone_masked_text(make_frame(TEXT, b"abc"), 2) is None


def test_no_more_frames_are_read_than_wanted() -> None:
    frame = make_frame(TEXT, b"4a")
    received: list[str] = []

    def receive(text: str) -> bool:
        received.append(text)
        return True

    left = read_messages(frame * 5, 100, MASK_WIDTH, receive, lambda _: True, 3)
    assert received == ["4a"] * 3
    assert left == frame * 2


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [b"\1\2\3\4", None])
@pytest.mark.parametrize("opcode", [TEXT, 0x9])
def test_the_size_of_a_frame_is_in_its_head(
    size: int, mask: bytes | None, opcode: int
) -> None:
    frame = make_frame(opcode, b"x" * size, mask=mask)
    assert frame_size(frame[:MAX_HEADER]) == len(frame)
    assert frame_size(frame + b"more") == len(frame)


@pytest.mark.parametrize("head", [b"", b"\x81"])
def test_a_head_that_is_not_there_has_no_size(head: bytes) -> None:
    assert frame_size(head) == 0
