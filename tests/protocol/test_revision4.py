import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.payloads import (
    LIKELY_TEXT,
    PACKETS,
    CountingText,
    packets_before_the_error,
)
from txengineio.errors import LocalProtocolError, PacketDecodeError
from txengineio.protocol.packets import Packet, PacketType, message_data
from txengineio.protocol.revision4 import Revision4Codec
from txengineio.protocol.text import decode_utf8, encode_utf8

CODEC = Revision4Codec()
MESSAGE = PacketType.MESSAGE
FOUR_BYTES = b"\x01\x02\x03\x04"

# Text in which a payload does not mistake anything for its separator.
WITHOUT_SEPARATOR = PACKETS.filter(
    lambda packet: not isinstance(packet[1], str) or "\x1e" not in packet[1]
)


@pytest.mark.behaviour("B178")
def test_text_message_is_the_digit_and_the_text() -> None:
    assert CODEC.encode_frame(MESSAGE, "test") == "4test"
    assert CODEC.decode_frame("4test") == (MESSAGE, "test")


@pytest.mark.behaviour("B179")
@pytest.mark.parametrize("frame", ["", "a123"])
def test_frame_without_a_type_is_an_error(frame: str) -> None:
    with pytest.raises(PacketDecodeError, match="expected a digit from 0 to 6"):
        CODEC.decode_frame(frame)


@pytest.mark.behaviour("B180")
def test_payload_joins_packets_with_the_separator() -> None:
    packets: list[Packet] = [
        (PacketType.OPEN, None),
        (PacketType.CLOSE, None),
        (PacketType.PING, "probe"),
        (PacketType.PONG, "probe"),
        (MESSAGE, "test"),
    ]
    body = "0\x1e1\x1e2probe\x1e3probe\x1e4test"

    assert CODEC.encode_payload(packets) == body
    assert list(CODEC.decode_payload(body)) == packets


@pytest.mark.behaviour("B181")
@pytest.mark.parametrize("body", ["{", "{}", '["a123", "a456"]'])
def test_payload_that_is_something_else_is_one_error(body: str) -> None:
    packets, error = packets_before_the_error(CODEC.decode_payload(body))

    assert packets == []
    assert error is not None


@pytest.mark.behaviour("B182", "B188")
def test_binary_message_is_its_bytes() -> None:
    assert CODEC.encode_frame(MESSAGE, FOUR_BYTES) == FOUR_BYTES
    assert CODEC.decode_frame(FOUR_BYTES) == (MESSAGE, FOUR_BYTES)


@pytest.mark.behaviour("B183")
def test_binary_message_is_base64_where_binary_is_not_supported() -> None:
    frame = CODEC.encode_frame(MESSAGE, FOUR_BYTES, supports_binary=False)

    assert frame == "bAQIDBA=="
    assert CODEC.decode_frame("bAQIDBA==") == (MESSAGE, FOUR_BYTES)


@pytest.mark.behaviour("B185")
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_like_message_is_the_same_base64(
    kind: type[bytearray | memoryview],
) -> None:
    data = message_data(kind(FOUR_BYTES))

    assert CODEC.encode_frame(MESSAGE, data, supports_binary=False) == "bAQIDBA=="


@pytest.mark.behaviour("B189")
@pytest.mark.parametrize("supports_binary", [True, False])
def test_payload_has_binary_messages_as_base64(supports_binary: bool) -> None:
    packets: list[Packet] = [(MESSAGE, "test"), (MESSAGE, FOUR_BYTES)]

    body = CODEC.encode_payload(packets, supports_binary)

    assert body == "4test\x1ebAQIDBA=="
    assert list(CODEC.decode_payload(body)) == packets


@pytest.mark.parametrize(
    ("packets", "on_the_wire"),
    [
        (
            [(MESSAGE, "hello"), (PacketType.PING, None), (MESSAGE, "world")],
            "34 68 65 6c 6c 6f 1e 32 1e 34 77 6f 72 6c 64",
        ),
        (
            [(MESSAGE, "€"), (MESSAGE, b"\x01\x02")],
            "34 e2 82 ac 1e 62 41 51 49 3d",
        ),
    ],
)
def test_payload_is_utf8_on_the_wire(packets: list[Packet], on_the_wire: str) -> None:
    body = bytes.fromhex(on_the_wire)

    assert encode_utf8(CODEC.encode_payload(packets)) == body
    assert list(CODEC.decode_payload(decode_utf8(body))) == packets


@pytest.mark.parametrize(
    ("data", "frame", "decoded"),
    [("", "4", ""), (None, "4", ""), (b"", b"", b"")],
)
def test_empty_messages_are_empty_text_or_bytes(
    data: str | bytes | None, frame: str | bytes, decoded: str | bytes
) -> None:
    assert CODEC.encode_frame(MESSAGE, data) == frame
    assert CODEC.decode_frame(frame) == (MESSAGE, decoded)


def test_empty_binary_message_in_base64_is_the_letter_alone() -> None:
    assert CODEC.encode_frame(MESSAGE, b"", supports_binary=False) == "b"
    assert CODEC.decode_frame("b") == (MESSAGE, b"")


@pytest.mark.parametrize("digit", ["0", "5", "6"])
def test_packets_that_carry_nothing_may_have_data(digit: str) -> None:
    assert CODEC.decode_frame(f"{digit}x") == (PacketType(int(digit)), "x")


def test_base64_may_come_without_padding() -> None:
    assert CODEC.decode_frame("bAQIDBA") == (MESSAGE, FOUR_BYTES)


@pytest.mark.parametrize("frame", ["b!!!", "bAQID-_==", "b4AQIDBA=="])
def test_bad_base64_is_an_error(frame: str) -> None:
    with pytest.raises(PacketDecodeError, match="bad base64"):
        CODEC.decode_frame(frame)


@pytest.mark.parametrize(
    "packet_type", [kind for kind in PacketType if kind is not MESSAGE]
)
def test_only_messages_can_be_binary(packet_type: PacketType) -> None:
    with pytest.raises(LocalProtocolError, match=packet_type.name):
        CODEC.encode_frame(packet_type, b"x")
    with pytest.raises(LocalProtocolError, match=packet_type.name):
        CODEC.encode_frame(packet_type, b"x", supports_binary=False)
    with pytest.raises(LocalProtocolError, match=packet_type.name):
        CODEC.encode_payload([(packet_type, b"x")])


@pytest.mark.parametrize(
    ("body", "leading"),
    [
        ("", []),
        ("\x1e", []),
        ("\x1e4a", []),
        ("4a\x1e", ["a"]),
        ("4a\x1e\x1e4b", ["a"]),
        ("4a\x1e4b\x1ex\x1e4c", ["a", "b"]),
        ("4a\x1eb!\x1e4c", ["a"]),
    ],
)
def test_payload_yields_what_stands_before_the_first_error(
    body: str, leading: list[str]
) -> None:
    packets, error = packets_before_the_error(CODEC.decode_payload(body))

    assert packets == [(MESSAGE, text) for text in leading]
    assert error is not None


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("last", ["", "x", "b!"])
def test_a_payload_of_any_number_of_packets_yields_them_in_order(
    count: int, last: str
) -> None:
    texts = [str(number) for number in range(count)]
    body = "\x1e".join(f"4{text}" for text in texts)
    messages = [(MESSAGE, text) for text in texts]

    assert list(CODEC.decode_payload(body)) == messages
    packets, error = packets_before_the_error(CODEC.decode_payload(f"{body}\x1e{last}"))
    assert packets == messages
    assert error is not None


def test_binary_payload_is_an_error_at_the_first_step() -> None:
    packets = CODEC.decode_payload(b"4a")

    with pytest.raises(PacketDecodeError, match="binary payload, expected text"):
        next(packets)


def test_close_packet_does_not_end_a_payload() -> None:
    assert list(CODEC.decode_payload("1\x1e4a")) == [
        (PacketType.CLOSE, None),
        (MESSAGE, "a"),
    ]


@given(PACKETS, st.booleans())
def test_every_packet_comes_back_from_a_frame(
    packet: Packet, supports_binary: bool
) -> None:
    packet_type, data = packet
    if packet_type is not MESSAGE and isinstance(data, bytes):
        return

    frame = CODEC.encode_frame(packet_type, data, supports_binary)

    assert CODEC.decode_frame(frame) == packet


@given(st.lists(WITHOUT_SEPARATOR, min_size=1), st.booleans())
def test_every_list_of_packets_comes_back_from_a_payload(
    packets: list[Packet], supports_binary: bool
) -> None:
    body = encode_utf8(CODEC.encode_payload(packets, supports_binary))

    assert list(CODEC.decode_payload(decode_utf8(body))) == packets


@given(st.text() | LIKELY_TEXT)
def test_any_text_is_packets_or_a_decode_error(body: str) -> None:
    packets, error = packets_before_the_error(CODEC.decode_payload(body))

    found = len(packets) + (error is not None)
    assert found == body.count("\x1e") + 1 or error is not None


@pytest.mark.parametrize("packet", ["4", "4hello", "b", "6"])
def test_payload_is_decoded_in_linear_time(packet: str) -> None:
    body = CountingText("\x1e".join([packet] * 5_000))

    assert sum(1 for _ in CODEC.decode_payload(body)) == 5_000
    assert body.touched <= 2 * len(body)


def test_packets_are_decoded_only_when_they_are_asked_for() -> None:
    body = CountingText("4a\x1e" * 5_000)

    next(CODEC.decode_payload(body))

    assert body.touched < 10
