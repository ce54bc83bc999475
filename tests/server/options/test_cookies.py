from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.server.conftest import NewServer
from txengineio.errors import InvalidOption
from txengineio.server.options.cookies import CookieOptions


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(True, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="default"),
        pytest.param({}, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="empty"),
        pytest.param(
            {"name": "woot"}, "woot=SID; Path=/; HttpOnly; SameSite=Lax", id="name"
        ),
        pytest.param(
            {"path": "/custom"},
            "io=SID; Path=/custom; HttpOnly; SameSite=Lax",
            id="path",
        ),
        pytest.param({"path": False}, "io=SID; HttpOnly; SameSite=Lax", id="no path"),
        pytest.param(
            {"http_only": True}, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="http"
        ),
        pytest.param(
            {"http_only": "no"}, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="truthy"
        ),
        pytest.param({"http_only": False}, "io=SID; Path=/; SameSite=Lax", id="js"),
        pytest.param(
            {"same_site": "strict"},
            "io=SID; Path=/; HttpOnly; SameSite=Strict",
            id="strict",
        ),
        pytest.param(
            {"same_site": True}, "io=SID; Path=/; HttpOnly; SameSite=Strict", id="true"
        ),
        pytest.param(
            {"same_site": "none", "secure": True},
            "io=SID; Path=/; HttpOnly; Secure; SameSite=None",
            id="none",
        ),
        pytest.param(
            {"same_site": None}, "io=SID; Path=/; HttpOnly", id="no same site"
        ),
        pytest.param(
            {
                "max_age": 0,
                "domain": "example.org",
                "expires": datetime(
                    2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))
                ),
                "secure": True,
                "partitioned": True,
                "priority": "high",
            },
            "io=SID; Max-Age=0; Domain=example.org; Path=/; "
            "Expires=Fri, 02 Jan 2026 02:04:05 GMT; HttpOnly; Secure; Partitioned; "
            "Priority=High; SameSite=Lax",
            id="all",
        ),
    ],
)
@pytest.mark.behaviour("B011", "B012", "B013", "B014", "B015", "B016", "B017", "B018")
def test_a_polling_handshake_sets_the_cookie(
    options: Any, expected: str, new_server: NewServer
) -> None:
    server = new_server(cookie=options)
    client = server.open_polling()
    header = client.handshake.answer.header("Set-Cookie")
    assert header == expected.replace("SID", client.sid)


@pytest.mark.behaviour("B019")
@pytest.mark.parametrize("option", [False, None])
def test_without_the_option_there_is_no_cookie(
    option: object, new_server: NewServer
) -> None:
    client = new_server(cookie=option).open_polling()
    assert client.handshake.answer.all("Set-Cookie") == []


def test_only_the_first_answer_of_a_session_has_it(new_server: NewServer) -> None:
    client = new_server(cookie=True).open_polling()
    assert client.post("4a").answer.all("Set-Cookie") == []
    client.session.send("b")
    assert client.poll().answer.all("Set-Cookie") == []


def test_a_websocket_does_not_get_it(new_server: NewServer) -> None:
    websocket = new_server(cookie=True).open_websocket()
    assert websocket.is_accepted
    assert websocket.opening.answer.all("Set-Cookie") == []


def test_it_does_not_replace_the_cookies_of_a_middleware(new_server: NewServer) -> None:
    server = new_server(cookie={"name": "io"})

    @server.engine.use
    def set_cookies(request: Any) -> None:
        request.responseHeaders.addRawHeader("Set-Cookie", "a=1")
        request.addCookie("b", "2")

    cookies = server.open_polling().handshake.answer.all("Set-Cookie")
    assert [each.partition("=")[0] for each in cookies] == ["a", "io", "b"]


def test_an_odd_id_is_quoted() -> None:
    assert CookieOptions().header("a b/ü").startswith("io=a%20b%2F%C3%BC; ")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"nmae": "x"}, "did you mean name"),
        ({"name": ""}, "cookie name"),
        ({"name": "a b"}, "cookie name"),
        ({"name": "a=b"}, "cookie name"),
        ({"path": "/; Secure"}, "cookie path"),
        ({"domain": "a\r\nb"}, "cookie domain"),
        ({"same_site": "some"}, "cookie same_site"),
        ({"priority": 1}, "cookie priority"),
        ({"secure": "yes"}, "cookie secure"),
        ({"partitioned": 1}, "cookie partitioned"),
        ({"max_age": -1}, "cookie max_age"),
        ({"max_age": True}, "cookie max_age"),
        ({"expires": "tomorrow"}, "cookie expires"),
        ("io", "cookie"),
    ],
)
def test_bad_options_are_refused_by_name(
    options: Any, named: str, new_server: NewServer
) -> None:
    with pytest.raises(InvalidOption, match=named):
        new_server(cookie=options)


def test_the_group_itself_is_taken(new_server: NewServer) -> None:
    options = CookieOptions(name="x", expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert new_server(cookie=options).engine.options.cookie is options
