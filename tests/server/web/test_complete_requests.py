"""A request in one piece is to its application as any other request of Twisted's."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import directlyProvides

from tests.connection import Exchange
from tests.doubles import ended_with, has_fired
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.server.web.lazy_request import LazyRequest
from txengineio.server.web.request import EngineIORequest

HEADERS = {
    "Cookie": "a=b; c=d=e; f",
    "X-Twice": "1\r\nX-Twice: 2",
    "Authorization": "Basic dXNlcjpwYXNz",
}


@pytest.fixture
def server(short_path: bool) -> Server:
    return Server.new(own_site=True, short_path=short_path)


def see(server: Server, look: Callable[[Any], object]) -> Exchange:
    """Let a middleware look at a POST that is not for a session."""
    server.engine.use(look)
    return server.request("POST", sid="a%20b", body=b"4abc", headers=HEADERS)


# What has a property in front, and the name of that.
KEPT = {
    "_cookies": "cookies",
    "_headers": "requestHeaders",
    "_response_headers": "responseHeaders",
}
# What is there before somebody asks for the others.
WHOLE = {"received_body", "received_by", "received_fields"}


# --- attributes -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HTTPRequest, Request, EngineIORequest])
def test_a_request_has_every_attribute_that_twisted_gives_it(kind: Any) -> None:
    expected: dict[str, object] = {}
    seen: dict[str, object] = {}

    def look(request: EngineIORequest) -> None:
        assert request.received_by is not None, "not taken whole"
        made = kind(request.channel)
        names = {KEPT.get(name, name) for name in vars(made)} - WHOLE
        expected.update({name: getattr(made, name) for name in names})
        seen.update({name: getattr(request, name) for name in expected})

    see(Server.new(own_site=True), look)
    assert expected.keys() >= {"client", "notifications", "transport"}
    # What these are is not known yet when Twisted makes a request.
    for name in ("requestHeaders", "received_cookies"):
        assert type(seen.pop(name)) is not type(None)
        del expected[name]
    # Only a form's fields in the body would depend on it.
    for values in (seen, expected):
        values.pop("_parsePOSTFormSubmission", None)
    assert seen == expected


def test_whole_requests_do_not_share_what_is_made_for_them() -> None:
    requests: list[Any] = []
    server = Server.new(own_site=True)
    for _ in range(2):
        see(server, requests.append)
    first, *_, last = requests
    for name in ("_adapterCache", "cookies", "received_cookies", "responseHeaders"):
        assert getattr(first, name) is getattr(first, name)
        assert getattr(first, name) is not getattr(last, name)


def test_its_class_has_these_attributes_too() -> None:
    for name in ("client", "cookies", "host", "requestHeaders", "transport"):
        assert getattr(EngineIORequest, name) is vars(LazyRequest)[name]


def test_a_middleware_may_keep_what_it_likes(server: Server) -> None:
    def keep(request: Any) -> None:
        request.body = request.content.read().decode()
        request.fields = request.connection = request.headers = {"a": "b"}

    client = server.open_polling()
    server.engine.use(keep)
    assert client.post("4a").answer.body == b"ok"
    assert client.protocol.messages == ["a"]


def test_what_it_never_has_is_an_error(server: Server) -> None:
    def look(request: Any) -> None:
        assert not hasattr(request, "absent")
        with pytest.raises(AttributeError, match="absent"):
            request.absent  # noqa: B018
        checked.append(request)

    checked: list[Any] = []
    see(server, look)
    assert checked


def test_what_is_asked_of_a_request(server: Server) -> None:
    seen: dict[str, Any] = {}

    def look(request: Any) -> None:
        seen.update(
            method=request.method,
            uri=request.uri,
            path=request.path,
            version=request.clientproto,
            arguments=request.args,
            parts=request.prepath,
            rest=request.postpath,
            cookies=request.received_cookies,
            cookie=request.getCookie(b"c"),
            headers=request.getAllHeaders(),
            twice=request.requestHeaders.getRawHeaders("x-twice"),
            name=request.getRequestHostname(),
            user=(request.getUser(), request.getPassword()),
            client=request.getClientAddress() == request.client,
            addresses=(request.client.port, request.getHost().port),
            body=(request.content.read(), request.content.read()),
            secure=request.isSecure(),
            site=request.site is server.site,
            transport=request.transport is request.channel.transport,
            is_twisted=isinstance(request.channel, HTTPChannel),
            text=b"POST" in repr(request).encode(),
        )

    see(server, look)
    assert seen == {
        "method": b"POST",
        "uri": b"/engine.io/?EIO=4&transport=polling&sid=a%20b",
        "path": b"/engine.io/",
        "version": b"HTTP/1.1",
        "arguments": {b"EIO": [b"4"], b"transport": [b"polling"], b"sid": [b"a b"]},
        "parts": [b"engine.io", b""],
        "rest": [],
        "cookies": {b"a": b"b", b"c": b"d=e"},
        "cookie": b"d=e",
        "headers": {
            b"host": b"test.example",
            b"content-length": b"4",
            b"cookie": b"a=b; c=d=e; f",
            b"x-twice": b"2",
            b"authorization": b"Basic dXNlcjpwYXNz",
        },
        "twice": ["1", "2"],
        "name": b"test.example",
        "user": (b"user", b"pass"),
        "client": True,
        "addresses": (54321, 80),
        "body": (b"4abc", b""),
        "secure": False,
        "site": True,
        "transport": True,
        "is_twisted": True,
        "text": True,
    }


def test_a_request_may_be_secure(server: Server) -> None:
    seen: list[bool] = []
    server.engine.use(lambda request: seen.append(request.isSecure()))
    connection = server.connect()
    transport: Any = connection.transport
    directlyProvides(transport, ISSLTransport)
    transport.getPeerCertificate = lambda: "the client's"
    connection.request("GET", server.target())
    assert seen == [True]
    (session,) = server.engine.sessions.values()
    assert session.request.certificate == "the client's"


def test_a_proxy_may_say_that_a_request_is_secure(server: Server) -> None:
    seen: list[Any] = []

    def look(request: Any) -> None:
        request.setHost(b"other.example", 8443, ssl=1)
        host = request.getHost()
        seen.extend((request.isSecure(), host.port, request.getHeader("Host")))

    see(server, look)
    assert seen == [True, 8443, "other.example:8443"]


# --- what a middleware changes --------------------------------------------------------


@pytest.mark.parametrize("reads_first", [True, False])
def test_another_body_is_the_one_that_counts(server: Server, reads_first: bool) -> None:
    def replace(request: Any) -> None:
        body = request.content.read() if reads_first else b"4a"
        request.content = BytesIO(body.replace(b"a", b"other"))

    client = server.open_polling()
    server.engine.use(replace)
    assert client.post("4a").answer.body == b"ok"
    assert client.protocol.messages == ["other"]


def test_a_body_that_was_read_is_there_all_the_same(server: Server) -> None:
    client = server.open_polling()

    def read(request: Any) -> None:
        assert request.content.read() == b"4a"

    server.engine.use(read)
    assert client.post("4a").answer.body == b"ok"
    assert client.protocol.messages == ["a"]


def test_a_body_may_be_taken_away(server: Server) -> None:
    def take(request: Any) -> None:
        request.content.read()
        del request.content
        assert request.content is None
        request.content = BytesIO(b"4a")

    client = server.open_polling()
    server.engine.use(take)
    assert client.post("4b").answer.body == b"ok"
    assert client.protocol.messages == ["a"]


def test_another_target_is_the_one_that_counts(server: Server) -> None:
    first, second = server.open_polling(), server.open_polling()

    def redirect(request: Any) -> None:
        request.uri = request.uri.replace(first.sid.encode(), second.sid.encode())

    server.engine.use(redirect)
    poll = first.poll()
    first.session.send("a")
    assert poll.is_pending
    second.session.send("b")
    assert poll.answer.packets == ["4b"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "websocket"),
        ("Origin", "http://a.example\x7f"),
    ],
)
def test_other_headers_of_a_poll_are_those_that_count(
    server: Server, name: str, value: str
) -> None:
    client = server.open_polling()
    server.engine.use(
        lambda request: request.requestHeaders.setRawHeaders(name, [value])
    )
    assert client.poll().answer.status == 400


def test_headers_that_are_put_in_are_those_that_count(server: Server) -> None:
    # One that they replace is not for the engine to see.
    seen = Headers({"Host": ["test.example"], "X-User": ["me"]})

    def replace(request: Any) -> None:
        request.requestHeaders = seen

    server.engine.use(replace)
    assert (
        server.request(headers={"Origin": "http://a.example\x7f"}).answer.status == 200
    )
    [session] = server.engine.sessions.values()
    assert session.request.header("X-User") == "me"
    assert session.request.header("Origin") is None
    seen.setRawHeaders("Origin", ["http://a.example\x7f"])
    assert server.request().answer.status == 400


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain"])
def test_another_content_type_is_the_one_that_counts(
    server: Server, content_type: str
) -> None:
    client = server.open_polling()
    server.engine.use(
        lambda request: request.requestHeaders.setRawHeaders(
            "Content-Type", [content_type]
        )
    )
    is_text = content_type == "text/plain"
    assert client.post("4a").answer.status == (200 if is_text else 400)
    assert client.protocol.messages == (["a"] if is_text else [])


@pytest.mark.parametrize("agent", ["MSIE 7.0", "Trident/7.0", "another"])
def test_another_user_agent_is_the_one_that_counts(server: Server, agent: str) -> None:
    client = server.open_polling()
    server.engine.use(
        lambda request: request.requestHeaders.setRawHeaders("User-Agent", [agent])
    )
    protects = client.post("4a").answer.all("X-XSS-Protection")
    assert protects == ([] if agent == "another" else ["0"])


def test_other_headers_of_a_handshake_are_those_that_count(server: Server) -> None:
    def look(request: Any) -> None:
        request.requestHeaders.setRawHeaders("X-User", ["me"])
        request.requestHeaders.removeHeader("Origin")

    server.engine.use(look)
    origin = {"Origin": "http://a.example"}
    assert server.request(headers=origin).answer.status == 200
    websocket = server.open_websocket(headers=origin)
    for sid in (websocket.sid, *server.engine.sessions):
        request = server.session(sid).request
        assert request.header("X-User") == "me"
        assert request.header("Origin") is None
        assert request.header("Host") == "test.example"


# --- the answer -----------------------------------------------------------------------


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("has_cookie", [True, False])
def test_what_a_middleware_adds_is_in_every_answer(
    server: Server, has_header: bool, has_cookie: bool
) -> None:
    def add(request: Any) -> None:
        if has_header:
            request.setHeader("X-Seen", "yes")
        if has_cookie:
            request.addCookie("a", "b")
            request.addCookie("c", "d", path="/")

    server.engine.use(add)
    client = server.open_polling()
    poll = client.poll()
    client.session.send("a")
    unknown = server.request("POST", sid="unknown", body=b"4a")
    for exchange in (client.handshake, poll, client.post("4a"), unknown):
        answer = exchange.answer
        assert answer.all("X-Seen") == (["yes"] if has_header else [])
        cookies = ["a=b", "c=d; Path=/"] if has_cookie else []
        assert answer.all("Set-Cookie") == cookies
    assert poll.answer.packets == ["4a"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Date", "today", ["today"]),
        ("Content-Type", "text/css", ["text/plain; charset=UTF-8"]),
        ("Cache-Control", "public", ["no-store"]),
        ("Content-Length", "1", ["6"]),
        ("X-Lines", "a\r\nX-Evil: b", ["a X-Evil: b"]),
        ("X-Text", "\u20ac", ["\u20ac".encode().decode("latin-1")]),
    ],
)
def test_a_header_of_the_answer_comes_once(
    server: Server, name: str, value: str, expected: list[str]
) -> None:
    client = server.open_polling()
    server.engine.use(
        lambda request: request.responseHeaders.setRawHeaders(name, [value])
    )
    client.session.send("hello")
    answer = client.poll().answer
    assert (answer.body, answer.all(name)) == (b"4hello", expected)


def test_a_middleware_may_say_which_version_an_answer_has(server: Server) -> None:
    def set_version(request: Any) -> None:
        request.setETag(b'"a"')
        request.setLastModified(0)

    client = server.open_polling()
    server.engine.use(set_version)
    client.session.send("hello")
    answer = client.poll().answer
    assert answer.header("ETag") == '"a"'
    assert answer.header("Last-Modified") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert answer.body == b"4hello"


def test_headers_of_the_answer_may_be_put_in(server: Server) -> None:
    def replace(request: Any) -> None:
        request.responseHeaders = Headers({"X-Seen": ["yes"]})
        request.cookies = [b"a=b"]

    server.engine.use(replace)
    for _ in range(2):
        answer = server.request().answer
        assert answer.header("X-Seen") == "yes"
        assert answer.header("Set-Cookie") == "a=b"


def test_a_middleware_may_answer_piece_by_piece(server: Server) -> None:
    def answer(request: Any) -> None:
        request.setResponseCode(402)
        request.write(b"a")
        request.write(b"b")
        request.finish()

    server.engine.use(answer)
    connection = server.connect()
    for _ in range(2):
        exchange = connection.request("GET", server.target())
        assert (exchange.answer.status, exchange.answer.body) == (402, b"ab")
        assert exchange.answer.header("Transfer-Encoding") == "chunked"


def test_a_middleware_learns_when_a_request_is_answered(server: Server) -> None:
    finished: list[Deferred[None]] = []
    client = server.open_polling()
    server.engine.use(lambda request: finished.append(request.notifyFinish()))
    client.post("4a")
    assert has_fired(finished[0])
    poll = client.poll()
    assert not has_fired(finished[1])
    client.session.send("a")
    assert poll.answer.packets == ["4a"]
    assert [deferred.result for deferred in finished] == [None, None]


def test_what_twisted_tells_of_an_answered_request_is_told_here(server: Server) -> None:
    sites: list[Any] = []

    def look(request: Any) -> None:
        request.notifyFinish().addCallback(lambda _: sites.append(request.site))

    connection = server.connect()
    server.engine.use(look)
    connection.request("GET", server.target())
    assert sites == [server.site]


def test_a_middleware_learns_when_a_request_is_lost(server: Server) -> None:
    lost: list[Failure] = []
    client = server.open_polling()
    server.engine.use(
        lambda request: (request.notifyFinish().addErrback(lost.append), None)[1]
    )
    poll = client.poll()
    assert lost == []
    poll.abort()
    (failure,) = lost
    assert failure.check(ConnectionLost)


@pytest.mark.parametrize("is_lost", [True, False])
def test_what_is_asked_of_a_request_that_is_over(server: Server, is_lost: bool) -> None:
    requests: list[Any] = []
    client = server.open_polling()
    server.engine.use(requests.append)
    poll = client.poll()
    if is_lost:
        poll.abort()
    else:
        client.session.send("a")
    (request,) = requests
    assert request.isSecure() is False
    assert request.getClientAddress().port == 54321
    assert request.getHost().port == 80
    assert request.received_cookies == {}
    assert request.args[b"EIO"] == [b"4"]
    assert request.getHeader(b"host") == b"test.example"


# --- uploads and losses ---------------------------------------------------------------


def test_posts_that_overlap_are_noticed_while_a_middleware_waits(
    server: Server,
) -> None:
    waiting: list[Deferred[None]] = []

    def wait(request: Any) -> Deferred[None] | None:
        if request.method != b"POST":
            return None
        waiting.append(Deferred())
        return waiting[-1]

    server.engine.use(wait)
    client = server.open_polling()
    first = server.request("POST", sid=client.sid, body=b"4first")
    second = server.request("POST", sid=client.sid, body=b"4second")
    assert second.answer.status == 400
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert first.connection.was_reset
    assert client.protocol.messages == []


def test_a_parked_poll_that_is_lost_needs_no_collector(server: Server) -> None:
    client = server.open_polling()
    exchange = client.poll()
    transport: Any = client.session.transport
    parked = weakref.ref(transport._parked)
    assert parked() is not None
    gc.disable()
    try:
        exchange.abort()
        server.settle()
        exchange.connection.transport.protocol = cast(Any, None)
        assert parked() is None
    finally:
        gc.enable()
    server.assert_nothing_left()
