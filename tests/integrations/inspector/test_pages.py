"""The inspector's resources, over HTTP in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from twisted.internet.interfaces import IDelayedCall
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.connection import Connection, Response
from tests.wiring import Server
from txengineio.errors import InvalidOption
from txengineio.integrations.inspector import pages as inspector
from txengineio.integrations.inspector.pages import InspectorResource, inspector_pages
from txengineio.integrations.inspector.session_list import SLICE
from txengineio.server.web.site import engine_site

PAGE = Path(inspector.__file__).with_name("page")
OWN = {"Host": "127.0.0.1:8080", "X-Inspector": "1"}


def inspected(path: str = "/engine.io/", *, echoes: bool = True) -> Server:
    server = Server.new(own_site=True)
    pages = inspector_pages(server.engine, path, echoes=echoes)
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
        ("/", "text/html", '<html lang="en" data-engine="/a&lt;b/">'),
        ("/inspector/inspector.css", "text/css", ":root"),
        ("/inspector/inspector.js", "text/javascript", 'from "./connection.js"'),
        ("/inspector/client.js", "text/javascript", "class Client"),
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


def mounted(hosts: Collection[str] = ()) -> Server:
    """Return a site that serves the inspector at ``/admin/sessions/``."""
    server = Server.new(own_site=True)
    root, admin = Resource(), Resource()
    root.putChild(b"admin", admin)
    admin.putChild(b"sessions", InspectorResource(server.engine, "/io/", hosts=hosts))
    server.site = Site(root, reactor=server.clock)
    return server


def test_it_can_be_mounted_anywhere() -> None:
    server = mounted()
    page = ask(server, "/admin/sessions/", {})
    assert 'data-engine="/io/"' in page.text
    for part in re.findall(r'(?:src|href)="(inspector/.*?)"', page.text):
        assert ask(server, f"/admin/sessions/{part}", {}).status == 200
    state = ask(server, "/admin/sessions/inspector/state", OWN)
    assert state.json["total"] == 0
    assert state.json["echoes"] is False


def test_without_the_slash_it_leads_to_the_page() -> None:
    answer = ask(mounted(), "/admin/sessions", {"Host": "127.0.0.1:8080"})
    assert answer.status == 302
    assert answer.header("Location") == "./sessions/"


@pytest.mark.parametrize(
    ("host", "status"),
    [("Chat.Example:443", 200), ("localhost", 200), ("evil.example", 403)],
)
def test_it_answers_under_the_names_that_it_is_given(host: str, status: int) -> None:
    headers = {"Host": host, "X-Inspector": "1"}
    server = mounted(hosts=["chat.EXAMPLE"])
    assert ask(server, "/admin/sessions/inspector/state", headers).status == status


def test_a_single_name_is_no_list_of_names() -> None:
    with pytest.raises(InvalidOption, match="hosts must be names of hosts, such as"):
        mounted(hosts="chat.example")


def test_what_a_module_imports_is_served() -> None:
    server = inspected()
    missing = ["inspector.js"]
    served: set[str] = set()
    while missing:
        name = missing.pop()
        answer = ask(server, f"/inspector/{name}", {})
        assert answer.status == 200, name
        served.add(name)
        missing += set(re.findall(r'from "\./(.+?)"', answer.text)) - served

    assert served == {each.name for each in PAGE.glob("*.js")}


@pytest.mark.parametrize("each", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_modules_of_the_page_are_small_and_plain(each: Path) -> None:
    text = each.read_text("utf-8")

    assert len(text.splitlines()) <= 500
    # What comes from clients is text, never markup.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", text)


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


@pytest.mark.parametrize("echoes", [True, False])
def test_the_state_says_how_many_there_are_and_whether_messages_come_back(
    echoes: bool,
) -> None:
    server, other = inspected(echoes=echoes), inspected()
    server.open_polling()

    state = json.loads(ask(server, "/inspector/state", OWN).text)
    again = json.loads(ask(server, "/inspector/state", OWN).text)
    others = json.loads(ask(other, "/inspector/state", OWN).text)

    assert (state["total"], state["echoes"]) == (1, echoes)
    # A page sees by it that the server was started again.
    assert state["run"] == again["run"] != others["run"]


def test_a_list_is_searched_and_sorted() -> None:
    server = inspected()
    clients = [server.open_polling() for _ in range(3)]
    clients[1].post("4some message")
    own, largest = clients[2].sid[:6], clients[1].sid[:6]

    path = f"/inspector/sessions?sort=in&descending=1&own={own}&search=polling%20192"
    report = json.loads(ask(server, path, OWN).text)

    assert [row["id"] for row in report["sessions"]][:2] == [own, largest]
    assert [row["own"] for row in report["sessions"]] == [True, False, False]
    assert (report["matching"], report["listed"]) == (3, 3)


@pytest.mark.parametrize("query", ["sort=__class__", "page=0", "page=x", "own=%ff"])
def test_what_cannot_be_asked_for_is_refused(query: str) -> None:
    assert ask(inspected(), f"/inspector/sessions?{query}", OWN).status == 400


def test_a_long_list_is_answered_when_it_is_there() -> None:
    server = inspected()
    for _ in range(SLICE + 1):
        server.open_polling()

    answer = ask(server, "/inspector/sessions", OWN)

    assert json.loads(answer.text)["total"] == SLICE + 1


def due_now(server: Server) -> list[IDelayedCall]:
    now = server.clock.seconds()
    return [call for call in server.clock.getDelayedCalls() if call.getTime() <= now]


def test_who_leaves_before_the_list_is_there_stops_the_work() -> None:
    server = inspected()
    for _ in range(SLICE + 1):
        server.open_polling()
    connection = Connection(server.site, lambda: None)
    exchange = connection.request("GET", "/inspector/sessions", None, OWN)
    assert exchange.is_pending
    (work,) = due_now(server)

    connection.lose()
    connection.transport.settle()

    assert not work.active()


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
@pytest.mark.parametrize("path", ["/inspector/sessions", "/inspector/state"])
def test_nobody_else_sees_the_sessions(path: str, headers: dict[str, str]) -> None:
    assert ask(inspected(), path, headers).status == 403


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
