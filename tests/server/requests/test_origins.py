"""Whose pages may open sessions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import ErrorCode, InvalidOption
from txengineio.server.options.origins import check_origins
from txengineio.server.requests.checks import ConnectionErrorEvent
from txengineio.server.requests.origins import is_same_origin

OWN = "http://test.example"
OTHER = "http://evil.example"


def status(server: Server, transport: str, origin: str | None, **headers: str) -> int:
    """Return the status that a request of a page of an origin is answered with."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if origin is not None:
        fields["Origin"] = origin
    if transport == "polling":
        return server.request(headers=fields).answer.status
    if transport == "websocket":
        return server.open_websocket(headers=fields).opening.answer.status
    sid = server.open_polling().sid
    return server.open_websocket(sid, headers=fields).opening.answer.status


def good(transport: str) -> int:
    return 200 if transport == "polling" else 101


every_way_in = pytest.mark.parametrize("transport", ["polling", "websocket", "upgrade"])


@pytest.mark.parametrize(
    ("origin", "host", "secure", "same"),
    [
        ("http://a.example", "a.example", False, True),
        ("http://a.example", "A.Example", False, True),
        ("http://a.example", "a.example:80", False, True),
        ("http://a.example:8080", "a.example:8080", False, True),
        ("http://[::1]:8080", "[::1]:8080", False, True),
        # There may be a proxy in front that does TLS.
        ("https://a.example", "a.example", False, True),
        ("https://a.example", "a.example:443", False, True),
        ("https://a.example", "a.example", True, True),
        ("http://a.example", "a.example", True, False),
        ("http://a.example", "a.example:8080", False, False),
        ("http://a.example:8080", "a.example", False, False),
        ("http://b.example", "a.example", False, False),
        ("http://a.example.evil.example", "a.example", False, False),
        ("http://evil.example#a.example", "a.example", False, False),
        ("http://evil.example/a.example", "a.example", False, False),
        ("http://a.example:x", "a.example", False, False),
        ("http://a.example", "a.example:x", False, False),
        ("http://[a.example", "a.example", False, False),
        ("ftp://a.example", "a.example", False, False),
        ("null", "null", False, False),
        ("file://", "", False, False),
        ("http://", "", False, False),
        ("", "", False, False),
    ],
)
def test_what_is_the_same_origin(
    origin: str, host: str, secure: bool, same: bool
) -> None:
    assert is_same_origin(origin, host, secure) is same


@every_way_in
def test_pages_of_the_server_itself_and_programs_come_in(
    new_server: NewServer, transport: str
) -> None:
    assert status(new_server(), transport, OWN) == good(transport)
    assert status(new_server(), transport, None) == good(transport)


@every_way_in
@pytest.mark.parametrize("origin", [OTHER, "null", "file://", ""])
def test_pages_of_others_do_not(
    new_server: NewServer, transport: str, origin: str
) -> None:
    server = new_server()
    events: list[ConnectionErrorEvent] = []
    server.engine.on("connection_error", events.append)
    assert status(server, transport, origin) == 403
    (event,) = events
    assert event.code is ErrorCode.FORBIDDEN
    assert event.context["name"] == "ORIGIN_NOT_ALLOWED"
    assert event.context["expected"] == "http(s)://test.example"
    assert "allowed_origins" in event.context["hint"]


def test_the_answer_repeats_nothing(new_server: NewServer) -> None:
    answer = new_server().request(headers={"Origin": OTHER}).answer
    assert answer.json == {"code": 4, "message": "Forbidden"}
    assert OTHER not in str(answer)


def test_one_of_several_origins_is_enough_to_refuse(new_server: NewServer) -> None:
    server = new_server()
    request = f"GET {server.target()} HTTP/1.1\r\nHost: test.example\r\n"
    request += f"Origin: {OTHER}\r\nOrigin: {OWN}\r\n\r\n"
    connection = server.connect()
    exchange = connection.expect()
    connection.send(request.encode())
    assert exchange.answer.status == 403


@every_way_in
@pytest.mark.parametrize(
    "rules", ["*", [OTHER], [re.compile(r"\Ahttp://evil\.")], ("null", OTHER)]
)
def test_the_check_can_be_told_more(
    new_server: NewServer, transport: str, rules: Any
) -> None:
    server = new_server(allowed_origins=rules)
    assert status(server, transport, OTHER) == good(transport)
    assert status(server, transport, OWN) == good(transport)


@every_way_in
@pytest.mark.parametrize(
    "cors", [True, {"origin": True}, {"origin": [OTHER]}, {"origin": OTHER}]
)
def test_whom_cors_lets_read_may_come_in(
    new_server: NewServer, transport: str, cors: Any
) -> None:
    assert status(new_server(cors=cors), transport, OTHER) == good(transport)
    assert status(new_server(cors=cors), transport, OWN) == good(transport)


@every_way_in
@pytest.mark.parametrize("origin", [OWN, "http://x.example", [OWN], False])
def test_whom_cors_does_not_know_may_not(
    new_server: NewServer, transport: str, origin: Any
) -> None:
    assert status(new_server(cors={"origin": origin}), transport, OTHER) == 403


@pytest.mark.parametrize("origin", [OTHER, OWN])
def test_preflights_are_answered_as_ever(new_server: NewServer, origin: str) -> None:
    server = new_server(cors={"origin": [OWN]})
    answer = server.request("OPTIONS", headers={"Origin": origin}).answer
    assert answer.status == 204


def test_other_mistakes_come_first(new_server: NewServer) -> None:
    server = new_server()
    headers = {"Origin": OTHER}
    answer = server.request(transport="websocket", headers=headers).answer
    assert (answer.status, answer.json["code"]) == (400, 3)


def test_polls_are_not_asked_where_they_come_from(new_server: NewServer) -> None:
    # They have the session's id, which no other page can know.
    client = new_server().open_polling()
    assert client.post("4a", headers={"Origin": OTHER}).answer.status == 200


def test_a_trusted_proxy_says_what_the_browser_calls_the_server(
    new_server: NewServer,
) -> None:
    forwarded = {
        "Host": "backend:8080",
        "X_Forwarded_Host": "a.example",
        "X_Forwarded_Proto": "https",
    }
    page = "https://a.example"
    assert status(new_server(), "websocket", page, **forwarded) == 403
    server = new_server(trusted_proxies=["192.0.2.0/24"])
    assert status(server, "websocket", page, **forwarded) == 101
    assert status(server, "websocket", "http://a.example", **forwarded) == 403
    assert status(server, "websocket", "http://backend:8080", **forwarded) == 403
    # A proxy that says nothing about it leaves the headers as they are.
    assert status(server, "websocket", OWN) == 101


@pytest.mark.parametrize("value", ["http://a.example", 5, [5], None])
def test_other_things_are_no_origins(value: Any) -> None:
    with pytest.raises(InvalidOption, match="allowed_origins"):
        check_origins("allowed_origins", value)


# --- allow_request on the way to another transport ------------------------------------


@pytest.mark.parametrize("answer", [True, False, "not any more"])
def test_the_application_is_asked_about_an_upgrade(
    new_server: NewServer, answer: Any
) -> None:
    answers: list[Any] = [True, answer]
    server = new_server(allow_request=lambda _: answers.pop(0))
    client = server.open_polling()
    websocket = client.open_websocket()
    assert websocket.is_accepted is (answer is True)
    if answer is not True:
        assert websocket.opening.answer.status == 403
        assert client.session.upgrade_attempt is None
        # It goes on as it was.
        assert client.post("4a").answer.text == "ok"


@pytest.mark.parametrize("meanwhile", ["nothing", "gone", "closed"])
def test_the_application_may_take_its_time_about_an_upgrade(
    new_server: NewServer, meanwhile: str
) -> None:
    later: Deferred[bool] = Deferred()
    answers: list[Any] = [True, later]
    server = new_server(allow_request=lambda _: answers.pop(0))
    client = server.open_polling()
    session = client.session
    websocket = client.open_websocket()
    if meanwhile == "gone":
        websocket.connection.lose()
    elif meanwhile == "closed":
        session.close(discard=True)
    later.callback(True)
    if meanwhile == "nothing":
        websocket.send("2probe")
        assert websocket.packets() == ["3probe"]
    elif meanwhile == "closed":
        assert websocket.close_frame() is not None
    assert (session.upgrade_attempt is None) is (meanwhile != "nothing")
