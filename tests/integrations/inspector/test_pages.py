"""The inspector's resources, over HTTP in memory."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.connection import Connection, Response
from tests.wiring import Server
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.server.web.site import engine_site

OWN = {"Host": "127.0.0.1:8080", "X-Inspector": "1"}


def inspected(path: str = "/engine.io/") -> Server:
    server = Server.new(own_site=True)
    pages = inspector_pages(server.engine, path, echoes=True)
    server.site = engine_site(server.engine, path, beside=pages, reactor=server.clock)
    return server


def ask(
    server: Server, path: str, headers: Mapping[str, str], method: str = "GET"
) -> Response:
    connection = Connection(server.site, server.settle)
    return connection.request(method, path, None, headers).answer


@pytest.mark.parametrize(
    ("path", "content_type", "content"),
    [
        ("/", "text/html", '<html lang="en" data-engine="/a&lt;b/" data-echoes="yes">'),
        ("/inspector/inspector.css", "text/css", ":root"),
        ("/inspector/inspector.js", "text/javascript", "class Client"),
    ],
)
def test_the_page_and_its_parts(path: str, content_type: str, content: str) -> None:
    answer = ask(inspected("/a<b/"), path, {})

    assert answer.status == 200
    assert answer.header("Content-Type") == f"{content_type}; charset=UTF-8"
    assert content in answer.text
    assert "{{" not in answer.text
    policy = answer.header("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_engine_is_beside_the_page() -> None:
    assert inspected().open_polling().session.transport.name == "polling"


def test_other_paths_are_not_implemented() -> None:
    assert ask(inspected(), "/elsewhere", {}).status == 501


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "[::1]:8080", "localhost", "app.localhost:1", "10.1.2.3"]
)
def test_the_own_page_sees_the_sessions(host: str) -> None:
    server = inspected()
    server.open_polling()

    answer = ask(server, "/inspector/sessions", {**OWN, "Host": host})

    assert answer.status == 200
    assert '"total":1' in answer.text


STRANGERS = [
    # What a form, a picture or a script of another site would send.
    {"Host": "127.0.0.1:8080"},
    {**OWN, "Origin": "http://evil.example"},
    {**OWN, "Origin": "http://127.0.0.1:9999"},
    {**OWN, "Origin": "null"},
    # What a page sends whose name was made to lead here.
    {**OWN, "Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
    {**OWN, "Host": "127.0.0.1.evil.example"},
    {**OWN, "Host": "[nonsense"},
    {**OWN, "Host": ""},
]


@pytest.mark.parametrize("headers", STRANGERS)
def test_nobody_else_sees_the_sessions(headers: dict[str, str]) -> None:
    assert ask(inspected(), "/inspector/sessions", headers).status == 403


def handle_of(server: Server) -> str:
    text = ask(server, "/inspector/sessions", OWN).text
    return text.partition('"handle":"')[2].partition('"')[0]


def test_the_own_page_closes_a_session() -> None:
    server = inspected()
    poll = server.open_polling().poll()
    headers = {**OWN, "Origin": "http://127.0.0.1:8080"}

    path = f"/inspector/sessions/{handle_of(server)}"

    assert ask(server, path, headers, "DELETE").status == 204
    assert poll.answer.packets == ["1"]
    assert ask(server, path, headers, "DELETE").status == 404


@pytest.mark.parametrize("headers", STRANGERS)
def test_nobody_else_closes_a_session(headers: dict[str, str]) -> None:
    server = inspected()
    client = server.open_polling()
    path = f"/inspector/sessions/{handle_of(server)}"

    assert ask(server, path, headers, "DELETE").status == 403
    assert client.session.closed is None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_is_closed_by_delete_only(method: str) -> None:
    server = inspected()
    client = server.open_polling()

    answer = ask(server, f"/inspector/sessions/{handle_of(server)}", OWN, method)

    assert (answer.status, answer.header("Allow")) == (405, "DELETE")
    assert client.session.closed is None
