"""Masking is the same for every size, whoever does it."""

from __future__ import annotations

import pytest

from txengineio.websocket import _autobahn, masking
from txengineio.websocket.masking import apply_mask


@pytest.mark.parametrize("mask", [b"\x00\x00\x00\x00", b"\x01\x80\xff\x7f", b"abcd"])
def test_every_byte_meets_its_byte_of_the_mask(mask: bytes) -> None:
    for length in [*range(300), 511, 1024, 4097, 65_536, 70_003]:
        payload = bytes(number * 7 & 0xFF for number in range(length))
        masked = apply_mask(payload, mask, length)
        assert masked == bytes(
            byte ^ mask[position % 4] for position, byte in enumerate(payload)
        )
        assert type(masked) is bytes
        assert apply_mask(masked, mask, length) == payload


def test_it_does_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = bytes(range(256)) * 16
    natively = _autobahn._native_masker()
    assert natively is not None
    monkeypatch.setattr(masking, "_native", None)
    masked = apply_mask(payload, b"mask", len(payload))
    assert masked == natively(payload, b"mask", len(payload))
