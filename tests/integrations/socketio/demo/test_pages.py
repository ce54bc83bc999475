"""The chat's page as resources, over HTTP in memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.connection import Connection, Response
from tests.wiring import Server
from txengineio.integrations.socketio.demo import pages
from txengineio.integrations.socketio.demo.pages import chat_pages
from txengineio.server.web.site import engine_site

PAGE = Path(pages.__file__).with_name("page")


def get(path: str, script: str | None = None, where: str = "/a/socket.io") -> Response:
    server = Server.new(own_site=True)
    beside = chat_pages(where, script)
    server.site = engine_site(server.engine, where, beside=beside, reactor=server.clock)
    return Connection(server.site, server.settle).request("GET", path).answer


@pytest.mark.parametrize(
    ("script", "told"),
    [(None, ""), ("socket.io.min.js", "/a/socket.io/socket.io.min.js")],
)
def test_the_page_knows_where_the_server_and_the_client_are(
    script: str | None, told: str
) -> None:
    answer = get("/", script)

    assert answer.header("Content-Type") == "text/html; charset=UTF-8"
    assert f'data-engine="/a/socket.io/" data-script="{told}"' in answer.text
    assert "{{" not in answer.text
    assert "script-src 'self'" in (answer.header("Content-Security-Policy") or "")


def test_the_server_may_be_at_the_path_chat() -> None:
    page = get("/", where="/chat/").text
    parts = re.findall(r'(?:href|src)="([^":]+)"', page)
    assert len(parts) == 2
    assert [get(f"/{part}", where="/chat/").status for part in parts] == [200, 200]


def test_what_a_module_imports_is_served() -> None:
    assert (
        get("/chat-page/chat.css").header("Content-Type") == "text/css; charset=UTF-8"
    )
    missing = ["chat.js"]
    served: set[str] = set()
    while missing:
        name = missing.pop()
        answer = get(f"/chat-page/{name}")
        assert answer.status == 200, name
        served.add(name)
        missing += set(re.findall(r'from "\./(.+?)"', answer.text)) - served

    assert served == {"chat.js", "socket.js", "client.js"}


@pytest.mark.parametrize("each", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_what_others_say_is_text_never_markup(each: Path) -> None:
    text = each.read_text("utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", text)
