"""Middlewares: they see every request first, and may answer it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.web.http import Request

from tests.conformance.exchanges import Response
from tests.conformance.memory import Server
from tests.conformance.peers import PollingPeer, WebSocketPeer, server_for
from tests.conftest import FlushLoggedErrors


def handshake(server: Server, transport: str) -> Response:
    target = f"?EIO=4&transport={transport}"
    if transport == "polling":
        return server.get(target).response
    return WebSocketPeer(server, target).response


TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.mark.behaviour("B165", "B166")
@TRANSPORTS
def test_a_middleware_sets_a_header(transport: str) -> None:
    server = Server()
    server.engine.use(lambda request: request.setHeader("foo", "bar"))
    response = handshake(server, transport)
    assert response.status == (200 if transport == "polling" else 101)
    assert response.header("foo") == "bar"


@pytest.mark.behaviour("B165")
def test_headers_of_a_middleware_are_on_errors_too() -> None:
    server = Server()
    server.engine.use(lambda request: request.setHeader("foo", "bar"))
    response = server.get("?EIO=4&transport=tobi").response
    assert response.status == 400
    assert response.header("foo") == "bar"


@pytest.mark.behaviour("B167")
@TRANSPORTS
def test_middlewares_run_in_the_order_of_their_registration(transport: str) -> None:
    ran: list[int] = []
    later: Deferred[None] = Deferred()

    async def third(request: Request) -> None:
        ran.append(3)

    def second(request: Request) -> Deferred[None]:
        ran.append(2)
        return later

    server = Server()
    server.engine.use(lambda request: ran.append(1))
    server.engine.use(second)
    server.engine.use(third)
    target = f"?EIO=4&transport={transport}"
    if transport == "polling":
        exchange = server.get(target)
        assert not exchange.answered
        later.callback(None)
        assert exchange.status == 200
    else:
        websocket = WebSocketPeer(server, target)
        assert not websocket.answered
        later.callback(None)
        server.settle()
        assert websocket.response.status == 101
    assert ran == [1, 2, 3]


@pytest.mark.behaviour("B167")
def test_middlewares_see_every_request(revision: int) -> None:
    methods: list[bytes] = []
    server = server_for(revision, echo=True)
    server.engine.use(lambda request: methods.append(request.method))
    peer = PollingPeer(server, revision)
    peer.post("4a")
    peer.receive()
    peer.upgrade()
    server.get("/engine.io/")
    assert methods == [b"GET", b"POST", b"GET", b"GET", b"GET"]


def answer_503(request: Request) -> None:
    request.setResponseCode(503)
    request.setHeader("Content-Length", "4")
    request.write(b"wait")
    request.finish()


@pytest.mark.behaviour("B168", "B169")
@TRANSPORTS
def test_a_middleware_answers_itself(transport: str) -> None:
    server = Server()
    server.engine.use(answer_503)
    response = handshake(server, transport)
    assert (response.status, response.body) == (503, b"wait")
    assert server.sessions == []
    assert server.errors == []


def set_security_headers(request: Request) -> None:
    request.setHeader("X-Download-Options", "noopen")
    request.setHeader("X-Content-Type-Options", "nosniff")


@pytest.mark.behaviour("B170", "B171")
@TRANSPORTS
def test_a_middleware_for_security_headers(transport: str) -> None:
    server = Server()
    server.engine.use(set_security_headers)
    response = handshake(server, transport)
    assert response.header("X-Download-Options") == "noopen"
    assert response.header("X-Content-Type-Options") == "nosniff"


def keep_session(request: Any) -> None:
    """What an application of twisted.web does to have a session of its own."""
    request.addCookie("connect.sid", "s%3Aabc", path="/", httpOnly=True)


@pytest.mark.behaviour("B172", "B173")
@TRANSPORTS
def test_a_middleware_that_keeps_a_session_by_cookie(transport: str) -> None:
    server = Server()
    server.engine.use(keep_session)
    (cookie,) = handshake(server, transport).all("Set-Cookie")
    assert cookie.startswith("connect.sid=")


@pytest.mark.behaviour("B172")
def test_the_cookies_of_a_middleware_and_of_the_engine() -> None:
    server = Server(cookie=True)
    server.engine.use(keep_session)
    cookies = handshake(server, "polling").all("Set-Cookie")
    assert sorted(each.partition("=")[0] for each in cookies) == ["connect.sid", "io"]


def raising(request: Request) -> None:
    raise RuntimeError("broken")


async def raising_later(request: Request) -> None:
    raise RuntimeError("broken")


@pytest.mark.behaviour("B174", "B175", "B230")
@TRANSPORTS
@pytest.mark.parametrize(
    "middleware",
    [raising, raising_later, lambda request: fail(RuntimeError("broken"))],
    ids=["raises", "coroutine", "Deferred"],
)
def test_a_middleware_that_fails_refuses_the_request(
    transport: str, middleware: Any, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = Server()
    server.engine.use(middleware)
    response = handshake(server, transport)
    assert response.status == 400
    assert response.json() == {"code": 3, "message": "Bad request"}
    assert server.context == {"name": "MIDDLEWARE_FAILURE"}
    assert server.sessions == []
    assert flush_logged_errors(RuntimeError)


@pytest.mark.behaviour("B230")
def test_a_middleware_that_writes_and_then_fails(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def write_and_fail(request: Request) -> None:
        request.write(b"so far")
        raise RuntimeError("broken")

    server = Server()
    server.engine.use(write_and_fail)
    exchange = server.get("?EIO=4&transport=polling")
    assert (exchange.status, exchange.text) == (200, "so far")
    assert exchange.connection.received == b""
    assert flush_logged_errors(RuntimeError)


@pytest.mark.behaviour("B168")
@TRANSPORTS
def test_a_middleware_that_never_answers_costs_its_client_the_request(
    transport: str, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = Server()
    server.engine.use(lambda request: Deferred())
    target = f"?EIO=4&transport={transport}"
    if transport == "polling":
        exchange = server.get(target)
        server.advance(120)
        assert exchange.status >= 400
    else:
        websocket = WebSocketPeer(server, target)
        server.advance(120)
        assert websocket.response.status >= 400
    flush_logged_errors()


@pytest.mark.behaviour("B176")
@pytest.mark.parametrize("plain_site", [True, False])
def test_the_size_limit_holds_behind_a_middleware(
    revision: int, plain_site: bool
) -> None:
    server = server_for(revision, max_http_buffer_size=5, plain_site=plain_site)
    server.engine.use(lambda request: None)
    peer = PollingPeer(server, revision)
    assert peer.post("4" + "x" * 48).status == 413
    assert server.messages == []
    assert not peer.is_alive()
