import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.errors import PacketDecodeError
from txengineio.protocol.text import decode_utf8, encode_utf8, utf16_length

ANY_TEXT = st.text()  # without surrogates
WITH_SURROGATES = st.text(alphabet="a€😀\ud83d\ude00\ud800\udfff")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("hello", b"hello"),
        ("€", b"\xe2\x82\xac"),
        ("😀", b"\xf0\x9f\x98\x80"),
        ("a\ud800b", b"a\xef\xbf\xbdb"),
        ("\udc00\ud800", b"\xef\xbf\xbd\xef\xbf\xbd"),
        ("\ud83d\ude00", b"\xf0\x9f\x98\x80"),
        ("\ud83d\ud83d\ude00", b"\xef\xbf\xbd\xf0\x9f\x98\x80"),
    ],
)
def test_utf8_replaces_surrogates_that_stand_alone(text: str, expected: bytes) -> None:
    assert encode_utf8(text) == expected


@given(ANY_TEXT)
def test_utf8_comes_back(text: str) -> None:
    assert decode_utf8(encode_utf8(text)) == text


@given(ANY_TEXT | WITH_SURROGATES)
def test_utf8_keeps_the_length_that_the_peer_counts(text: str) -> None:
    assert utf16_length(decode_utf8(encode_utf8(text))) == utf16_length(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("abc", 3), ("ä€", 2), ("😀", 2), ("a😀€", 4), ("\ud83d", 1)],
)
def test_utf16_length_is_what_javascript_counts(text: str, expected: int) -> None:
    assert utf16_length(text) == expected


@pytest.mark.parametrize(
    ("data", "position"),
    [
        (b"4\xff", 1),
        (b"4ab\xc3", 3),
        (b"\xed\xa0\x80", 0),  # a surrogate
        (b"\xc0\x80", 0),  # an overlong zero
    ],
)
def test_bad_utf8_is_an_error_that_tells_where(data: bytes, position: int) -> None:
    with pytest.raises(PacketDecodeError, match=f"expected UTF-8: .* {position}$"):
        decode_utf8(data)
