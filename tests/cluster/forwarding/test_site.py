"""Requests from other nodes, served."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.web.http import Request

from tests.conftest import FlushLoggedErrors
from tests.connection import Connection, make_request
from tests.wiring import Server
from txengineio.cluster.forwarding.preface import (
    Client,
    about,
    hurry,
    preface,
    say,
)
from txengineio.cluster.forwarding.site import ForwardedSite
from txengineio.server.interfaces import Elsewhere
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.request import EngineIORequest

CLIENTS = [
    Client(
        IPv4Address("TCP", f"192.0.2.{number}", number),
        IPv4Address("TCP", "192.0.2.99", 443 + number),
        bool(number % 2),
    )
    for number in range(3)
]


@pytest.fixture
def server() -> Server:
    return Server.new(own_site=True, node_name="far")


@pytest.fixture
def connection(server: Server) -> Connection:
    site = ForwardedSite(server.engine, server.clock)
    server.site = site
    return server.connect()


def forwarded(client: Client, request: bytes) -> bytes:
    return preface(client.encode(), len(request)) + request


def test_a_greeting_is_answered_in_between(
    server: Server, connection: Connection
) -> None:
    words = '{"here": ["n1"]}'
    connection.send(say(words))
    heard: list[str] = []

    def greeted(words: str) -> bytes:
        heard.append(words)
        return b"[]\n"

    site: Any = server.site
    site.greeted = greeted
    connection.send(say(words))
    assert heard == [words]
    assert b"".join(connection.transport.writes) == b"[]\n"
    opening = connection.expect()
    connection.send(forwarded(CLIENTS[0], make_request("GET", server.target())))
    assert opening.answer.status == 200


def test_a_greeting_that_makes_no_sense_ends_the_connection(
    server: Server, connection: Connection, flush_logged_errors: FlushLoggedErrors
) -> None:
    site: Any = server.site
    site.greeted = json.loads
    connection.send(say("{nonsense"))
    assert connection.is_closed
    assert len(flush_logged_errors(ValueError)) == 1


@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_each_request_has_a_client_of_its_own(
    server: Server, connection: Connection, size: int
) -> None:
    for client in CLIENTS:
        exchange = connection.expect()
        sent = forwarded(client, make_request("GET", server.target()))
        connection.send(*(sent[at : at + size] for at in range(0, len(sent), size)))
        sid = json.loads(exchange.answer.text[1:])["sid"]
        request = server.session(sid).request
        assert request.client_address == client.peer
        assert request.remote_address == client.peer.host  # type: ignore[attr-defined]
        assert request.secure is client.is_secure


def test_a_wish_for_an_answer_comes_between_or_during_requests(
    server: Server, connection: Connection
) -> None:
    opening = connection.expect()
    connection.send(forwarded(CLIENTS[0], make_request("GET", server.target())))
    sid = json.loads(opening.answer.text[1:])["sid"]
    wish = hurry(sid)
    # Nothing is parked there, or nobody has that id.
    connection.send(wish, hurry("far-nobody"))
    request = make_request("GET", server.target(sid=sid))
    poll = connection.expect()
    connection.send(forwarded(CLIENTS[0], request))
    assert poll.is_pending
    connection.send(*(wish[at : at + 1] for at in range(len(wish))))
    assert poll.answer.packets == ["6"]
    poll = connection.expect()
    connection.send(forwarded(CLIENTS[0], request) + wish)
    assert poll.answer.packets == ["6"]


def test_a_request_that_is_kept_does_not_forget_its_client(
    server: Server, connection: Connection
) -> None:
    kept: list[Request] = []
    opening = connection.expect()
    connection.send(forwarded(CLIENTS[0], make_request("GET", server.target())))
    sid = json.loads(opening.answer.text[1:])["sid"]
    server.engine.use(kept.append)
    for client in CLIENTS:
        exchange = connection.expect()
        request = make_request("POST", server.target(sid=sid), b"4x")
        connection.send(forwarded(client, request))
        assert exchange.answer.text == "ok"
    # Not before now does anybody ask.
    assert [each.getClientAddress() for each in kept] == [each.peer for each in CLIENTS]
    assert [each.getHost() for each in kept] == [each.host for each in CLIENTS]


def test_a_request_that_is_forwarded_once_more_keeps_its_client(
    server: Server, connection: Connection
) -> None:
    said: list[bytes] = []

    class Third:
        """Answers for the session."""

        def answers(self, request: IncomingRequest, sid: str) -> bool:
            said.append(about(request))
            request.answer(200)
            return True

    server.engine.elsewhere = cast(Elsewhere, Third())
    for client in CLIENTS:
        exchange = connection.expect()
        request = make_request("GET", server.target(sid="third-x"))
        connection.send(forwarded(client, request))
        assert exchange.answer.status == 200
    assert said == [client.encode() for client in CLIENTS]


def test_headers_of_a_client_are_not_parsed_again_for_those_of_another(
    server: Server, connection: Connection
) -> None:
    kept: list[EngineIORequest] = []
    server.engine.use(lambda request: kept.append(cast(EngineIORequest, request)))
    for client in CLIENTS * 2:
        headers = {"X-Port": str(client.host.port)}  # type: ignore[attr-defined]
        request = make_request("GET", server.target(sid="x"), None, headers)
        exchange = connection.expect()
        connection.send(forwarded(client, request))
        assert exchange.answer.status == 400
    fields = [each.received_fields for each in kept]
    assert fields[:3] == fields[3:]
    assert [each.values(b"X-Port") for each in fields if each] == [
        [b"443"],
        [b"444"],
        [b"445"],
    ] * 2


def test_the_path_does_not_matter(server: Server, connection: Connection) -> None:
    for path in ("/", "/somewhere/else", "/engine.io/", "http://x/y/"):
        exchange = connection.expect()
        target = f"{path}?EIO=4&transport=polling"
        connection.send(forwarded(CLIENTS[0], make_request("GET", target)))
        assert exchange.answer.text.startswith("0{")


def test_limits_for_each_address_are_for_the_clients(server: Server) -> None:
    server = Server.new(own_site=True, max_sessions_per_address=1)
    server.site = ForwardedSite(server.engine, server.clock)
    connection = server.connect()
    statuses = []
    for client in (*CLIENTS, *CLIENTS):
        exchange = connection.expect()
        connection.send(forwarded(client, make_request("GET", server.target())))
        statuses.append(exchange.answer.status)
    assert statuses == [200] * 3 + [429] * 3


def test_what_a_proxy_says_is_believed_as_before() -> None:
    server = Server.new(own_site=True, trusted_proxies=["192.0.2.1"])
    server.site = ForwardedSite(server.engine, server.clock)
    connection = server.connect()
    addresses = []
    for client in CLIENTS:
        exchange = connection.expect()
        headers = {"X-Forwarded-For": "203.0.113.7"}
        request = make_request("GET", server.target(), None, headers)
        connection.send(forwarded(client, request))
        sid = json.loads(exchange.answer.text[1:])["sid"]
        addresses.append(server.session(sid).request.remote_address)
    assert addresses == ["192.0.2.0", "203.0.113.7", "192.0.2.2"]


def test_it_is_kept_however_long_nothing_comes(
    server: Server, connection: Connection
) -> None:
    server.advance(1000)
    assert not connection.is_closed


@pytest.mark.usefixtures("server")
def test_nonsense_ends_it(
    connection: Connection, flush_logged_errors: FlushLoggedErrors
) -> None:
    connection.send(b"\0\0\0\1\0\2{}GET / HTTP/1.1\r\n\r\n")
    assert connection.was_reset
    assert connection.peek() == b""
    assert len(flush_logged_errors(ValueError)) == 1


def test_the_end_of_the_site_is_that_of_its_connections(
    server: Server, connection: Connection
) -> None:
    site = server.site
    assert isinstance(site, ForwardedSite)
    site.close()
    assert connection.is_closed
    assert list(site.channels) == []
