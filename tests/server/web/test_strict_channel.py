"""Requests that two servers could read in different ways are refused.

What is refused, and with what, is what Node.js 20 does with the same bytes.
"""

from __future__ import annotations

import pytest
from twisted.web.resource import Resource
from twisted.web.static import Data

from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.server.web.site import EngineIOSite

POLLING = "/engine.io/?EIO=4&transport=polling"

REFUSED = {
    "no Host": ("GET", [], 400),
    "two Hosts": ("GET", ["Host: a", "Host: b"], 400),
    "identity": ("GET", ["Host: a", "Transfer-Encoding: identity"], 400),
    "identity and a length": (
        "POST",
        ["Host: a", "Transfer-Encoding: identity", "Content-Length: 2"],
        400,
    ),
    "a length and identity": (
        "POST",
        ["Host: a", "Content-Length: 2", "Transfer-Encoding: IDENTITY"],
        400,
    ),
    "chunked and identity": (
        "POST",
        ["Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        400,
    ),
    "identity and chunked": (
        "POST",
        ["Host: a", "Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        400,
    ),
    "chunked twice": (
        "POST",
        ["Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        400,
    ),
    "an unknown Expect": ("GET", ["Host: a", "Expect: the-unexpected"], 417),
    "an empty Expect": ("POST", ["Host: a", "Content-Length: 2", "Expect:"], 417),
}
# Twisted has unfolded these before anybody can ask.
FOLDED = {
    "a folded header": ("GET", ["Host: a", "X-A: b", " c"], 400),
    "a header folded with a tab": ("GET", ["Host: a", "X-A: b", "\tc"], 400),
    "a fold of nothing": ("GET", ["Host: a", "X-A: b", " "], 400),
    "a folded length": ("POST", ["Host: a", "Content-Length:", " 2"], 400),
    "a length that goes on": ("POST", ["Host: a", "Content-Length: 1", " 2"], 400),
    "a fold of the first line": ("GET", [" Host: a", "Host: b"], 400),
}
TAKEN = {
    "100-continue": ["Host: a", "Expect: 100-continue"],
    "100-Continue among others": ["Host: a", "Expect: x, 100-Continue"],
    "an empty Host": ["Host:"],
}


def write(method: str, target: str, lines: list[str], version: str) -> bytes:
    body = "4a" if method == "POST" else ""
    if "Transfer-Encoding: chunked" in lines:
        body = "2\r\n4a\r\n0\r\n\r\n"
    return "\r\n".join([f"{method} {target} {version}", *lines, "", body]).encode()


def status_of(server: Server, *pieces: bytes) -> int:
    connection = server.connect()
    exchange = connection.expect()
    connection.send(*pieces)
    return exchange.answer.status


@pytest.mark.parametrize(("method", "lines", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_in_any_site(
    method: str, lines: list[str], status: int, new_server: NewServer
) -> None:
    server = new_server()
    client = server.open_polling()
    data = write(method, server.target(sid=client.sid), lines, "HTTP/1.1")
    assert status_of(server, data) == status
    assert client.protocol.messages == []
    assert client.post("4alive").answer.status == 200


@pytest.mark.parametrize("own_path", [POLLING, "/page"])
@pytest.mark.parametrize(
    ("method", "lines", "status"),
    [*REFUSED.values(), *FOLDED.values()],
    ids=[*REFUSED, *FOLDED],
)
def test_what_is_refused_in_our_own(
    method: str, lines: list[str], status: int, own_path: str, short_path: bool
) -> None:
    server = Server.new()
    root = Resource()
    root.putChild(b"page", Data(b"a page", "text/plain"))
    engines = {server.path: server.engine}
    server.site = site = EngineIOSite(root, engines, reactor=server.clock)
    site.short_path = short_path
    connection = server.connect()
    exchange = connection.expect()
    data = write(method, own_path, lines, "HTTP/1.1")
    # What comes after it on the connection is nobody's request.
    connection.send(data + write("GET", POLLING, ["Host: a"], "HTTP/1.1"), data)
    assert exchange.answer.status == status
    assert connection.peek() == b""
    assert connection.is_closed
    assert not server.engine.sessions


@pytest.mark.parametrize("lines", TAKEN.values(), ids=TAKEN)
def test_what_is_taken(lines: list[str], new_server: NewServer) -> None:
    data = write("GET", POLLING, lines, "HTTP/1.1")
    connection = new_server().connect()
    connection.send(data)
    assert b"HTTP/1.1 200" in connection.peek()


def test_http_1_0_need_not_say_so(new_server: NewServer) -> None:
    lines = ["Expect: the-unexpected"]
    assert status_of(new_server(), write("GET", POLLING, lines, "HTTP/1.0")) == 200
