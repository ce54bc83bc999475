from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.web.http import Request

from tests.conftest import FlushLoggedErrors
from tests.connection import Exchange
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import ErrorCode
from txengineio.server.requests.hook_timeout import HOOK_TIMEOUT


def each_request(server: Server) -> Iterator[Exchange]:
    """A request of each kind: handshakes, poll, POST, upgrade, and one that fails."""
    client = server.open_polling()
    yield client.handshake
    yield server.open_websocket().opening
    exchange = client.poll()
    client.session.send("a")
    yield exchange
    yield client.post("4a")
    yield client.open_websocket().opening
    yield server.request(transport="tobi")


@pytest.mark.behaviour("B165", "B166")
def test_headers_go_onto_every_answer(new_server: NewServer) -> None:
    server = new_server()

    @server.engine.use
    def set_header(request: Request) -> None:
        request.setHeader("foo", "bar")

    statuses = []
    for exchange in each_request(server):
        assert exchange.answer.header("foo") == "bar"
        statuses.append(exchange.answer.status)
    assert statuses == [200, 101, 200, 200, 101, 400]


@pytest.mark.behaviour("B167")
def test_middlewares_run_in_order(new_server: NewServer) -> None:
    server = new_server()
    calls: list[int] = []
    waiting: Deferred[None] = Deferred()

    def first(request: Request) -> Deferred[None]:
        calls.append(1)
        return waiting

    async def second(request: Request) -> None:
        calls.append(2)

    server.engine.use(first)
    server.engine.use(second)
    server.engine.use(lambda request: calls.append(3))
    exchange = server.request()
    assert calls == [1]
    assert exchange.is_pending
    waiting.callback(None)
    assert calls == [1, 2, 3]
    assert exchange.answer.status == 200


@pytest.mark.behaviour("B168", "B169")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_middleware_may_answer(new_server: NewServer, transport: str) -> None:
    server = new_server()
    later: list[Request] = []

    @server.engine.use
    def answer(request: Request) -> None:
        request.setResponseCode(503)
        request.write(b"not now")
        request.finish()

    server.engine.use(later.append)
    server.engine.on("connection_error", later.append)
    if transport == "polling":
        exchange = server.request()
    else:
        exchange = server.open_websocket().opening
    assert (exchange.answer.status, exchange.answer.body) == (503, b"not now")
    assert later == []
    assert server.application.built == []


def test_a_middleware_may_finish_later(new_server: NewServer) -> None:
    server = new_server()
    requests: list[Request] = []

    @server.engine.use
    def begin(request: Request) -> None:
        request.write(b"one ")
        requests.append(request)

    exchange = server.request()
    assert exchange.is_pending
    requests[0].write(b"two")
    requests[0].finish()
    assert exchange.answer.body == b"one two"
    assert server.application.built == []


@pytest.mark.behaviour("B170", "B171")
def test_security_headers(new_server: NewServer) -> None:
    server = new_server()
    headers = {"X-Download-Options": "noopen", "X-Content-Type-Options": "nosniff"}

    @server.engine.use
    async def protect(request: Request) -> None:
        for name, value in headers.items():
            request.setHeader(name, value)

    for exchange in each_request(server):
        for name, value in headers.items():
            assert exchange.answer.header(name) == value


@pytest.mark.behaviour("B172", "B173")
def test_a_session_cookie(new_server: NewServer) -> None:
    server = new_server()

    @server.engine.use
    def start_session(request: Any) -> None:
        request.getSession()

    for exchange in (server.request(), server.open_websocket().opening):
        (cookie,) = exchange.answer.all("Set-Cookie")
        assert cookie.startswith("TWISTED_SESSION=")


def raise_error(request: Request) -> None:
    raise RuntimeError("no")


async def raise_later(request: Request) -> None:
    raise RuntimeError("no")


def return_failure(request: Request) -> Deferred[None]:
    return fail(RuntimeError("no"))


@pytest.mark.behaviour("B174", "B175", "B230")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("middleware", [raise_error, raise_later, return_failure])
def test_a_failure_refuses_the_request(
    new_server: NewServer,
    transport: str,
    middleware: Any,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server()
    events: list[Any] = []
    server.engine.use(middleware)
    server.engine.use(events.append)
    server.engine.on("connection_error", events.append)
    if transport == "polling":
        exchange = server.request()
    else:
        exchange = server.open_websocket().opening
    assert exchange.answer.status == 400
    assert exchange.answer.json == {"code": 3, "message": "Bad request"}
    (event,) = events
    assert event.code is ErrorCode.BAD_REQUEST
    assert event.message == "Bad request"
    assert event.context == {"name": "MIDDLEWARE_FAILURE"}
    assert event.request.uri.startswith(b"/engine.io/?")
    assert server.application.built == []
    assert len(flush_logged_errors(RuntimeError)) == 1


@pytest.mark.behaviour("B230")
def test_a_failure_after_the_headers_ends_the_answer(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server()
    events: list[Any] = []

    @server.engine.use
    def begin(request: Request) -> None:
        request.write(b"begun")
        raise RuntimeError

    server.engine.on("connection_error", events.append)
    exchange = server.request()
    assert (exchange.answer.status, exchange.answer.body) == (200, b"begun")
    assert exchange.connection.peek() == b""
    assert events == []
    assert len(flush_logged_errors(RuntimeError)) == 1


def test_a_failure_after_the_end_is_only_logged(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server()

    @server.engine.use
    def answer(request: Request) -> None:
        request.write(b"done")
        request.finish()
        raise RuntimeError

    assert server.request().answer.body == b"done"
    assert len(flush_logged_errors(RuntimeError)) == 1


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_middleware_that_never_ends_is_given_up(
    new_server: NewServer, transport: str
) -> None:
    server = new_server()
    cancelled: list[Any] = []
    server.engine.use(lambda request: Deferred(cancelled.append))
    if transport == "polling":
        exchange = server.request()
    else:
        exchange = server.open_websocket().opening
    server.advance(HOOK_TIMEOUT - 1)
    assert exchange.is_pending
    assert cancelled == []
    server.advance(1)
    assert exchange.answer.status == 503
    assert len(cancelled) == 1
    server.assert_nothing_left()


def test_one_that_cannot_be_cancelled_is_given_up_too(new_server: NewServer) -> None:
    server = new_server()
    endless: list[Deferred[None]] = []

    @server.engine.use
    async def go_on(request: Request) -> None:
        while len(endless) < 5:
            endless.append(Deferred())
            try:
                await endless[-1]
            except Exception:
                continue

    exchange = server.request()
    server.advance(HOOK_TIMEOUT)
    assert exchange.answer.status == 503
    assert len(endless) == 2


def test_a_client_that_leaves_is_forgotten(new_server: NewServer) -> None:
    server = new_server()
    calls: list[Any] = []
    waiting: Deferred[None] = Deferred(lambda each: calls.append("cancelled"))
    server.engine.use(lambda request: waiting)
    server.engine.use(lambda request: calls.append("next"))
    server.engine.on("connection_error", calls.append)
    server.request().abort()
    assert calls == ["cancelled"]
    server.assert_nothing_left()


def test_what_fails_when_nobody_waits_is_logged(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server()
    waiting: Deferred[None] = Deferred(lambda each: each.errback(KeyError()))
    server.engine.use(lambda request: waiting)
    server.request().abort()
    assert len(flush_logged_errors(KeyError)) == 1


def test_what_is_ready_is_not_waited_for(new_server: NewServer) -> None:
    server = new_server()
    server.engine.use(lambda request: succeed("whatever"))
    assert server.request().answer.status == 200


@pytest.mark.parametrize("fails", [True, False])
def test_a_refused_post_does_not_count_as_one_that_goes_on(
    new_server: NewServer, fails: bool, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server()
    client = server.open_polling()
    refusing = [True]

    @server.engine.use
    def refuse(request: Request) -> None:
        if refusing:
            refusing.pop()
            if fails:
                raise RuntimeError
            request.setResponseCode(403)
            request.finish()

    assert client.post("4a").answer.status == (400 if fails else 403)
    assert client.post("4b").answer.status == 200
    assert client.protocol.messages == ["b"]
    assert len(flush_logged_errors(RuntimeError)) == int(fails)


@pytest.mark.behaviour("B176")
def test_the_limit_of_bodies_stays(new_server: NewServer) -> None:
    server = new_server(max_http_buffer_size=5)
    server.engine.use(lambda request: None)
    client = server.open_polling()
    assert client.post("4" * 48).answer.status == 413
    assert client.protocol.messages == []


def test_a_header_with_a_line_end_never_gets_out(new_server: NewServer) -> None:
    server = new_server()

    @server.engine.use
    def split(request: Request) -> None:
        request.setHeader("x-a", "1\r\nx-b: 2")

    for exchange in each_request(server):
        assert exchange.answer.header("x-b") is None


def test_an_answer_that_never_ends_is_ended(new_server: NewServer) -> None:
    server = new_server()

    @server.engine.use
    def begin(request: Request) -> Deferred[None]:
        request.write(b"begun")
        return Deferred()

    exchange = server.request()
    server.advance(HOOK_TIMEOUT)
    assert (exchange.answer.status, exchange.answer.body) == (200, b"begun")
    server.assert_nothing_left()


def test_an_answer_may_be_complete_before_its_middleware_is(
    new_server: NewServer,
) -> None:
    server = new_server()
    waiting: Deferred[None] = Deferred()

    @server.engine.use
    def answer(request: Request) -> Deferred[None]:
        request.write(b"done")
        request.finish()
        return waiting

    assert server.request().answer.body == b"done"
    waiting.callback(None)
    assert server.application.built == []
    server.assert_nothing_left()


def test_what_comes_when_nobody_waits_changes_nothing(new_server: NewServer) -> None:
    server = new_server()
    waiting: Deferred[None] = Deferred(lambda each: each.callback(None))
    server.engine.use(lambda request: waiting)
    server.request().abort()
    assert server.application.built == []
    server.assert_nothing_left()
