"""CORS: what pages of other origins are told; and the client's address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.conformance.exchanges import Response
from tests.conformance.memory import Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    open_websocket,
    server_for,
)
from tests.conftest import FlushLoggedErrors

ORIGIN = {"Origin": "http://engine.io"}

DEFAULT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"


def granted(response: Response) -> dict[str, str]:
    """Return what the answer allows, by the ends of the headers' names."""
    prefix = "access-control-"
    return {
        name.lower().removeprefix(prefix): value
        for name, value in response.headers
        if name.lower().startswith(prefix)
    }


def preflight(cors: Any, **headers: str) -> Response:
    server = server_for(3, cors=cors)
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return server.request("OPTIONS", "?transport=polling", {**ORIGIN, **names}).response


@pytest.mark.behaviour("B146")
def test_a_preflight_with_a_reflected_origin() -> None:
    cors = {"origin": True, "headers": ["my-header"], "credentials": True}
    response = preflight(cors)
    assert response.status == 204
    assert response.body == b""
    assert granted(response) == {
        "allow-origin": "http://engine.io",
        "allow-methods": DEFAULT_METHODS,
        "allow-headers": "my-header",
        "allow-credentials": "true",
    }
    assert "Origin" in (response.header("Vary") or "")


@pytest.mark.behaviour("B146")
def test_a_preflight_comes_before_every_check() -> None:
    server = Server(cors=True, allow_request=lambda request: False)
    for query in ("", "?transport=tobi", "?EIO=9", "?transport=polling&sid=none"):
        assert server.request("OPTIONS", f"/engine.io/{query}", ORIGIN).status == 204
    assert server.errors == []


@pytest.mark.behaviour("B146")
def test_without_a_list_the_headers_asked_for_are_allowed() -> None:
    response = preflight(True, Access_Control_Request_Headers="x-a, x-b")
    assert granted(response)["allow-headers"] == "x-a, x-b"
    assert response.header("Vary") == "Access-Control-Request-Headers"


@pytest.mark.behaviour("B146")
def test_a_preflight_may_be_left_to_others() -> None:
    cors = {"origin": "*", "preflight_continue": True}
    response = preflight(cors)
    assert response.status == 400
    assert response.json()["code"] == 2


@pytest.mark.behaviour("B147")
def test_an_ordinary_request_with_a_reflected_origin() -> None:
    cors = {"origin": True, "headers": ["my-header"], "credentials": True}
    server = server_for(3, cors=cors)
    response = server.get("?transport=polling", ORIGIN).response
    assert response.status == 200
    assert granted(response) == {
        "allow-origin": "http://engine.io",
        "allow-credentials": "true",
    }


@pytest.mark.behaviour("B147")
def test_every_answer_of_a_session_has_the_headers() -> None:
    server = Server(cors=True, echo=True)
    peer = PollingPeer(server, headers=ORIGIN)
    exchanges = [
        peer.handshake,
        peer.post_body(b"4a", headers=ORIGIN),
        peer.poll(ORIGIN),
        server.get("?EIO=4&transport=polling&sid=none", ORIGIN),
        server.get("?EIO=3&transport=polling", ORIGIN),
    ]
    for exchange in exchanges:
        assert granted(exchange.response) == {"allow-origin": "*"}


@pytest.mark.behaviour("B147")
def test_a_websocket_has_the_headers_and_others_are_refused() -> None:
    server = Server(cors={"origin": ["http://good.example"]})
    good = open_websocket(server, headers={"Origin": "http://good.example"})
    assert granted(good.response) == {"allow-origin": "http://good.example"}
    target = "?EIO=4&transport=websocket"
    bad = WebSocketPeer(server, target, {"Origin": "http://bad.example"})
    # The reference lets it in, since CORS refuses nothing: see docs/differences.md.
    assert bad.response.status == 403
    assert granted(bad.response) == {}


@pytest.mark.behaviour("B148")
def test_a_preflight_from_an_origin_that_is_not_listed() -> None:
    response = preflight({"origin": ["http://good-domain.com"]})
    assert response.status == 204
    assert response.body == b""
    assert "allow-origin" not in granted(response)
    assert "allow-credentials" not in granted(response)


@pytest.mark.behaviour("B149")
def test_a_preflight_with_every_option() -> None:
    response = preflight(
        {
            "origin": "http://good-domain.com",
            "methods": ["GET", "PUT", "POST"],
            "allowed_headers": ["my-header"],
            "exposed_headers": ["my-exposed-header"],
            "credentials": True,
            "max_age": 123,
            "options_success_status": 200,
        }
    )
    assert response.status == 200
    assert response.body == b""
    assert granted(response) == {
        "allow-origin": "http://good-domain.com",
        "allow-methods": "GET,PUT,POST",
        "allow-headers": "my-header",
        "expose-headers": "my-exposed-header",
        "allow-credentials": "true",
        "max-age": "123",
    }


LATER: Callable[[Any], Any] = lambda origin: succeed(origin == "http://engine.io")  # noqa: E731


@pytest.mark.behaviour("B146", "B147")
@pytest.mark.parametrize(
    ("rule", "allowed", "varies"),
    [
        ("*", "*", False),
        ("http://fixed.example", "http://fixed.example", True),
        (True, "http://engine.io", True),
        (["http://a.example", "http://engine.io"], "http://engine.io", True),
        (["http://a.example", re.compile(r"engine\.io$")], "http://engine.io", True),
        (re.compile(r"^http://engine\.io$"), "http://engine.io", True),
        (re.compile(r"\.example$"), None, True),
        (["http://a.example"], None, True),
        (LATER, "http://engine.io", True),
        (lambda origin: ["http://a.example"], None, True),
        (lambda origin: False, None, False),
        (False, None, False),
        ("", None, False),
    ],
)
def test_rules_for_origins(rule: Any, allowed: str | None, varies: bool) -> None:
    server = Server(cors={"origin": rule}, allowed_origins="*")
    response = server.get("?EIO=4&transport=polling", ORIGIN).response
    assert response.status == 200
    assert granted(response).get("allow-origin") == allowed
    assert ("Origin" in (response.header("Vary") or "").split(", ")) is varies


@pytest.mark.behaviour("B147")
def test_a_request_without_an_origin_is_not_reflected() -> None:
    server = Server(cors={"origin": True})
    response = server.get("?EIO=4&transport=polling").response
    assert granted(response) == {}
    assert response.status == 200


@pytest.mark.behaviour("B147")
def test_the_whole_option_may_depend_on_the_request() -> None:
    options: Deferred[Any] = Deferred()
    server = Server(cors=lambda request: options)
    exchange = server.get("?EIO=4&transport=polling", ORIGIN)
    assert exchange.pending
    options.callback({"origin": "http://later.example"})
    assert granted(exchange.response) == {"allow-origin": "http://later.example"}


@pytest.mark.behaviour("B147", "B174")
def test_a_rule_that_fails_refuses_the_request(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(origin: object) -> bool:
        raise KeyError(origin)

    server = Server(cors={"origin": fail})
    response = server.get("?EIO=4&transport=polling", ORIGIN).response
    assert response.status == 400
    assert server.context["name"] == "MIDDLEWARE_FAILURE"
    assert flush_logged_errors(KeyError)


@pytest.mark.behaviour("B150")
def test_text_beyond_ascii_with_cors_on(revision: int) -> None:
    server = server_for(revision, cors=True)
    peer = PollingPeer(server, revision, headers=ORIGIN)
    server.session.on("message", lambda message: server.session.send("holà"))
    peer.post("4hey")
    assert server.messages == ["hey"]
    assert peer.receive() == ["4holà"]


@pytest.mark.behaviour("B151", "B152")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_the_session_knows_the_clients_address(revision: int, transport: str) -> None:
    server = server_for(revision)
    headers = {"X-Forwarded-For": "192.0.2.1"}
    if transport == "polling":
        PollingPeer(server, revision, headers=headers)
    else:
        open_websocket(server, revision, headers=headers)
    assert server.session.remote_address == "127.0.0.1"
