"""Requests that were read here, written for another node."""

from __future__ import annotations

import pytest

from tests.cluster.forwarding.nodes import two_nodes
from tests.connection import make_request
from tests.wiring import Server, opening_headers
from txengineio.cluster.forwarding.request_writer import asks_for_tunnel, write_request
from txengineio.server.web.incoming_request import IncomingRequest


class Catcher:
    """Keeps requests, and answers none."""

    def __init__(self) -> None:
        self.requests: list[IncomingRequest] = []

    def takes_connection(self, channel: object, received: bytes) -> bool:
        return False

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        self.requests.append(request)
        return True

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        raise AssertionError


@pytest.fixture(params=[True, False], ids=["own site", "a stranger's site"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server.new(own_site=request.param, node_name="a")


def caught(server: Server, *pieces: bytes) -> IncomingRequest:
    catcher = Catcher()
    server.engine.elsewhere = catcher
    server.connect().send(*pieces)
    (request,) = catcher.requests
    return request


TARGET = "/engine.io/?EIO=4&transport=polling&sid=b-x"


def test_headers_of_the_connection_stay_here(server: Server) -> None:
    headers = {
        "Connection": "keep-alive",
        "X-End": "2",
        "Keep-Alive": "5",
        "TE": "trailers",
        "Cookie": "a=1; b=2",
        "Expect": "100-continue",
    }
    sent = make_request("POST", TARGET, b"4hello", headers)
    head, _, body = write_request(caught(server, sent)).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    assert line == f"POST {TARGET} HTTP/1.1"
    assert sorted(fields) == [
        "Content-Length: 6",
        "Cookie: a=1; b=2",
        "Host: test.example",
        "X-End: 2",
    ]
    assert body == b"4hello"


def test_a_body_in_chunks_gets_a_length(server: Server) -> None:
    head = make_request("POST", TARGET, None, {"Transfer-Encoding": "chunked"})
    request = caught(server, head, b"3\r\n4he\r\n", b"3\r\nllo\r\n0\r\n\r\n")
    written = write_request(request)
    assert b"Transfer-Encoding" not in written
    assert written.endswith(b"Content-Length: 6\r\n\r\n4hello")


def test_http_1_0_is_written_as_1_1(server: Server) -> None:
    request = caught(server, f"GET {TARGET} HTTP/1.0\r\n\r\n".encode())
    written = write_request(request)
    assert written == f"GET {TARGET} HTTP/1.1\r\nHost: \r\n\r\n".encode()


def test_what_http_1_0_may_not_ask_for_is_refused_there(server: Server) -> None:
    target = TARGET.replace("polling", "websocket")
    lines = [f"{name}: {value}" for name, value in opening_headers().items()]
    sent = "\r\n".join([f"GET {target} HTTP/1.0", *lines, "", ""]).encode()
    request = caught(server, sent)
    assert not asks_for_tunnel(request)
    written = write_request(request)
    assert written.startswith(f"GET {target} HTTP/1.0\r\n".encode())
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in written


def test_of_two_hosts_the_last_one_goes_on(server: Server) -> None:
    # HTTP/1.0 does not forbid them.
    hosts = b"Host: first\r\nHost: test.example"
    request = caught(
        server, b"GET %b HTTP/1.0\r\n%b\r\n\r\n" % (TARGET.encode(), hosts)
    )
    assert request.for_application.getHeader("host") == "test.example"
    assert write_request(request).count(b"Host:") == 1
    assert b"\r\nHost: test.example\r\n" in write_request(request)


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
def test_an_upgrade_is_asked_for(server: Server, upgrade: str) -> None:
    target = TARGET.replace("polling", "websocket")
    headers = opening_headers(Upgrade=upgrade)
    request = caught(server, make_request("GET", target, None, headers))
    assert asks_for_tunnel(request)
    written = write_request(request)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in written
    assert written.lower().count(b"upgrade:") == 1


@pytest.mark.parametrize("connection", ["keep-alive", "X-Upgrade"])
def test_the_other_node_refuses_an_upgrade_that_the_connection_does_not_name(
    server: Server, connection: str
) -> None:
    target = TARGET.replace("polling", "websocket")
    headers = opening_headers(Connection=connection)
    written = write_request(
        caught(server, make_request("GET", target, None, headers))
    ).lower()
    assert b"\r\nupgrade: websocket\r\n" in written
    assert b"\r\nconnection:" not in written


def test_a_client_strips_nothing_by_its_connection(server: Server) -> None:
    headers = {
        "Connection": "keep-alive, X-Forwarded-For, Origin, Host",
        "X-Forwarded-For": "203.0.113.7",
        "Origin": "http://elsewhere.example",
    }
    written = write_request(caught(server, make_request("GET", TARGET, None, headers)))
    assert b"\r\nX-Forwarded-For: 203.0.113.7\r\n" in written
    assert b"\r\nOrigin: http://elsewhere.example\r\n" in written
    assert b"\r\nHost: test.example\r\n" in written


def test_another_upgrade_is_none(server: Server) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
    request = caught(server, make_request("GET", TARGET, None, headers))
    assert not asks_for_tunnel(request)
    assert b"pgrade" not in write_request(request)


@pytest.mark.parametrize("wrong", [b"/\r\nX: y", b"/ /", b"", b"/\x7f"])
def test_a_line_that_would_be_another_one_is_not_written(wrong: bytes) -> None:
    request = caught(Server.new(node_name="a"), make_request("GET", TARGET))
    request.uri = wrong
    with pytest.raises(ValueError, match="the first line"):
        write_request(request)


def test_what_cannot_be_written_is_answered_here() -> None:
    nodes = two_nodes(own_site=False)
    client = nodes.open()
    request = caught(nodes.near, make_request("GET", nodes.near.target(sid=client.sid)))
    request.uri += b" "
    nodes.forwarder.forward(request)
    (connection,) = nodes.near.connections
    assert connection.expect().answer.json["code"] == 1
