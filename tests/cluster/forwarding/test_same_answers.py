"""A request is answered by way of another node as it is without one."""

from __future__ import annotations

import re

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
]
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

# A proxy and a server differ in whose these are; the first two are those of the site.
OF_THE_SITE = (
    b"server:",
    b"date:",
    b"connection:",
    b"content-length:",
    b"transfer-encoding:",
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request to the session ``SID``."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "X"]))
    query = draw(st.sampled_from(QUERIES)).format("SID")
    headers = dict(draw(st.lists(st.sampled_from(HEADERS), max_size=6)))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0"]))
    if method not in ("POST", "PUT"):
        headers.pop("Transfer-Encoding", None)
        return make_request(method, f"/engine.io/?{query}", None, headers, version)
    body = draw(st.sampled_from(BODIES))
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


def answers(sent: list[bytes], *, own_site: bool, forwarded: bool) -> list[Line | bool]:
    """What a client gets for requests to a session, and whether that is still open."""
    nodes = two_nodes(own_site=own_site)
    sid = nodes.far.open_polling().sid
    got: list[Line | bool] = []
    for each in sent:
        connection = (nodes.near if forwarded else nodes.far).connect()
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


@pytest.mark.parametrize("own_site", [True, False], ids=["own", "a stranger's"])
def test_a_request_is_answered_as_by_its_own_node(own_site: bool) -> None:
    @settings(max_examples=50, deadline=None, derandomize=True)
    @example([opening()])
    @example([opening(Connection="keep-alive")])
    @example([opening("HTTP/1.0")])
    @example([TWO_HOSTS])
    @example([opening("HTTP/1.0", QUERIES[0])])
    @example([opening(Connection="Upgrade, Origin", Origin="http://elsewhere.example")])
    @given(st.lists(requests(), min_size=1, max_size=3))
    def check(sent: list[bytes]) -> None:
        direct = answers(sent, own_site=own_site, forwarded=False)
        assert answers(sent, own_site=own_site, forwarded=True) == direct

    check()
