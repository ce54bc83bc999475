from urllib.parse import parse_qsl

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.query import SessionQuery, parse_query, polling_sid

TRANSPORTS = ("polling", "websocket")
PIECES = [
    *(b"transport", b"polling", b"sid", b"EIO", b"4", b"j", b"b64", b"=", b"&"),
    *(b"%", b"+", b"%3", b"%64", b"%ff", b"%ED%A0%80", b"\xff", b";", b"#"),
]
LIKELY_QUERIES = st.lists(st.sampled_from(PIECES)).map(b"".join)


def parse(query_string: bytes) -> SessionQuery:
    return parse_query(query_string, TRANSPORTS)


def polling(parameters: bytes) -> SessionQuery:
    return parse(b"transport=polling&" + parameters)


def test_handshake_by_polling() -> None:
    assert parse(b"EIO=4&transport=polling&t=OgJ8x1s") == SessionQuery(
        transport="polling",
        sid=None,
        revision=4,
        supports_binary=True,
        jsonp_index=None,
        parameters={"EIO": "4", "transport": "polling", "t": "OgJ8x1s"},
    )


SID = "lv_VI97HAXpY6yYWAAAC-"
USUAL = ["EIO=4", "transport=polling", f"sid={SID}"]
OTHERS = [
    *("EIO=3", "transport=websocket", "sid=", "sid=a%20b", "sid=a+b", "sid=\xe9"),
    *("t=OgJ8x1s", "t=1732782000.5", "t=", "t=a%26b", "j=0", "b64=1", "token=x"),
    *("sid", ""),
]


@st.composite
def nearly_usual(draw: st.DrawFn) -> list[str]:
    """Draw the parameters of a poll in any order, with some others or some missing."""
    others = draw(st.lists(st.sampled_from([*OTHERS, *USUAL]), max_size=2))
    missing = draw(st.sets(st.sampled_from(range(3)), max_size=1))
    kept = [each for index, each in enumerate(USUAL) if index not in missing]
    return list(draw(st.permutations([*kept, *others])))


@pytest.mark.parametrize(
    "query_string",
    [
        f"EIO=4&transport=polling&sid={SID}",
        f"transport=polling&EIO=4&sid={SID}",
        f"EIO=4&transport=polling&t=OgJ8x1s&sid={SID}",
        f"EIO=4&transport=polling&sid={SID}&t=OgJ8x1s",
        f"transport=polling&EIO=4&sid={SID}&t=1732782000.123456",
        f"EIO=4&transport=polling&t=a.b-c&sid={SID}&t=",
    ],
)
def test_the_session_of_a_poll(query_string: str) -> None:
    assert polling_sid(query_string.encode()) == SID


@given(nearly_usual().map("&".join))
@example("EIO=4&transport=polling&sid=" + SID)
def test_what_says_the_session_of_a_poll_says_what_parsing_does(text: str) -> None:
    query_string = text.encode("latin-1")
    sid = polling_sid(query_string)
    event(f"says it: {sid is not None}")
    if sid is not None:
        query = parse(query_string)
        assert query[:5] == ("polling", sid, 4, True, None)
        assert sid == SID


@given(LIKELY_QUERIES)
def test_nothing_else_says_the_session_of_a_poll(query_string: bytes) -> None:
    assert polling_sid(query_string) is None
    assert polling_sid(b"EIO=4&transport=polling&sid=" + query_string + b"%") is None


def test_websocket_for_an_existing_session() -> None:
    query = parse(b"EIO=4&transport=websocket&sid=lv_VI97HAXpY6yYWAAAC")

    assert query.transport == "websocket"
    assert query.sid == "lv_VI97HAXpY6yYWAAAC"


@pytest.mark.parametrize(
    "transport", ["tobi", "constructor", "__proto__", "Polling", "polling ", ""]
)
def test_unknown_transport_is_refused_and_named(transport: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        parse(b"EIO=4&transport=" + transport.encode())

    assert caught.value.code is ErrorCode.UNKNOWN_TRANSPORT
    assert caught.value.context == {"transport": transport}


@pytest.mark.parametrize("query_string", [b"", b"&&", b"EIO=4", b"Transport=polling"])
def test_no_transport_is_refused_without_naming_one(query_string: bytes) -> None:
    with pytest.raises(RequestRejected) as caught:
        parse(query_string)

    assert caught.value.code is ErrorCode.UNKNOWN_TRANSPORT
    assert caught.value.context == {}


def test_transport_that_is_not_enabled_is_refused() -> None:
    with pytest.raises(RequestRejected):
        parse_query(b"transport=websocket", ("polling",))


@pytest.mark.parametrize(
    ("parameters", "revision"),
    [
        (b"EIO=4", 4),
        (b"EIO=3", 3),
        (b"", 3),
        (b"EIO=", 3),
        (b"EIO=5", 3),
        (b"EIO=04", 3),
        (b"EIO=4.0", 3),
        (b"EIO=+4", 3),
        (b"EIO=%34", 4),
        (b"EIO=\xd9\xa4", 3),
        (b"eio=4", 3),
    ],
)
def test_revision_is_4_only_if_it_says_so(parameters: bytes, revision: int) -> None:
    assert polling(parameters).revision == revision


def test_empty_sid_is_no_sid() -> None:
    assert polling(b"sid=").sid is None
    assert polling(b"sid").sid is None


@pytest.mark.parametrize(
    ("parameters", "supports_binary"),
    [(b"", True), (b"b64=", True), (b"b64=1", False), (b"b64=0", False)],
)
def test_base64_is_asked_for_by_any_value(
    parameters: bytes, supports_binary: bool
) -> None:
    assert polling(parameters).supports_binary is supports_binary


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        (b"", None),
        (b"j=0", "0"),
        (b"j=1a2", "12"),
        (b"j=-3", "3"),
        (b"j=<script>", ""),
        (b"j=", ""),
        (b"j=%D9%A4%C2%B2", ""),
    ],
)
def test_jsonp_index_is_reduced_to_its_digits(
    parameters: bytes, index: str | None
) -> None:
    assert polling(parameters).jsonp_index == index


def test_last_value_wins() -> None:
    query = parse(b"transport=websocket&sid=a&sid=b&transport=polling")

    assert query.transport == "polling"
    assert query.sid == "b"
    assert polling(b"sid=a&sid=").sid is None


def test_names_and_values_are_decoded() -> None:
    query = parse(b"tr%61nsport=pol%6Cing&na+me=a+b%2Bc%E2%82%AC&x=1=2")

    assert query.transport == "polling"
    assert query.parameters["na me"] == "a b+c€"
    assert query.parameters["x"] == "1=2"


def test_what_cannot_be_decoded_is_replaced() -> None:
    query = polling(b"a=%FF&b=\xff&c=%zz&d=%")

    assert query.parameters["a"] == "\ufffd"
    assert query.parameters["b"] == "\ufffd"
    assert query.parameters["c"] == "%zz"
    assert query.parameters["d"] == "%"


@given(st.binary() | LIKELY_QUERIES)
def test_any_query_is_read_like_urllib_does(query_string: bytes) -> None:
    text = query_string.decode("utf-8", "replace")
    expected = dict(parse_qsl(text, keep_blank_values=True))
    expected["transport"] = "polling"

    query = parse(query_string + b"&transport=polling")

    assert query.parameters == expected


@given(st.binary() | LIKELY_QUERIES)
def test_any_query_is_read_or_refused_for_its_transport(query_string: bytes) -> None:
    try:
        query = parse(query_string)
    except RequestRejected as exc:
        assert exc.code is ErrorCode.UNKNOWN_TRANSPORT  # noqa: PT017
        assert exc.context.get("transport") not in TRANSPORTS  # noqa: PT017
        return
    assert query.transport in TRANSPORTS
    assert query.sid != ""
    assert query.revision in (3, 4)
    assert set(query.jsonp_index or "") <= set("0123456789")
