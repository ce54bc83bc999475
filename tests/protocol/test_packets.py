from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.errors import PacketDecodeError
from txengineio.protocol.packets import (
    PacketType,
    decode_base64,
    decode_text_packet,
    encode_base64,
    encode_text_packet,
    message_data,
)

TYPES_ON_THE_WIRE = [
    ("0", PacketType.OPEN),
    ("1", PacketType.CLOSE),
    ("2", PacketType.PING),
    ("3", PacketType.PONG),
    ("4", PacketType.MESSAGE),
    ("5", PacketType.UPGRADE),
    ("6", PacketType.NOOP),
]


def test_every_type_of_packet_has_its_digit() -> None:
    assert [member for _, member in TYPES_ON_THE_WIRE] == list(PacketType)


@pytest.mark.parametrize(("digit", "packet_type"), TYPES_ON_THE_WIRE)
def test_text_packet_is_the_digit_and_the_data(
    digit: str, packet_type: PacketType
) -> None:
    assert encode_text_packet(packet_type, "data") == f"{digit}data"
    assert decode_text_packet(f"{digit}data") == (packet_type, "data")


@pytest.mark.parametrize(("digit", "packet_type"), TYPES_ON_THE_WIRE)
def test_nothing_after_the_type_is_none_but_for_a_message(
    digit: str, packet_type: PacketType
) -> None:
    expected = "" if packet_type is PacketType.MESSAGE else None

    assert decode_text_packet(digit) == (packet_type, expected)
    assert encode_text_packet(packet_type, "") == digit
    assert encode_text_packet(packet_type, None) == digit


@pytest.mark.parametrize("digit", ["7", "9", "a", "b", " ", "-", "٤", "\x04", "€"])
def test_other_first_characters_are_errors_that_name_them(digit: str) -> None:
    with pytest.raises(PacketDecodeError) as caught:
        decode_text_packet(f"{digit}data")

    assert caught.value.problem == (
        f"packet type {digit!r}, expected a digit from 0 to 6"
    )


def test_empty_text_is_no_packet() -> None:
    with pytest.raises(PacketDecodeError, match="empty packet, expected a digit"):
        decode_text_packet("")


@given(st.binary())
def test_base64_comes_back_with_and_without_padding(data: bytes) -> None:
    text = encode_base64(data)

    assert len(text) % 4 == 0
    assert decode_base64(text) == data
    assert decode_base64(text.rstrip("=")) == data


@pytest.mark.parametrize(
    "text",
    [
        "!!!",
        "AQ ID",
        "AQID\n",
        "-_-_",  # the URL-safe alphabet
        "AQI€",
        "A",
        "AAAAA",
        "=",
        "====",
        "A===",
        "AA===",
        "AAAA=",
        "AAAA====",
        "A=AA",
        "AA==AA==",
        "AAA==",
    ],
)
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(PacketDecodeError, match="bad base64, expected"):
        decode_base64(text)


@given(st.text())
def test_base64_of_any_text_is_bytes_or_a_decode_error(text: str) -> None:
    try:
        data = decode_base64(text)
    except PacketDecodeError:
        return
    # What was accepted says nothing but its bytes, apart from bits that nobody reads.
    assert len(encode_base64(data).rstrip("=")) == len(text.rstrip("="))


def test_text_and_bytes_are_message_data_as_they_are() -> None:
    text, data = "€", b"\x01"

    assert message_data(text) is text
    assert message_data(data) is data


@pytest.mark.behaviour("B184")
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_like_objects_become_bytes(kind: type[bytearray | memoryview]) -> None:
    data = message_data(kind(b"\x01\x02\x03\x04"))

    assert data == b"\x01\x02\x03\x04"
    assert type(data) is bytes


@pytest.mark.behaviour("B186")
def test_view_of_wider_numbers_is_taken_byte_for_byte() -> None:
    numbers = array("H", [0x0102, 0x0304])

    assert message_data(memoryview(numbers)) == numbers.tobytes()


@pytest.mark.behaviour("B187")
def test_view_of_a_part_is_only_that_part() -> None:
    assert message_data(memoryview(b"\x01\x02\x03\x04")[1:3]) == b"\x02\x03"


@pytest.mark.parametrize("message", [12, True, None, [1, 2], {"a": 1}])
def test_what_is_neither_text_nor_bytes_is_not_guessed(message: object) -> None:
    with pytest.raises(TypeError):
        message_data(message)  # type: ignore[arg-type]
