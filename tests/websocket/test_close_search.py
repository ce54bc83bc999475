"""Looking for a close frame: what is passed over, what is waited for, and the code."""

from __future__ import annotations

import pytest

from tests.frames import BINARY, CLOSE, PING, PONG, TEXT, make_frame
from txengineio.websocket.close_search import close_code, pass_frames

PINGS = make_frame(PING) * 1000


@pytest.mark.parametrize("mask", [b"\x88\x80\x88\x80", None])
@pytest.mark.parametrize("opcode", [TEXT, 0x0, PING, PONG, 0x3, 0xF])
def test_frames_are_passed_whatever_they_hold(opcode: int, mask: bytes | None) -> None:
    sizes = [*range(20), 0, 0, 15, 125, 126, 300, 70_000, 0]
    data = b"before" + b"".join(
        make_frame(opcode, b"\x88" * size, mask=mask) for size in sizes
    )
    assert pass_frames(data, 6) == (len(data), len(data), False)


@pytest.mark.parametrize("size", [1, 5, 15, 16, 125, 126, 70_000])
def test_nothing_is_wanted_of_another_frame_that_is_not_complete(size: int) -> None:
    frame = make_frame(BINARY, b"\x88" * size)
    data = PINGS + frame[:-1]
    assert pass_frames(data, 0) == (len(PINGS), len(data) + 1, False)


@pytest.mark.parametrize(
    ("begun", "needed"), [("81", 2), ("82fe", 4), ("81fe01", 4), ("827f00", 10)]
)
def test_a_frame_is_waited_for_until_its_length_is_known(
    begun: str, needed: int
) -> None:
    data = PINGS + bytes.fromhex(begun)
    assert pass_frames(data, 0) == (len(PINGS), len(PINGS) + needed, True)


@pytest.mark.parametrize("rsv", range(8))
@pytest.mark.parametrize("fin", [True, False])
def test_a_close_frame_is_found_whatever_bits_it_has(rsv: int, fin: bool) -> None:
    close = make_frame(CLOSE, b"\x03\xe8", rsv=rsv, fin=fin)
    end = len(PINGS) + len(close)
    assert pass_frames(PINGS + close + PINGS, 0) == (len(PINGS), end, True)
    assert pass_frames(PINGS + close[:-1], 0) == (len(PINGS), end, True)


def test_a_close_frame_that_is_too_long_is_not_waited_for() -> None:
    close = make_frame(CLOSE, bytes(70_000))
    assert pass_frames(close[:100], 0) == (0, 14 + 125, True)


@pytest.mark.parametrize("mask", [b"\x01\x02\x03\x04", None])
def test_the_code_is_read_if_there_is_one(mask: bytes | None) -> None:
    close = make_frame(CLOSE, b"\x03\xe8bye", mask=mask)
    assert close_code(PINGS + close + PINGS, len(PINGS)) == 1000
    assert close_code(make_frame(CLOSE, b"\x03\xe9", mask=mask), 0) == 1001
    assert close_code(make_frame(CLOSE, b"\x03", mask=mask) + PINGS, 0) is None
    assert close_code(make_frame(CLOSE, mask=mask) + PINGS, 0) is None
