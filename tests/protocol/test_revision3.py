import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.payloads import (
    LIKELY_BYTES,
    LIKELY_TEXT,
    PACKETS,
    CountingBytes,
    CountingText,
    packets_before_the_error,
)
from txengineio.errors import PacketDecodeError
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.revision3 import MAX_LENGTH_DIGITS, Revision3Codec
from txengineio.protocol.text import decode_utf8, encode_utf8

CODEC = Revision3Codec()
CLOSE = PacketType.CLOSE
PING = PacketType.PING
MESSAGE = PacketType.MESSAGE
FOUR_BYTES = b"\x01\x02\x03\x04"

BINARY_CONTROL_PACKETS = st.tuples(
    st.sampled_from([kind for kind in PacketType if kind is not MESSAGE]),
    st.binary(min_size=1),
)
ALL_PACKETS: st.SearchStrategy[Packet] = PACKETS | BINARY_CONTROL_PACKETS


def without_close(packet: Packet) -> bool:
    return packet[0] is not CLOSE


@pytest.mark.parametrize(
    ("packet", "binary_frame", "text_frame"),
    [
        ((MESSAGE, "hello"), "4hello", "4hello"),
        ((MESSAGE, ""), "4", "4"),
        ((PING, None), "2", "2"),
        ((PING, "probe"), "2probe", "2probe"),
        ((MESSAGE, b"\x01\x02"), b"\x04\x01\x02", "b4AQI="),
        ((MESSAGE, FOUR_BYTES), b"\x04\x01\x02\x03\x04", "b4AQIDBA=="),
        ((MESSAGE, b""), b"\x04", "b4"),
        ((PING, b"x"), b"\x02x", "b2eA=="),
    ],
)
def test_frame_is_binary_only_for_binary_data_and_peers_that_take_it(
    packet: Packet, binary_frame: str | bytes, text_frame: str
) -> None:
    assert CODEC.encode_frame(*packet) == binary_frame
    assert CODEC.encode_frame(*packet, supports_binary=False) == text_frame
    assert CODEC.decode_frame(binary_frame) == packet
    assert CODEC.decode_frame(text_frame) == packet


@pytest.mark.parametrize("frame", [b"\x02", "b2", "2"])
def test_nothing_after_the_type_is_none_in_every_form(frame: str | bytes) -> None:
    assert CODEC.decode_frame(frame) == (PING, None)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ("", "empty packet"),
        ("a123", "packet type 'a'"),
        ("9", "packet type '9'"),
        ("b", "empty packet"),
        ("b9AA", "packet type '9'"),
        ("bb4AA", "packet type 'b'"),
        ("b4!!!", "bad base64"),
        ("b4-_-_", "bad base64"),
        (b"", "empty packet, expected a byte from 0 to 6"),
        (b"\x07", "packet type 0x07, expected a byte from 0 to 6"),
        (b"\x09\x01", "packet type 0x09"),
        (b"4hello", "packet type 0x34"),
    ],
)
def test_bad_frames_are_errors(frame: str | bytes, problem: str) -> None:
    with pytest.raises(PacketDecodeError, match=f"^{problem}"):
        CODEC.decode_frame(frame)


@pytest.mark.parametrize(
    ("packets", "body"),
    [
        ([(MESSAGE, "hello"), (MESSAGE, "€")], "6:4hello2:4€"),
        ([(MESSAGE, "😀")], "3:4😀"),
        ([(MESSAGE, "€"), (MESSAGE, FOUR_BYTES)], "2:4€10:b4AQIDBA=="),
        ([(MESSAGE, "a:b"), (PING, None)], "4:4a:b1:2"),
        ([(MESSAGE, "\x1e")], "2:4\x1e"),
        ([], "0:"),
    ],
)
def test_text_payload_counts_utf16_units(packets: list[Packet], body: str) -> None:
    assert CODEC.encode_payload(packets, supports_binary=False) == body
    assert list(CODEC.decode_payload(body)) == packets


@pytest.mark.parametrize(
    ("packets", "on_the_wire"),
    [
        (
            [(MESSAGE, "€"), (MESSAGE, FOUR_BYTES)],
            "00 04 ff 34 e2 82 ac 01 05 ff 04 01 02 03 04",
        ),
        (
            [(MESSAGE, "😀"), (MESSAGE, b"\x01")],
            "00 05 ff 34 f0 9f 98 80 01 02 ff 04 01",
        ),
        ([(MESSAGE, b"\x00" * 123)], "01 01 02 04 ff 04" + " 00" * 123),
        ([(MESSAGE, b"\x00" * 259)], "01 02 06 00 ff 04" + " 00" * 259),
    ],
)
def test_binary_payload_counts_bytes(packets: list[Packet], on_the_wire: str) -> None:
    body = bytes.fromhex(on_the_wire)

    assert CODEC.encode_payload(packets) == body
    assert list(CODEC.decode_payload(body)) == packets


@pytest.mark.behaviour("B177")
def test_text_in_a_binary_payload_comes_back() -> None:
    body = CODEC.encode_payload([(MESSAGE, "€€€€"), (MESSAGE, b"\x01\x02\x03")])

    assert isinstance(body, bytes)
    assert next(CODEC.decode_payload(body)) == (MESSAGE, "€€€€")


@pytest.mark.parametrize(
    ("packets", "supports_binary", "kind"),
    [
        ([(MESSAGE, "a")], True, str),
        ([(MESSAGE, "a"), (MESSAGE, b"a")], True, bytes),
        ([(MESSAGE, "a"), (MESSAGE, b"a")], False, str),
    ],
)
def test_each_batch_has_the_form_that_it_needs(
    packets: list[Packet], supports_binary: bool, kind: type[str | bytes]
) -> None:
    assert isinstance(CODEC.encode_payload(packets, supports_binary), kind)


def test_lone_surrogates_are_replaced_in_a_binary_payload() -> None:
    body = CODEC.encode_payload([(MESSAGE, "\ud800"), (MESSAGE, b"")])

    assert body == bytes.fromhex("00 04 ff 34 ef bf bd 01 01 ff 04")


def test_lone_surrogates_count_one_in_a_text_payload() -> None:
    assert CODEC.encode_payload([(MESSAGE, "\ud800")]) == "2:4\ud800"


def test_empty_packets_in_a_text_payload_are_skipped() -> None:
    assert list(CODEC.decode_payload("0:2:4a0:")) == [(MESSAGE, "a")]


def test_run_of_empty_packets_is_skipped_at_once() -> None:
    body = CountingText("0:00:" * 5_000 + "2:4a")

    assert list(CODEC.decode_payload(body)) == [(MESSAGE, "a")]
    assert body.touched < 20


def test_zeros_may_lead_a_length() -> None:
    assert list(CODEC.decode_payload("02:4a")) == [(MESSAGE, "a")]


def test_close_packet_ends_a_text_payload() -> None:
    assert list(CODEC.decode_payload("1:12:4arubbish")) == [(CLOSE, None)]


def test_close_packet_does_not_end_a_binary_payload() -> None:
    body = CODEC.encode_payload([(CLOSE, None), (MESSAGE, b"a")])

    assert list(CODEC.decode_payload(body)) == [(CLOSE, None), (MESSAGE, b"a")]


def test_base64_packet_in_a_binary_payload_is_decoded() -> None:
    body = b"\x00\x06\xffb4AQI="

    assert list(CODEC.decode_payload(body)) == [(MESSAGE, b"\x01\x02")]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("rubbish", "bad length"),
        ("4a", "bad length"),
        (":4a", "bad length"),
        ("3:4a", "truncated packet, expected a length of 3, found 2"),
        ("1:", "truncated packet, expected a length of 1, found 0"),
        ("2:x", "truncated packet"),
        ("2:xa2:4b", "packet type 'x'"),
        ("3:b4!2:4b", "bad base64"),
        # All that JavaScript takes for a number, and Python's int() besides.
        (" 2:4a", "bad length"),
        ("2.0:4a", "bad length"),
        ("0x2:4a", "bad length"),
        ("1e0:4", "bad length"),
        ("+2:4a", "bad length"),
        ("-2:4a", "bad length"),
        ("1_0:4aaaaaaaaa", "bad length"),
        ("٢:4a", "bad length"),
        ("²:4a", "bad length"),
    ],
)
@pytest.mark.parametrize("leading", ["a", "€", "😀"])
def test_text_payload_ends_at_the_first_error(
    rest: str, problem: str, leading: str
) -> None:
    start = CODEC.encode_payload([(MESSAGE, leading)])

    packets, error = packets_before_the_error(CODEC.decode_payload(f"{start!s}{rest}"))

    assert packets == [(MESSAGE, leading)]
    assert error is not None
    assert error.problem.startswith(problem)


@pytest.mark.parametrize("body", ["", b""])
def test_empty_payload_is_an_error(body: str | bytes) -> None:
    with pytest.raises(PacketDecodeError, match="empty payload"):
        next(CODEC.decode_payload(body))


@pytest.mark.parametrize("rest", ["", "2:4a"])
def test_length_that_cuts_a_character_yields_its_half_and_is_an_error(
    rest: str,
) -> None:
    packets, error = packets_before_the_error(CODEC.decode_payload(f"2:4😀{rest}"))

    assert packets == [(MESSAGE, "\ud83d")]
    assert error is not None
    assert error.problem.startswith("length ends within a character")


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("02 02 ff 34 61", "kind of packet 0x02, expected 0 or 1"),
        ("34 61", "kind of packet 0x34"),
        ("00", "bad length"),
        ("00 ff 34", "bad length"),
        ("00 02 34 61", "bad length"),
        ("00 32 ff 34 61", "bad length"),
        ("00 0a ff 34 61", "bad length"),
        ("00 2d 02 ff 34 61", "bad length"),
        ("00 00 ff", "empty packet, expected a digit"),
        ("01 00 ff", "empty packet, expected a byte"),
        ("00 05 ff 34 61", "truncated packet, expected a length of 5, found 2"),
        ("01 02 ff 04", "truncated packet, expected a length of 2, found 1"),
        ("00 02 ff 34 e2", "bad text, expected UTF-8"),
        ("00 02 ff 78 61", "packet type 'x'"),
        ("01 02 ff 09 01", "packet type 0x09"),
    ],
)
def test_binary_payload_ends_at_the_first_error(rest: str, problem: str) -> None:
    body = bytes.fromhex("00 02 ff 34 61" + rest)

    packets, error = packets_before_the_error(CODEC.decode_payload(body))

    assert packets == [(MESSAGE, "a")]
    assert error is not None
    assert error.problem.startswith(problem)


def test_length_may_have_as_many_digits_as_the_reference_takes() -> None:
    zeros = MAX_LENGTH_DIGITS - 1

    assert list(CODEC.decode_payload("0" * zeros + "2:4a")) == [(MESSAGE, "a")]
    assert list(CODEC.decode_payload(b"\x00" + b"\x00" * zeros + b"\x02\xff4a")) == [
        (MESSAGE, "a")
    ]


@pytest.mark.parametrize(
    "body",
    [
        "0" * MAX_LENGTH_DIGITS + "2:4a",
        b"\x00" * (MAX_LENGTH_DIGITS + 1) + b"\x02\xff4a",
        "9" * 5_000 + ":4a",
        b"\x00" + b"\x09" * 5_000 + b"\xff4a",
    ],
)
def test_length_with_more_digits_is_an_error(body: str | bytes) -> None:
    with pytest.raises(PacketDecodeError, match="bad length"):
        next(CODEC.decode_payload(body))


@pytest.mark.parametrize("text", ["4a", "4😀"])
def test_length_with_that_many_nines_is_only_a_truncated_packet(text: str) -> None:
    with pytest.raises(PacketDecodeError, match="truncated packet"):
        next(CODEC.decode_payload("9" * MAX_LENGTH_DIGITS + f":{text}"))


@given(ALL_PACKETS, st.booleans())
def test_every_packet_comes_back_from_a_frame(
    packet: Packet, supports_binary: bool
) -> None:
    frame = CODEC.encode_frame(*packet, supports_binary)

    assert CODEC.decode_frame(frame) == packet


@given(st.lists(ALL_PACKETS.filter(without_close), min_size=1), st.booleans())
def test_every_list_of_packets_comes_back_from_a_payload(
    packets: list[Packet], supports_binary: bool
) -> None:
    body = CODEC.encode_payload(packets, supports_binary)
    if isinstance(body, str):
        body = decode_utf8(encode_utf8(body))

    assert list(CODEC.decode_payload(body)) == packets


@given(st.text() | LIKELY_TEXT | st.binary() | LIKELY_BYTES)
def test_anything_is_packets_or_a_decode_error(body: str | bytes) -> None:
    packets, error = packets_before_the_error(CODEC.decode_payload(body))

    assert len(packets) <= len(body)
    assert error is None or error.problem


@pytest.mark.parametrize("packet", ["1:4", "6:4hello", "3:4😀", "0:"])
@pytest.mark.parametrize("last", ["1:4", "3:4😀", "9999999:4", "4"])
def test_text_payload_is_decoded_in_linear_time(packet: str, last: str) -> None:
    body = CountingText(packet * 5_000 + last)

    packets_before_the_error(CODEC.decode_payload(body))

    assert body.touched <= 3 * len(body)


@pytest.mark.parametrize("packet", [b"\x00\x01\xff4", b"\x01\x06\xff\x04hello"])
@pytest.mark.parametrize("last", [b"\x00\x01\xff4", b"\x00\x09\x09\x09\xff4", b"\x00"])
def test_binary_payload_is_decoded_in_linear_time(packet: bytes, last: bytes) -> None:
    body = CountingBytes(packet * 5_000 + last)

    packets_before_the_error(CODEC.decode_payload(body))

    assert body.touched <= 3 * len(body)


@pytest.mark.parametrize(
    "body", [CountingText("2:4a" * 5_000), CountingBytes(b"\x00\x02\xff4a" * 5_000)]
)
def test_packets_are_decoded_only_when_they_are_asked_for(
    body: CountingText | CountingBytes,
) -> None:
    next(CODEC.decode_payload(body))

    assert body.touched < 10
