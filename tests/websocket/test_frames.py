"""Making frames: what a parser that shares no code with it makes of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.frames import BINARY, PONG, TEXT, make_frame, parse_frames
from tests.websocket.peer import Peer
from txengineio.websocket.frames import (
    encode_frame,
    encode_masked_frame,
    encode_text,
    lone_masked_text,
    pong_frame,
)

LENGTHS = [0, 1, 125, 126, 511, 512, 65_535, 65_536]


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
    assert encode_text("€") == b"\xe2\x82\xac"
    # Two surrogates that belong together are one character.
    assert encode_text("\ud83d\ude00\ud800") == "\U0001f600\ufffd".encode()
    assert encode_frame("€") == b"\x81\x03\xe2\x82\xac"
    assert encode_frame("\ud800") == b"\x81\x03\xef\xbf\xbd"


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("content", ["a", b"a"])
def test_a_clients_frame_is_what_the_server_reads(
    content: str | bytes, length: int
) -> None:
    peer = Peer()
    peer.receive(encode_masked_frame(content * length))
    assert peer.messages == [content * length]


def test_what_is_not_utf_8_is_replaced_in_a_clients_frame_too() -> None:
    peer = Peer()
    peer.receive(encode_masked_frame("a\ud800"))
    assert peer.messages == ["a\ufffd"]


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


def test_a_pong_is_a_frame_of_the_same_side() -> None:
    assert pong_frame(encode_frame(b"abc")) == make_frame(PONG, b"abc", mask=None)
    masked = encode_masked_frame(b"abc")
    assert pong_frame(masked) == make_frame(PONG, b"abc", mask=masked[2:6])


@pytest.mark.parametrize("text", ["4", "4ab", "4abc", "4€", "a" * 125])
def test_a_short_text_that_has_come_alone_is_read(text: str) -> None:
    payload = text.encode()
    frame = make_frame(TEXT, payload)
    assert lone_masked_text(frame, len(payload)) == text
    assert lone_masked_text(frame, len(payload) - 1) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        make_frame(TEXT, b""),
        make_frame(TEXT, b"a" * 126),
        make_frame(TEXT, b"a", mask=None),
        make_frame(BINARY, b"a"),
        make_frame(PONG, b"a"),
        make_frame(TEXT, b"a")[:-1],
        make_frame(TEXT, b"a") + b"\x81",
        make_frame(TEXT, b"a") * 2,
        make_frame(TEXT, b"\xff"),
    ],
)
def test_anything_else_is_not_a_short_text_that_has_come_alone(data: bytes) -> None:
    assert lone_masked_text(data, 1000) is None
