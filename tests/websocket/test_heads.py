"""The heads of frames: lengths in their shortest form, and heads of fragments."""

from __future__ import annotations

import pytest

from tests.frames import BINARY, TEXT, make_frame
from txengineio.websocket.heads import MASK_WIDTH, fragment_head, long_length


@pytest.mark.parametrize(
    ("code", "length", "width"), [(126, 126, 2), (126, 65_535, 2), (127, 65_536, 8)]
)
def test_a_long_length_is_read(code: int, length: int, width: int) -> None:
    frame = make_frame(BINARY, bytes(length), mask=None)
    assert frame[1] == code
    assert long_length(b"before" + frame, 8, code) == (length, width)


@pytest.mark.parametrize(("code", "length"), [(126, 125), (127, 126), (127, 65_535)])
def test_a_length_that_is_not_in_its_shortest_form_is_none(
    code: int, length: int
) -> None:
    width = 2 if code == 126 else 8
    frame = make_frame(BINARY, bytes(length), mask=None, length_bytes=width)
    assert frame[1] == code
    assert long_length(frame, 2, code) == (-1, width)


def test_a_masked_length_where_there_must_be_none_is_none() -> None:
    assert long_length(make_frame(BINARY, bytes(200)), 2, 0x80 | 126)[0] == -1


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [bytes(MASK_WIDTH), None])
def test_the_head_of_a_fragment_is_what_comes_before_its_payload(
    mask: bytes | None, length: int
) -> None:
    payload = b"a" * length
    head = fragment_head(TEXT, length, len(mask or b""))
    assert head + payload == make_frame(TEXT, payload, fin=False, mask=mask)
