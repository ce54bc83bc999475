"""Frames: only who knows the secret makes them, for one channel of one cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.cluster.broker.frames import (
    BadFrame,
    Frame,
    Own,
    Seal,
    decode_member,
    encode_member,
)
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member

FRAME = Frame(
    kind=b"b", sender="n1", incarnation=b"12345678", serial=9, number=7, payload=b"hi"
)
SEAL = Seal(b"secret", "chat")
ENCODED = SEAL.encode(b"all", FRAME)


@given(
    kind=st.binary(min_size=1, max_size=1),
    sender=st.from_regex(r"[0-9A-Za-z]{1,12}", fullmatch=True),
    serial=st.integers(0, 2**64 - 1),
    number=st.integers(0, 2**64 - 1),
    payload=st.binary(max_size=300),
)
def test_frame_comes_as_it_was(
    kind: bytes, sender: str, serial: int, number: int, payload: bytes
) -> None:
    frame = replace(FRAME, kind=kind, sender=sender, payload=payload)
    frame = replace(frame, serial=serial, number=number)
    assert SEAL.decode(b"all", SEAL.encode(b"all", frame)) == frame


@pytest.mark.parametrize("position", range(1, len(ENCODED)))
def test_changed_byte_is_found_out(position: int) -> None:
    changed = bytearray(ENCODED)
    changed[position] ^= 1
    with pytest.raises(BadFrame) as raised:
        SEAL.decode(b"all", bytes(changed))
    assert raised.value.reason == "forged"


@pytest.mark.parametrize("size", range(1, len(ENCODED)))
def test_cut_frame_is_found_out(size: int) -> None:
    with pytest.raises(BadFrame):
        SEAL.decode(b"all", ENCODED[:size])


@given(st.binary(max_size=200))
def test_anything_else_is_found_out(data: bytes) -> None:
    with pytest.raises(BadFrame):
        SEAL.decode(b"all", data)


@pytest.mark.parametrize(
    ("channel", "seal"),
    [
        (b"node:n1", SEAL),
        (b"all", Seal(b"other", "chat")),
        (b"all", Seal(b"secret", "other")),
    ],
)
def test_frame_is_for_one_channel_of_one_cluster(channel: bytes, seal: Seal) -> None:
    with pytest.raises(BadFrame):
        seal.decode(channel, ENCODED)


def test_other_version_is_told_from_a_forgery() -> None:
    with pytest.raises(BadFrame) as raised:
        SEAL.decode(b"all", b"\x02" + ENCODED[1:])
    assert raised.value.reason == "version"


def test_kinds_of_the_membership_are_its_own() -> None:
    assert FRAME.own is None
    assert replace(FRAME, kind=b"\x02").own is Own.LEFT


@pytest.mark.parametrize("address", ["", "[::1]:7000", "n1.example:7000"])
def test_member_comes_as_it_was(address: str) -> None:
    member = Member("n1", address, Load("3", 70_000, draining=True))
    assert decode_member("n1", encode_member(member)) == member


@pytest.mark.parametrize("payload", [b"", b"\x05abc", b"\x00", b"\x01\xff" + bytes(5)])
def test_what_is_no_member_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_member("n1", payload)
