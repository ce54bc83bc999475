"""A request is answered by way of another node as it is without one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.cluster.forwarding.nodes import two_nodes
from tests.connection import make_request
from tests.wiring import opening_headers

Line = tuple[bytes, list[bytes], bytes]

QUERIES = [
    "EIO=4&transport=polling&sid={}",
    "EIO=4&transport=websocket&sid={}",
    "EIO=3&transport=polling&sid={}",
    "EIO=4&transport=polling&sid={}&sid=near-x",
    "EIO=4&transport=polling&sid=near-x&sid={}",
    "EIO=4&transport=polling&sid=near-x&s%69d={}",
    "EIO=4&transport=polling&s%69d={}",
    "EIO=4&transport=polling&sid={}%20",
    "EIO=4&transport=polling&t=\xe9&sid={}",
    "EIO=4&transport=foo&sid={}",
    "EIO=4&sid={}",
    "EIO=4&transport=polling&sid={}&j=1",
    "EIO=4&transport=polling&sid={}#x",
    "EIO=4&transport=polling&sid=far-of-nobody",
]
# Middlewares run where the session is: an answer to a preflight comes from there, too.
ENGINES: dict[str, dict[str, Any]] = {
    "plain": {},
    "with CORS": {"cors": {"origin": "http://elsewhere.example", "credentials": True}},
}
SIZE_LIMIT = 10_000
HEADERS = [
    ("Accept-Encoding", "gzip"),
    ("Access-Control-Request-Method", "POST"),
    ("Connection", "close"),
    ("Connection", "keep-alive, Origin"),
    ("Content-Type", "application/octet-stream"),
    ("Expect", "100-continue"),
    ("Origin", "http://elsewhere.example"),
    ("Origin", "http://test.example"),
    ("TE", "trailers"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "h2c"),
    ("Upgrade", "websocket"),
    ("User-Agent", "MSIE"),
    ("X-Bytes", "\xff\xfe"),
    ("X-Long", "x" * 3000),
    *opening_headers().items(),
]
TWO_HOSTS = (
    f"GET /engine.io/?{QUERIES[0].format('SID')} HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"
).encode()
BODIES = [b"4x", b"", b"4a\x1e4b", b"\xff", b"nonsense", b"4" + b"y" * 5000, b"1"]
TOO_LARGE = b"4" + b"y" * SIZE_LIMIT

# A proxy and a server differ in whose these are; the first two are those of the site.
OF_THE_SITE = (
    b"server:",
    b"date:",
    b"connection:",
    b"content-length:",
    b"transfer-encoding:",
)


@st.composite
def requests(draw: st.DrawFn, own_site: bool) -> bytes:
    """A request to the session ``SID``."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "X"]))
    query = draw(st.sampled_from(QUERIES)).format("SID")
    headers = dict(draw(st.lists(st.sampled_from(HEADERS), max_size=6)))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0"]))
    if method not in ("POST", "PUT"):
        headers.pop("Transfer-Encoding", None)
        return make_request(method, f"/engine.io/?{query}", None, headers, version)
    # What is too large is refused by our own site while it arrives, and its connection
    # closed; a stranger's reads all of it first.
    body = draw(st.sampled_from([*BODIES, TOO_LARGE] if own_site else BODIES))
    if "Transfer-Encoding" not in headers:
        return make_request(method, f"/engine.io/?{query}", body, headers, version)
    head = make_request(method, f"/engine.io/?{query}", None, headers, version)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head + chunk + b"0\r\n\r\n"


def compared(received: bytes) -> Line:
    """What is the same: the first line, the headers but those of the site, the body."""
    received = received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    received = re.sub(rb"far-[\w-]{20}", b"SID", received)
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.lower().split(b"\r\n")
    return (
        line,
        sorted(each for each in fields if not each.startswith(OF_THE_SITE)),
        body,
    )


def answers(
    sent: list[bytes],
    *,
    forwarded: bool,
    own_site: bool,
    keeps: bool = False,
    **options: Any,
) -> list[Line | bool]:
    """What a client gets for requests to a session, and whether that is still open.

    Args:
        sent: The requests.
        forwarded: Whether they come to another node than that of the session.
        own_site: Whether that one has a site of ours.
        keeps: Whether they come by one connection, as long as it is open.
        options: Of the engines.
    """
    nodes = two_nodes(own_site=own_site, max_http_buffer_size=SIZE_LIMIT, **options)
    sid = nodes.far.open_polling().sid
    server = nodes.near if forwarded else nodes.far
    connection = server.connect()
    got: list[Line | bool] = []
    for each in sent:
        if connection.is_closed or not keeps:
            connection = server.connect()
        connection.send(each.replace(b"SID", sid.encode()))
        nodes.near.settle()
        got.append(compared(connection.take()))
        session = nodes.far.engine.sessions.get(sid)
        if session is not None:
            session.send("hello")
        nodes.near.settle()
        got += [compared(connection.take()), connection.is_closed, session is not None]
    return got


def opening(
    version: str = "HTTP/1.1", query: str = QUERIES[1], **changes: str
) -> bytes:
    """What asks for a WebSocket of the session ``SID``, or nearly."""
    target = f"/engine.io/?{query.format('SID')}"
    return make_request("GET", target, None, opening_headers(**changes), version)


def preflight() -> bytes:
    """What a browser asks before a POST with headers of its own."""
    headers = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-own",
    }
    target = f"/engine.io/?{QUERIES[0].format('SID')}"
    return make_request("OPTIONS", target, None, headers)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("own_site", [True, False], ids=["own", "a stranger's"])
def test_a_request_is_answered_as_by_its_own_node(own_site: bool, engine: str) -> None:
    options = ENGINES[engine]

    @settings(max_examples=50, deadline=None, derandomize=True)
    @example([opening()], False)
    @example([opening(Connection="keep-alive")], False)
    @example([opening("HTTP/1.0")], False)
    @example([TWO_HOSTS], False)
    @example([opening("HTTP/1.0", QUERIES[0])], False)
    @example(
        [opening(Connection="Upgrade, Origin", Origin="http://elsewhere.example")],
        False,
    )
    @example([preflight(), preflight()], True)
    @given(st.lists(requests(own_site), min_size=1, max_size=3), st.booleans())
    def check(sent: list[bytes], keeps: bool) -> None:
        details = {"own_site": own_site, "keeps": keeps, **options}
        direct = answers(sent, forwarded=False, **details)
        assert answers(sent, forwarded=True, **details) == direct

    check()


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_post_for_no_session_ends_none_when_it_is_too_large(version: str) -> None:
    target = f"/engine.io/?{QUERIES[0].format('SID')}"
    headers = {"Upgrade": "websocket"}
    refused = make_request("POST", target, TOO_LARGE, headers, version)
    direct = answers([refused], forwarded=False, own_site=True)
    assert direct[-1] is True
    assert answers([refused], forwarded=True, own_site=True) == direct


def test_a_preflight_is_answered_where_the_session_is() -> None:
    answer, *_ = answers(
        [preflight()], forwarded=True, own_site=True, **ENGINES["with CORS"]
    )
    assert isinstance(answer, tuple)
    line, fields, _ = answer
    assert line == b"http/1.1 204 no content"
    assert b"access-control-allow-headers: x-own" in fields
