"""The package's own site: bodies bounded while they arrive, answers in one write."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.static import Data

from tests.conftest import FlushLoggedErrors
from tests.connection import Connection, Exchange, make_request
from tests.doubles import ended_with
from tests.wiring import PollingClient, Server, opening_headers
from txengineio.errors import CloseReason
from txengineio.server.web.body_limits import BodyLimits
from txengineio.server.web.site import EngineIOSite

MEGABYTE = b"x" * 1024 * 1024


class Form(Resource):
    """Shows what Twisted made of a form."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        return repr(sorted(request.args.items())).encode()

    render_POST = render_GET


@pytest.fixture
def server(short_path: bool) -> Server:
    """A server whose site has other resources beside the engine."""
    server = Server.new(max_http_buffer_size=1000)
    root = Resource()
    root.putChild(b"page", Data(b"a page", "text/plain"))
    root.putChild(b"form", Form())
    engines = {server.path: server.engine}
    server.site = site = EngineIOSite(root, engines, reactor=server.clock)
    site.short_path = short_path
    return server


def start(server: Server, headers: dict[str, str], sid: str | None = None) -> Exchange:
    """Send a POST without its body."""
    target = server.target(sid=sid)
    return server.connect().request("POST", target, None, headers)


def is_closed(exchange: Exchange) -> bool:
    return exchange.connection.is_closed


def problem_of(client: PollingClient) -> str:
    """Return what ended a client's session."""
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = client.protocol.lost
    return str(failure.value.description)  # type: ignore[union-attr]


def is_unanswered(exchange: Exchange) -> bool:
    return exchange.is_pending


# --- bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["unknown-sid", "known-sid"])
def test_a_length_over_the_limit_is_refused_before_the_body_comes(
    known: bool, server: Server
) -> None:
    client = server.open_polling()
    sid = client.sid if known else "unknown"
    post = start(server, {"Content-Length": "1001"}, sid)
    assert (post.answer.status, post.answer.body) == (413, b"")
    assert post.answer.header("Connection") == "close"
    assert not is_closed(post)
    post.connection.send(b"x" * 1001)
    assert is_closed(post)
    # As with engine.io 6.6.13.
    assert bool(server.engine.sessions) is not known


def test_a_chunked_body_is_refused_at_the_first_byte_too_many(server: Server) -> None:
    client = server.open_polling()
    post = start(server, {"Transfer-Encoding": "chunked"}, client.sid)
    post.connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
    assert is_unanswered(post)
    post.connection.send(b"1\r\nx")
    assert post.answer.status == 413
    assert problem_of(client) == (
        "payload too large (1001 bytes received, at most 1000 are allowed)"
    )


def test_a_body_in_too_many_chunks_is_refused(short_path: bool) -> None:
    server = Server.new(own_site=True, short_path=short_path, max_buffered_chunks=3)
    chunk = b"1\r\nx\r\n"
    fine = server.open_polling().start_post(None)
    fine.connection.send(b"1\r\n4\r\n" + 2 * chunk + b"0\r\n\r\n")
    assert fine.answer.body == b"ok"
    client = server.open_polling()
    post = client.start_post(None)
    post.connection.send(3 * chunk)
    assert is_unanswered(post)
    post.connection.send(chunk)
    assert (post.answer.status, post.answer.body) == (413, b"")
    assert problem_of(client) == "too many chunks (at most 3 are allowed)"
    post.connection.send(b"0\r\n\r\n")
    assert is_closed(post)


def test_the_rest_of_a_refused_body_is_read_for_a_while_only(server: Server) -> None:
    post = start(server, {"Content-Length": "999999999"})
    assert post.answer.status == 413
    for _ in range(16):
        post.connection.send(MEGABYTE)
    assert not is_closed(post)
    post.connection.send(b"x")
    assert is_closed(post)
    assert post.connection.was_reset


def test_a_client_that_never_sends_the_rest_is_not_waited_for(server: Server) -> None:
    post = start(server, {"Content-Length": "1001"})
    server.advance(5.1)
    assert is_closed(post)


def test_a_refused_upload_that_breaks_off_harms_nothing(server: Server) -> None:
    client = server.open_polling()
    post = start(server, {"Transfer-Encoding": "chunked"}, client.sid)
    post.connection.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n")
    assert post.answer.status == 413
    post.abort()
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR


def test_a_body_of_another_method_concerns_no_session(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    headers = {"Content-Length": "5"}
    put = connection.request("PUT", server.target(sid=client.sid), None, headers)
    assert client.post("4meanwhile").answer.body == b"ok"
    connection.send(b"12345")
    assert put.answer.status == 405
    again = start(server, {"Content-Length": "5"}, "unknown")
    again.abort()
    assert client.post("4fine").answer.body == b"ok"


def test_a_body_for_a_websocket_session_is_refused(server: Server) -> None:
    websocket = server.open_websocket()
    target = server.target("websocket", websocket.sid)
    post = server.connect().request("POST", target, b"4a")
    assert post.answer.json["code"] == 3
    lost = server.connect().request("POST", target, None, {"Content-Length": "5"})
    lost.abort()
    websocket.send("4fine")
    assert server.application.only.messages == ["fine"]


def test_a_session_that_moves_while_a_body_arrives_drops_it(server: Server) -> None:
    client = server.open_polling()
    post = client.start_post(5)
    websocket = client.upgrade()
    assert is_closed(post)
    assert post.connection.was_reset
    websocket.send("4fine")
    assert client.protocol.messages == ["fine"]


def test_a_session_that_ends_while_a_body_arrives_drops_it(server: Server) -> None:
    client = server.open_polling()
    server.advance(18)
    post = client.start_post(5)
    server.clock.pump([0.5] * 55)
    assert ended_with(client.protocol) is CloseReason.PING_TIMEOUT
    assert is_closed(post)
    server.assert_nothing_left()


def test_a_body_is_never_read_as_a_form(server: Server) -> None:
    client = server.open_polling()
    types = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    for content_type in types:
        headers = {"Content-Type": content_type}
        assert client.post("4a=b&c=d", headers=headers).answer.body == b"ok"
    assert client.protocol.messages == ["a=b&c=d"] * 2


# --- everything else of the site ------------------------------------------------------


def test_other_resources_are_served_as_by_twisted(server: Server) -> None:
    connection = server.connect()
    assert connection.request("GET", "/page").answer.body == b"a page"
    assert connection.request("GET", "/form?a=b").answer.body == b"[(b'a', [b'b'])]"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = connection.request("POST", "/form?a=b", b"c=d&e=", headers)
    assert posted.answer.body == b"[(b'a', [b'b']), (b'c', [b'd']), (b'e', [b''])]"
    # A limit of the engine is none of theirs.
    large = connection.request("POST", "/form?a=b", MEGABYTE)
    assert large.answer.body == b"[(b'a', [b'b'])]"
    assert connection.request("GET", "/nothing").answer.status == 404


@pytest.mark.parametrize(
    ("target", "is_engine"),
    [
        (b"/engine.io", True),
        (b"/engine.io/", True),
        (b"/engine.io/x/y?z", True),
        (b"/engine.io?transport=polling", True),
        (b"/engine.iox", False),
        (b"/ENGINE.IO/", False),
        (b"//engine.io/", False),
        (b"/", False),
        (b"*", False),
    ],
)
def test_an_engine_has_its_path_and_all_below(
    target: bytes, is_engine: bool, server: Server
) -> None:
    site: Any = server.site
    assert site.engine_at(target) is (server.engine if is_engine else None)


# --- answers --------------------------------------------------------------------------


def writes(connection: Connection) -> int:
    return len(connection.transport.writes)


def test_an_answer_is_one_write_and_has_a_date_that_follows_the_clock(
    server: Server,
) -> None:
    client = server.open_polling()
    connection = server.connect()
    target = server.target(sid=client.sid)
    dates = []
    for number in range(3):
        poll = connection.request("GET", target)
        before = writes(connection)
        client.session.send("a")
        assert writes(connection) == before + 1
        dates.append(poll.answer.header("Date"))
        server.advance(0.6)
        assert len(dates) == number + 1
    assert dates[0] == dates[1] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert dates[2] == "Thu, 01 Jan 1970 00:00:01 GMT"


def test_whatever_is_unusual_is_answered_as_well(server: Server) -> None:
    client = server.open_polling()
    target = server.target(sid=client.sid)
    for version, headers in [
        ("HTTP/1.0", {}),
        ("HTTP/1.1", {"Connection": "close"}),
    ]:
        connection = server.connect()
        poll = connection.request("GET", target, None, headers, version)
        client.session.send("a")
        assert poll.answer.packets == ["4a"]
        assert connection.is_closed
    head = server.connect().request("HEAD", target)
    assert (head.answer.status, head.answer.body) == (405, b"")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb: c"])
def test_no_header_can_smuggle_in_another(
    value: str, server: Server, flush_logged_errors: FlushLoggedErrors
) -> None:
    def add(headers: dict[str, Any], _request: Any) -> None:
        headers["test"] = value

    server.engine.on("headers", add)
    answer = server.request().answer
    assert answer.header("b") is None
    assert len(flush_logged_errors(ValueError)) == 1


def test_an_engine_that_raises_what_ends_processes_is_answered(
    server: Server, short_path: bool, flush_logged_errors: FlushLoggedErrors
) -> None:
    class Unheard(BaseException):
        pass

    def fail(_request: object) -> None:
        raise Unheard

    class Failing:
        body_limits = BodyLimits(10, 10, 10.0)
        handle_request = staticmethod(fail)

    engines: Any = {server.path: Failing()}
    server.site = site = EngineIOSite(Resource(), engines, reactor=server.clock)
    site.short_path = short_path
    assert server.request().answer.status == 500
    assert len(flush_logged_errors(Unheard)) == 1


def test_requests_may_be_pipelined(server: Server) -> None:
    connection = server.connect()
    exchanges = [connection.expect(), connection.expect()]
    connection.send(make_request("GET", server.target()) * 2)
    assert [exchange.answer.status for exchange in exchanges] == [200, 200]


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_post_that_wants_a_websocket_is_no_upload_of_the_session(
    upgraded: bool, server: Server
) -> None:
    client = server.open_polling()
    websocket = client.upgrade() if upgraded else None
    target = server.target("websocket", client.sid)
    post = server.connect().request("POST", target, b"4a", opening_headers())
    assert post.answer.status == 405
    if websocket is None:
        assert client.post("4fine").answer.body == b"ok"
    else:
        websocket.send("4fine")
    assert client.protocol.messages == ["fine"]


def test_a_body_may_arrive_after_the_end_of_its_session(server: Server) -> None:
    client = server.open_polling()
    connection = server.connect()
    headers = {"Content-Length": "5"}
    put = connection.request("PUT", server.target(sid=client.sid), None, headers)
    client.session.close(discard=True)
    connection.send(b"12345")
    assert put.answer.json["code"] == 1


def test_an_upload_that_a_middleware_has_answered_is_not_dropped_too(
    server: Server,
) -> None:
    client = server.open_polling()
    waiting: Deferred[None] = Deferred()

    async def answer(request: Any) -> None:
        request.setResponseCode(402)
        request.finish()
        await waiting

    server.engine.use(answer)
    post = client.post("4a")
    assert post.answer.status == 402
    client.session.close(discard=True)
    waiting.callback(None)
    assert not is_closed(post)
    server.assert_nothing_left()
