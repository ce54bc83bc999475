import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.errors import PacketDecodeError
from txengineio.protocol.jsonp import unwrap_jsonp_form, wrap_jsonp

TRICKY_TEXT = st.text(alphabet="\\n\n\"'</!->\u2028\u2029scriptd=&+% €😀")


@pytest.mark.parametrize(
    ("index", "payload", "script"),
    [
        ("0", "4hi", '___eio[0]("4hi");'),
        ("0", "3:4hi", '___eio[0]("3:4hi");'),
        ("12", "1", '___eio[12]("1");'),
        ("", "1:1", '___eio[]("1:1");'),
        ("0", '4"\\\n\x1e2', '___eio[0]("4\\"\\\\\\n\\u001e2");'),
        ("0", "4€😀", '___eio[0]("4€😀");'),
        ("0", "4\u2028\u2029", '___eio[0]("4\\u2028\\u2029");'),
        ("0", "4</script>", '___eio[0]("4\\u003c/script>");'),
        ("0", "4<!--", '___eio[0]("4\\u003c!--");'),
    ],
)
def test_payload_becomes_the_argument_of_the_callback(
    index: str, payload: str, script: str
) -> None:
    assert wrap_jsonp(index, payload) == script


@given(st.text() | TRICKY_TEXT)
def test_script_hands_over_the_payload_and_cannot_be_ended_by_it(payload: str) -> None:
    script = wrap_jsonp("7", payload)
    match = re.fullmatch(r"___eio\[7\]\((.*)\);", script, re.DOTALL)

    assert match is not None
    assert json.loads(match[1]) == payload
    assert not set(script) & set("<\n\r\u2028\u2029")


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b"d=4hi", "4hi"),
        (b"d=", ""),
        (b"d", ""),
        (b"a=1&d=4hi&b=2", "4hi"),
        (b"add=1&d=4hi&dd=2&&a=d", "4hi"),
        (b"d=4a\n&b=2", "4a\n"),
        (b"%64=4hi", "4hi"),
        (b"d=4a+b%2B%26%3D", "4a b+&="),
        (b"d=4a=b", "4a=b"),
        (b"d=4%E2%82%AC", "4€"),
        (b"d=4\xe2\x82\xac", "4€"),
        (b"d=4a%5Cnb", "4a\nb"),
        (b"d=4a\\nb", "4a\nb"),
        (b"d=4a\\\\nb", "4a\\nb"),
        (b"d=4a\\\\\\nb", "4a\\\\nb"),
        (b"d=4a\\tb", "4a\\tb"),
        (b"d=4a%0Ab", "4a\nb"),
        (b"d=4%zz", "4%zz"),
    ],
)
def test_payload_is_read_from_the_form(body: bytes, payload: str) -> None:
    assert unwrap_jsonp_form(body) == payload


@pytest.mark.parametrize("body", [b"", b"4hi", b"D=4hi", b"d=4a&d=4b", b"d=4a&%64=4b"])
def test_form_without_exactly_one_payload_has_none(body: bytes) -> None:
    assert unwrap_jsonp_form(body) is None


@pytest.mark.parametrize("body", [b"d=4%FF", b"d=4\xff", b"d=4%ED%A0%80"])
def test_payload_that_is_not_utf8_is_an_error(body: bytes) -> None:
    with pytest.raises(PacketDecodeError, match="expected UTF-8"):
        unwrap_jsonp_form(body)


@given(text=st.text() | TRICKY_TEXT, encode=st.sampled_from([quote, quote_plus]))
def test_what_a_client_escapes_comes_back(
    text: str, encode: Callable[[str], str]
) -> None:
    # What the client libraries do: first the backslashes before an n, then line feeds.
    escaped = text.replace("\\n", "\\\\n").replace("\n", "\\n")
    # A backslash before a line feed cannot be told from an escaped \n.
    if "\\\n" in text or "\\\\n" in text:
        return

    assert unwrap_jsonp_form(f"d={encode(escaped)}".encode()) == text


@given(st.binary())
def test_any_body_is_a_payload_none_or_a_decode_error(body: bytes) -> None:
    try:
        payload = unwrap_jsonp_form(body)
    except PacketDecodeError:
        return
    assert payload is None or isinstance(payload, str)
