"""Sessions that are not here: who is asked for them, when, and for what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connection import make_request
from tests.server.conftest import NewServer
from tests.wiring import Server, opening_headers
from txengineio.server.engine import Engine
from txengineio.server.interfaces import SiteElsewhere
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.site import EngineIOSite


class Node:
    """Another node: it has the sessions whose ids begin with its name."""

    def __init__(self, takes: bool = False) -> None:
        self.takes = takes
        self.taken: list[tuple[Any, bytes]] = []
        self.asked: list[tuple[bytes, str, bytes]] = []
        self.abandoned: list[tuple[bytes, str]] = []

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        if self.takes and b"sid=other-" in received:
            self.taken.append((channel, received))
            return True
        return False

    def takes_accepted(self, site: Any, accepted: Any, received: bytes) -> bool:
        raise AssertionError

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        self.asked.append((request.method, sid, request.read_body()))
        if not sid.startswith("other-"):
            return False
        request.answer(200, {"X-Node": "other"}, b"from afar")
        return True

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        self.abandoned.append((request.method, sid))
        return sid.startswith("other-")


def with_node(new_server: NewServer, node: Node) -> Server:
    server = new_server()
    elsewhere: SiteElsewhere = node
    server.engine.elsewhere = elsewhere
    if isinstance(server.site, EngineIOSite):
        server.site.elsewhere = elsewhere
    return server


def test_nobody_is_asked_unless_there_is_somebody() -> None:
    server = Server.new(own_site=True)
    assert isinstance(server.site, EngineIOSite)
    assert server.site.elsewhere is None
    assert Engine(server.application, reactor=server.clock).elsewhere is None
    assert server.request(sid="other-1").answer.json["code"] == 1


@pytest.mark.parametrize("middleware", [False, True])
def test_it_answers_for_its_sessions(new_server: NewServer, middleware: bool) -> None:
    node = Node()
    server = with_node(new_server, node)
    seen: list[object] = []
    if middleware:
        server.engine.use(seen.append)
    poll = server.request(sid="other-1")
    assert (poll.answer.status, poll.answer.body) == (200, b"from afar")
    post = server.request("POST", sid="other-1", body=b"4a")
    assert post.answer.header("X-Node") == "other"
    headers = opening_headers()
    target = server.target("websocket", "other-1")
    probe = server.connect().request("GET", target, None, headers)
    assert probe.answer.body == b"from afar"
    assert node.asked == [
        (b"GET", "other-1", b""),
        (b"POST", "other-1", b"4a"),
        (b"GET", "other-1", b""),
    ]
    # They run where the session is.
    assert seen == []


def test_a_body_in_pieces_is_complete_when_it_is_asked(new_server: NewServer) -> None:
    node = Node()
    server = with_node(new_server, node)
    target = server.target(sid="other-1")
    connection = server.connect()
    headers = {"Content-Length": "3"}
    post = connection.request("POST", target, None, headers)
    connection.send(b"4")
    assert node.asked == []
    connection.send(b"ab")
    assert post.answer.body == b"from afar"
    assert node.asked == [(b"POST", "other-1", b"4ab")]


@pytest.mark.parametrize("sid", ["other-1", "nobody"])
def test_a_body_that_is_never_complete_is_told(sid: str, short_path: bool) -> None:
    node = Node()
    server = Server.new(own_site=True, short_path=short_path)
    server.engine.elsewhere = node
    for method, length in (("POST", 9), ("POST", 2_000_000), ("PUT", 9)):
        connection = server.connect()
        target = server.target(sid=sid)
        headers = {"Content-Length": str(length)}
        connection.request(method, target, b"4", headers)
        connection.lose()
    assert node.abandoned == [(b"POST", sid)] * 2
    assert node.asked == []
    # Those of this node's sessions are its own.
    client = server.open_polling()
    client.start_post(5).abort()
    assert len(node.abandoned) == 2


def test_a_session_that_nobody_has_is_refused_here(new_server: NewServer) -> None:
    node = Node()
    server = with_node(new_server, node)
    assert server.request(sid="nobody").answer.json["code"] == 1
    assert node.asked == [(b"GET", "nobody", b"")]


def test_it_is_not_asked_for_what_is_here(new_server: NewServer) -> None:
    node = Node()
    server = with_node(new_server, node)
    client = server.open_polling()
    assert client.post("4a").answer.body == b"ok"
    assert server.request(transport="unknown", sid="x").answer.json["code"] == 0
    assert node.asked == []


@pytest.mark.parametrize("size", [None, 80])
def test_it_takes_a_connection_with_what_has_come(
    short_path: bool, size: int | None
) -> None:
    node = Node(takes=True)
    server = Server.new(own_site=True, short_path=short_path)
    assert isinstance(server.site, EngineIOSite)
    server.site.elsewhere = node
    connection = server.connect()
    # One for this node first: the connection goes to and fro behind a proxy.
    assert connection.request("GET", server.target()).answer.status == 200
    data = make_request("GET", server.target(sid="other-1"))[:size]
    connection.send(data)
    ((channel, received),) = node.taken
    assert received == data
    assert channel.transport is connection.transport
    assert connection.peek() == b""
    assert node.asked == []
