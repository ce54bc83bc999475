"""Headers of requests and answers, and the events that may change them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.memory import Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    join,
    open_websocket,
    server_for,
)
from tests.conftest import FlushLoggedErrors

IE8 = (
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2;"
    " .NET CLR 2.0.50727)"
)
IE11 = "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko"

EXTRA = {"X-Custom-Header": "my-secret-access-token", "Cookie": "user_session=NI2J"}


@pytest.mark.behaviour("B136", "B137")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_extra_request_headers_can_be_read(revision: int, transport: str) -> None:
    server = server_for(revision)
    if transport == "websocket":
        open_websocket(server, revision, headers=EXTRA)
    else:
        PollingPeer(server, revision, headers=EXTRA)
    request = server.session.request
    for name, value in EXTRA.items():
        assert request.header(name) == value
        assert request.header(name.upper()) == value


@pytest.mark.behaviour("B138", "B139")
@pytest.mark.parametrize("agent", [IE8, IE11])
def test_internet_explorer_is_told_not_to_look_for_scripts(
    revision: int, agent: str
) -> None:
    headers = {"User-Agent": agent}
    peer = PollingPeer(server_for(revision, echo=True), revision, headers=headers)
    post = peer.post_body(join(revision, "4a").encode(), headers=headers)
    poll = peer.poll(headers)
    for response in (peer.handshake.response, post.response, poll.response):
        assert response.header("X-XSS-Protection") == "0"


@pytest.mark.behaviour("B138", "B139")
def test_other_browsers_are_not(revision: int) -> None:
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    peer = PollingPeer(server_for(revision), revision, headers=headers)
    assert peer.handshake.response.header("X-XSS-Protection") is None


@pytest.mark.behaviour("B140")
def test_polls_are_not_to_be_stored(revision: int) -> None:
    peer = PollingPeer(server_for(revision, echo=True), revision)
    peer.post("4a")
    for exchange in (peer.handshake, peer.poll()):
        assert exchange.response.header("cache-control") == "no-store"


def add_headers(headers: dict[str, Any], request: Any) -> None:
    assert request.method == b"GET"
    headers["test"] = "123"
    headers["set-cookie"] = "mycookie=456"


def add_headers_to_all(headers: dict[str, Any], request: Any) -> None:
    headers["test"] = "123"
    headers["set-cookie"] = "mycookie=456"


@pytest.mark.behaviour("B141")
def test_initial_headers_change_the_first_answer_only() -> None:
    server = server_for(3, cookie=True)
    server.engine.on("initial_headers", add_headers)
    peer = PollingPeer(server, 3)
    first = peer.handshake.response
    assert first.header("test") == "123"
    cookies = first.all("Set-Cookie")
    assert cookies == [
        f"io={peer.sid}; Path=/; HttpOnly; SameSite=Lax",
        "mycookie=456",
    ]
    second = peer.post("6").response
    assert second.status == 200
    assert second.header("test") is None
    assert second.all("Set-Cookie") == []


@pytest.mark.behaviour("B142")
def test_headers_change_every_answer() -> None:
    server = server_for(3, cookie=True)
    server.engine.on("headers", add_headers_to_all)
    peer = PollingPeer(server, 3)
    first = peer.handshake.response
    assert first.header("test") == "123"
    assert [each.partition("=")[0] for each in first.all("Set-Cookie")] == [
        "io",
        "mycookie",
    ]
    second = peer.post("6").response
    assert second.header("test") == "123"
    assert second.all("Set-Cookie") == ["mycookie=456"]


@pytest.mark.behaviour("B141", "B142")
def test_no_event_changes_an_error() -> None:
    seen: list[str] = []
    server = Server()
    server.engine.on("initial_headers", lambda *_: seen.append("initial_headers"))
    server.engine.on("headers", lambda *_: seen.append("headers"))
    assert server.get("?EIO=4&transport=tobi").status == 400
    assert server.get("?EIO=4&transport=polling&sid=none").status == 400
    peer = PollingPeer(server)
    assert seen == ["initial_headers", "headers"]
    assert server.request("DELETE", peer.target).status == 405
    assert seen == ["initial_headers", "headers"]


@pytest.mark.behaviour("B143")
def test_initial_headers_change_the_101(revision: int) -> None:
    server = server_for(revision, cookie=True)
    server.engine.on("initial_headers", add_headers)
    response = open_websocket(server, revision).response
    assert response.header("test") == "123"
    assert response.all("Set-Cookie") == ["mycookie=456"]


@pytest.mark.behaviour("B143")
def test_a_list_of_values_makes_a_line_each_on_the_101() -> None:
    def add(headers: dict[str, Any], request: Any) -> None:
        headers["Set-Cookie"] = ["a=1", "b=2"]

    server = Server()
    server.engine.on("headers", add)
    assert open_websocket(server).response.all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.behaviour("B143")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_header_cannot_smuggle_in_another(
    transport: str, flush_logged_errors: FlushLoggedErrors
) -> None:
    def add(headers: dict[str, Any], request: Any) -> None:
        headers["x-test"] = "a\r\nx-smuggled: b"

    server = Server()
    server.engine.on("headers", add)
    target = f"?EIO=4&transport={transport}"
    if transport == "polling":
        response = server.get(target).response
    else:
        response = WebSocketPeer(server, target).response
    assert response.header("x-smuggled") is None
    assert flush_logged_errors(ValueError)


@pytest.mark.behaviour("B144", "B145")
def test_the_events_of_an_upgrading_session(revision: int) -> None:
    seen: list[str] = []
    server = server_for(revision)
    server.engine.on("initial_headers", lambda *_: seen.append("initial_headers"))
    server.engine.on("headers", lambda *_: seen.append("headers"))
    peer = PollingPeer(server, revision)
    assert seen == ["initial_headers", "headers"]
    poll = peer.poll()
    websocket = peer.websocket()
    websocket.send("2probe")
    server.advance(0.15)
    assert poll.text == join(revision, "6")
    websocket.send("5")
    assert seen == ["initial_headers", "headers", "headers", "headers"]


@pytest.mark.behaviour("B143")
def test_initial_headers_come_before_headers(revision: int) -> None:
    seen: list[str] = []
    server = server_for(revision)
    server.engine.on("headers", lambda *_: seen.append("headers"))
    server.engine.on("initial_headers", lambda *_: seen.append("initial_headers"))
    open_websocket(server, revision)
    assert seen == ["initial_headers", "headers"]
