from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tests.conftest import FlushLoggedErrors
from tests.connection import Response
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import InvalidOption
from txengineio.server.options.cors import CorsOptions
from txengineio.server.requests.cors import cors_headers, preflight_headers

GOOD = "http://good-domain.com"
BAD = "http://bad-domain.com"

ALLOW = "Access-Control-Allow-"


def get(server: Server, origin: str | None = GOOD) -> Response:
    headers = {} if origin is None else {"Origin": origin}
    return server.request(headers=headers).answer


def preflight(server: Server, origin: str = GOOD, **headers: str) -> Response:
    headers |= {"Origin": origin}
    # Neither the transport nor the session matters to a preflight.
    return server.request("OPTIONS", transport="tobi", sid="x", headers=headers).answer


def access(response: Response) -> dict[str, str]:
    prefix = "access-control-"
    return {
        name.lower().removeprefix(prefix): value
        for name, value in response.headers
        if name.lower().startswith(prefix)
    }


@pytest.mark.behaviour("B146")
def test_a_preflight_of_a_reflected_origin(new_server: NewServer) -> None:
    server = new_server(
        cors={"origin": True, "headers": ["my-header"], "credentials": True}
    )
    response = preflight(server)
    assert (response.status, response.body) == (204, b"")
    assert access(response) == {
        "allow-origin": GOOD,
        "allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
        "allow-headers": "my-header",
        "allow-credentials": "true",
    }
    assert response.header("Vary") == "Origin"
    assert response.header("Content-Length") == "0"


@pytest.mark.behaviour("B147")
def test_an_answer_that_is_no_preflights(new_server: NewServer) -> None:
    server = new_server(
        cors={"origin": True, "headers": ["my-header"], "credentials": True}
    )
    response = get(server)
    assert response.status == 200
    assert access(response) == {"allow-origin": GOOD, "allow-credentials": "true"}


@pytest.mark.behaviour("B148")
def test_a_preflight_of_another_origin_is_told_nothing(new_server: NewServer) -> None:
    response = preflight(new_server(cors={"origin": [GOOD]}), origin=BAD)
    assert response.status == 204
    assert "allow-origin" not in access(response)
    assert "allow-credentials" not in access(response)
    assert response.header("Vary") == "Origin, Access-Control-Request-Headers"


@pytest.mark.behaviour("B149")
def test_a_preflight_tells_everything(new_server: NewServer) -> None:
    server = new_server(
        cors={
            "origin": GOOD,
            "methods": ["GET", "PUT", "POST"],
            "allowed_headers": ["my-header"],
            "exposed_headers": ["my-exposed-header", "other"],
            "credentials": True,
            "max_age": 123,
            "options_success_status": 200,
        }
    )
    response = preflight(server)
    assert response.status == 200
    assert access(response) == {
        "allow-origin": GOOD,
        "allow-methods": "GET,PUT,POST",
        "allow-headers": "my-header",
        "expose-headers": "my-exposed-header,other",
        "allow-credentials": "true",
        "max-age": "123",
    }


def test_a_preflight_allows_the_headers_that_were_asked_for(
    new_server: NewServer,
) -> None:
    asked = {"Access-Control-Request-Headers": "x-a, x-b"}
    response = preflight(new_server(cors=True), **asked)
    assert access(response)["allow-headers"] == "x-a, x-b"
    assert response.header("Vary") == "Access-Control-Request-Headers"


@pytest.mark.parametrize("options", [True, {}, {"origin": "*"}])
def test_without_a_rule_everybody_may_read(options: Any, new_server: NewServer) -> None:
    response = get(new_server(cors=options))
    assert access(response) == {"allow-origin": "*"}
    assert response.header("Vary") is None


@pytest.mark.parametrize(
    ("rule", "origin", "allowed"),
    [
        pytest.param(GOOD, GOOD, GOOD, id="one"),
        # It is the browser that compares.
        pytest.param(GOOD, BAD, GOOD, id="not the one"),
        pytest.param(True, BAD, BAD, id="whoever"),
        pytest.param(True, None, None, id="whoever, nobody"),
        pytest.param([GOOD, re.compile("x")], GOOD, GOOD, id="listed"),
        pytest.param([GOOD, re.compile("bad")], BAD, BAD, id="listed by pattern"),
        pytest.param([GOOD, re.compile("x")], BAD, None, id="not listed"),
        pytest.param([], GOOD, None, id="nobody listed"),
        pytest.param(re.compile(r"\Ahttp://good"), GOOD, GOOD, id="matches"),
        pytest.param(re.compile(r"\Ahttp://good"), BAD, None, id="does not match"),
        pytest.param(re.compile(r"None"), None, None, id="nothing to match"),
    ],
)
def test_who_may_read_an_answer(
    rule: Any, origin: str | None, allowed: str | None, new_server: NewServer
) -> None:
    server = new_server(cors={"origin": rule}, allowed_origins="*")
    response = get(server, origin)
    # As far as CORS goes, whoever may not is served all the same.
    assert response.status == 200
    assert access(response).get("allow-origin") == allowed
    assert response.header("Vary") == "Origin"


async def later(result: Any) -> Any:
    return result


@pytest.mark.parametrize("wrap", [lambda rule: rule, succeed, later])
def test_a_callable_decides_about_the_origin(wrap: Any, new_server: NewServer) -> None:
    asked: list[str | None] = []

    def decide(origin: str | None) -> Any:
        asked.append(origin)
        return wrap([GOOD])

    server = new_server(cors={"origin": decide, "credentials": True})
    assert access(get(server))["allow-origin"] == GOOD
    assert "allow-origin" not in access(get(server, BAD))
    get(server, None)
    assert asked == [GOOD, BAD, None]


@pytest.mark.parametrize("rule", [False, None, ""])
def test_no_rule_means_no_cors(rule: Any, new_server: NewServer) -> None:
    for option in (rule, lambda origin: rule):
        server = new_server(cors={"origin": option, "credentials": True})
        assert access(get(server)) == {}
        answer = server.request("OPTIONS").answer
        assert (answer.status, answer.json["code"]) == (400, 2)


@pytest.mark.parametrize(
    "rule", [lambda origin: 1 / 0, lambda origin: fail(KeyError()), lambda origin: 5]
)
def test_a_callable_that_fails_refuses(
    rule: Any, flush_logged_errors: FlushLoggedErrors, new_server: NewServer
) -> None:
    answer = get(new_server(cors={"origin": rule}))
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert len(flush_logged_errors()) == 1


@pytest.mark.parametrize("wrap", [lambda rule: rule, succeed, later])
def test_a_callable_chooses_the_options(wrap: Any, new_server: NewServer) -> None:
    def choose(request: Any) -> Any:
        internal = request.getHeader("x-internal") is not None
        return wrap(CorsOptions(origin=GOOD) if internal else {"origin": "*"})

    server = new_server(cors=choose)
    assert access(get(server)) == {"allow-origin": "*"}
    answer = server.request(headers={"X-Internal": "1"}).answer
    assert access(answer) == {"allow-origin": GOOD}


def test_a_callable_may_choose_none(new_server: NewServer) -> None:
    assert access(get(new_server(cors=lambda request: None))) == {}


def test_preflights_may_go_on(new_server: NewServer) -> None:
    server = new_server(cors={"preflight_continue": True})
    answer = server.request("OPTIONS", headers={"Origin": GOOD}).answer
    assert (answer.status, answer.json["code"]) == (400, 2)
    assert access(answer)["allow-origin"] == "*"


@pytest.mark.behaviour("B037")
def test_errors_have_the_headers_too(new_server: NewServer) -> None:
    server = new_server(
        cors={"origin": "http://engine.io", "credentials": True}, allow_eio3=True
    )
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    answer = server.request(
        transport="websocket", EIO="", headers={"Origin": "http://engine.io"}
    ).answer
    assert (answer.status, answer.json) == (400, {"code": 3, "message": "Bad request"})
    assert access(answer) == {
        "allow-origin": "http://engine.io",
        "allow-credentials": "true",
    }
    assert [each.context["name"] for each in events] == ["TRANSPORT_HANDSHAKE_ERROR"]


def test_a_websocket_has_the_headers_and_is_never_refused_for_them(
    new_server: NewServer,
) -> None:
    server = new_server(
        cors={"origin": [GOOD], "exposed_headers": "x-a, x-b"}, allowed_origins="*"
    )
    for origin, expected in (
        (GOOD, {"allow-origin": GOOD, "expose-headers": "x-a,x-b"}),
        (BAD, {"expose-headers": "x-a,x-b"}),
    ):
        websocket = server.open_websocket(headers={"Origin": origin})
        assert websocket.is_accepted
        assert access(websocket.opening.answer) == expected
        assert websocket.opening.answer.header("Vary") == "Origin"


@pytest.mark.behaviour("B039")
def test_without_the_option_a_preflight_is_an_ordinary_request(
    new_server: NewServer,
) -> None:
    server = new_server()
    answer = server.request("OPTIONS").answer
    assert answer.json == {"code": 2, "message": "Bad handshake method"}
    sid = server.open_polling().sid
    answer = server.request("OPTIONS", sid=sid).answer
    assert (answer.status, answer.header("Allow")) == (405, "GET, POST")


@pytest.mark.behaviour("B155")
def test_the_options_are_kept(new_server: NewServer) -> None:
    assert new_server(cors=True).engine.options.cors == CorsOptions()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"origins": "*"}, "did you mean origin"),
        ({"origin": 5}, "cors origin"),
        ({"origin": [5]}, "cors origin"),
        ({"origin": "http://a\r\nx: y"}, "cors origin"),
        ({"methods": ["G T"]}, "cors methods"),
        ({"methods": 5}, "cors methods"),
        ({"allowed_headers": ["a b"]}, "cors allowed_headers"),
        ({"exposed_headers": [5]}, "cors exposed_headers"),
        ({"credentials": "yes"}, "cors credentials"),
        ({"max_age": 1.5}, "cors max_age"),
        ({"preflight_continue": 1}, "cors preflight_continue"),
        ({"options_success_status": 404}, "cors options_success_status"),
        ("*", "cors"),
    ],
)
def test_bad_options_are_refused_by_name(
    options: Any, named: str, new_server: NewServer
) -> None:
    with pytest.raises(InvalidOption, match=named):
        new_server(cors=options)


def test_the_decisions_need_no_request() -> None:
    options = CorsOptions(origin=True, methods=(), allowed_headers=())
    assert cors_headers(options, True, None) == [("Vary", "Origin")]
    assert preflight_headers(options, "*", BAD, "x-a") == [
        ("Access-Control-Allow-Origin", "*")
    ]


def test_a_client_that_leaves_before_the_rule_is_known_is_forgotten(
    new_server: NewServer,
) -> None:
    waiting: Deferred[Any] = Deferred()
    server = new_server(cors={"origin": lambda origin: waiting})
    exchange = server.request(headers={"Origin": GOOD})
    assert exchange.is_pending
    exchange.abort()
    assert server.application.built == []
    server.assert_nothing_left()
