import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.errors import PacketDecodeError
from txengineio.protocol.handshake import Handshake

SID = "lv_VI97HAXpY6yYWAAAC"
FIELDS = {
    "sid": SID,
    "upgrades": ["websocket"],
    "pingInterval": 25000,
    "pingTimeout": 20000,
    "maxPayload": 1000000,
}
HANDSHAKE = Handshake(
    sid=SID,
    upgrades=("websocket",),
    ping_interval=25.0,
    ping_timeout=20.0,
    max_payload=1_000_000,
)


def test_json_has_the_keys_in_order_and_whole_milliseconds() -> None:
    assert HANDSHAKE.to_json() == (
        '{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],'
        '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )


def test_json_does_not_tell_what_is_not_limited() -> None:
    handshake = Handshake(
        sid="a", upgrades=(), ping_interval=0.3, ping_timeout=0.2, max_payload=None
    )

    assert handshake.to_json() == (
        '{"sid":"a","upgrades":[],"pingInterval":300,"pingTimeout":200}'
    )


def test_handshake_is_read_in_seconds() -> None:
    assert Handshake.parse(json.dumps(FIELDS)) == HANDSHAKE


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert Handshake.parse(json.dumps({**FIELDS, "color": "red"})) == HANDSHAKE


def test_payload_limit_may_be_missing() -> None:
    fields = {name: FIELDS[name] for name in FIELDS if name != "maxPayload"}

    assert Handshake.parse(json.dumps(fields)).max_payload is None


def test_numbers_may_be_written_as_javascript_likes() -> None:
    text = json.dumps(FIELDS).replace("1000000", "1e6").replace("25000", "25000.5")

    handshake = Handshake.parse(text)

    assert handshake.max_payload == 1_000_000
    assert isinstance(handshake.max_payload, int)
    assert handshake.ping_interval == 25.0005


@pytest.mark.parametrize(
    "text",
    ["", "{", "hello", "{'sid': 1}", "[" * 100_000, '{"a": ' + "9" * 5_000 + "}"],
    ids=lambda text: text[:8],
)
def test_text_that_is_not_json_is_an_error(text: str) -> None:
    with pytest.raises(PacketDecodeError, match="not JSON, expected an object"):
        Handshake.parse(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("[]", "list"), ("1", "int"), ("null", "NoneType"), ('"a"', "str")],
)
def test_json_that_is_no_object_is_an_error(text: str, kind: str) -> None:
    with pytest.raises(PacketDecodeError, match=f"type {kind}, expected an object"):
        Handshake.parse(text)


@pytest.mark.parametrize("sid", ["", "lv_VI97HAXpY6yYWAAAC", 'a"b\\c\n', "é€😀"])
@pytest.mark.parametrize("max_payload", [1000, None])
def test_a_template_makes_what_each_handshake_would(
    sid: str, max_payload: int | None
) -> None:
    template = replace(HANDSHAKE, sid="", max_payload=max_payload).template()
    handshake = replace(HANDSHAKE, sid=sid, max_payload=max_payload)
    assert template.to_json(sid) == handshake.to_json()


@pytest.mark.parametrize("name", ["sid", "upgrades", "pingInterval", "pingTimeout"])
def test_missing_field_is_an_error_that_names_it(name: str) -> None:
    fields = {other: FIELDS[other] for other in FIELDS if other != name}

    with pytest.raises(PacketDecodeError, match=f"bad {name} in the handshake"):
        Handshake.parse(json.dumps(fields))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sid", '""'),
        ("sid", "12"),
        ("sid", "null"),
        ("upgrades", '"websocket"'),
        ("upgrades", "[1]"),
        ("upgrades", "{}"),
        *[
            (name, value)
            for name in ("pingInterval", "pingTimeout", "maxPayload")
            for value in ('"25000"', "true", "null", "0", "-1", "NaN", "Infinity")
        ],
        ("pingInterval", "1e999"),
        ("pingTimeout", "9" * 400),
        ("maxPayload", "0.5"),
    ],
)
def test_field_that_makes_no_sense_is_an_error_that_names_it(
    name: str, value: str
) -> None:
    rest = {other: FIELDS[other] for other in FIELDS if other != name}
    text = json.dumps(rest)[:-1] + f', "{name}": {value}}}'

    with pytest.raises(PacketDecodeError, match=f"bad {name} in the handshake"):
        Handshake.parse(text)


@given(
    st.builds(
        Handshake,
        sid=st.text(min_size=1),
        upgrades=st.lists(st.text()).map(tuple),
        ping_interval=st.integers(1, 10**9).map(lambda number: number / 1000),
        ping_timeout=st.integers(1, 10**9).map(lambda number: number / 1000),
        max_payload=st.none() | st.integers(1, 2**53 - 1),
    )
)
def test_every_handshake_comes_back(handshake: Handshake) -> None:
    assert Handshake.parse(handshake.to_json()) == handshake


@given(st.text() | st.recursive(st.none() | st.floats(), st.lists).map(json.dumps))
def test_anything_else_is_a_decode_error(text: str) -> None:
    with pytest.raises(PacketDecodeError):
        Handshake.parse(text)
