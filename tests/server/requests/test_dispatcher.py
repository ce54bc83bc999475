"""Receiving requests: a new session's first moments, and requests that fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from twisted.web.test.requesthelper import DummyChannel, DummyRequest
from typing_extensions import override
from zope.interface import provider

from tests.conftest import FlushLoggedErrors
from tests.doubles import ended_with
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.protocol.states import ReadyState
from txengineio.testing import RecordingApplication, RecordingProtocol


@pytest.mark.behaviour("B025", "B026", "B033", "B190")
def test_the_handshake_says_what_the_client_needs(new_server: NewServer) -> None:
    server = new_server(ping_interval=0.3, ping_timeout=0.123)
    answer = server.request().answer
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/plain; charset=UTF-8"
    assert answer.header("cache-control") == "no-store"
    assert answer.text[0] == "0"
    handshake = json.loads(answer.text[1:])
    (sid,) = server.engine.sessions
    assert list(handshake.items()) == [
        ("sid", sid),
        ("upgrades", ["websocket"]),
        ("pingInterval", 300),
        ("pingTimeout", 123),
        ("maxPayload", 1_000_000),
    ]


@pytest.mark.behaviour("B031", "B032")
def test_only_transports_that_are_enabled_are_offered() -> None:
    server = Server.new(transports=["polling"])
    assert '"upgrades":[]' in server.request().answer.text


@pytest.mark.behaviour("B041")
def test_an_initial_packet_comes_with_the_handshake(new_server: NewServer) -> None:
    client = new_server(initial_packet="faster!").open_polling()
    assert client.handshake.answer.packets[1:] == ["4faster!"]


@pytest.mark.behaviour("B020", "B027", "B028")
def test_the_connection_event_comes_between_the_handshake_and_the_protocol(
    new_server: NewServer,
) -> None:
    events: list[Any] = []
    application = RecordingApplication(on_made=lambda _: events.append("made"))
    server = new_server(application)
    for name in ("initial_headers", "headers", "flush", "drain"):
        server.engine.on(name, lambda *_, name=name: events.append(name))

    def connected(session: Any) -> None:
        events.append("connection")
        assert session.ready_state is ReadyState.OPEN
        assert dict(server.engine.sessions) == {session.id: session}
        assert session.transport.name == "polling"
        assert session.protocol is None
        assert session.engine is server.engine

    server.engine.on("connection", connected)
    assert dict(server.engine.sessions) == {}
    server.open_polling()
    assert events == [
        "flush",
        "initial_headers",
        "headers",
        "drain",
        "connection",
        "made",
    ]


@pytest.mark.behaviour("B035", "B036", "B136", "B137", "B151", "B152")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_session_remembers_its_first_request(
    transport: str, new_server: NewServer
) -> None:
    server = new_server()
    headers = {"X-Custom": "value", "Cookie": "a=b"}
    if transport == "polling":
        assert server.request(headers=headers, a="b", c="d+e").answer.status == 200
    else:
        websocket = server.open_websocket(headers=headers, a="b", c="d+e")
        assert websocket.is_accepted
    (session,) = server.engine.sessions.values()
    request = session.request
    assert request.query["a"] == "b"
    assert request.query["c"] == "d e"
    assert request.query["EIO"] == "4"
    assert request.query["transport"] == transport
    assert request.header("x-custom") == "value"
    assert request.header("Cookie") == "a=b"
    assert request.header("missing") is None
    assert request.method == "GET"
    assert request.uri.startswith("/engine.io/?EIO=4")
    assert not request.secure
    assert session.remote_address == "192.0.2.1"
    expected = IPv4Address("TCP", "192.0.2.1", 54321)
    assert server.application.addresses == [expected]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_application_that_builds_no_protocol_refuses_the_client(
    transport: str, new_server: NewServer
) -> None:
    server = new_server()
    server.application.refuse = True
    exchange = (
        server.request() if transport == "polling" else server.open_websocket().opening
    )
    assert exchange.answer.status == 403
    assert exchange.answer.json["code"] == 4
    server.assert_nothing_left()


class FailingApplication(RecordingApplication):
    @override
    def buildProtocol(self, addr: object) -> RecordingProtocol | None:
        raise ZeroDivisionError


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_application_that_fails_is_logged_and_the_client_answered(
    transport: str, new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server(FailingApplication())
    exchange = (
        server.request() if transport == "polling" else server.open_websocket().opening
    )
    assert (exchange.answer.status, exchange.answer.body) == (500, b"")
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    server.assert_nothing_left()


@pytest.mark.parametrize("discard", [False, True])
def test_a_connection_handler_may_close_the_session(
    discard: bool, new_server: NewServer
) -> None:
    server = new_server()
    server.engine.on("connection", lambda session: session.close(discard) and None)
    websocket = server.open_websocket()
    assert websocket.close_frame() == b""
    protocol = server.application.only
    assert protocol.events == [("made",), ("lost", CloseReason.FORCED_CLOSE)]
    client = server.open_polling()
    if not discard:
        assert client.poll().answer.packets == ["6", "1"]
    assert ended_with(server.application.built[1]) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_a_slow_connection_made_keeps_early_messages(new_server: NewServer) -> None:
    ready: Deferred[None] = Deferred()
    client = new_server(RecordingApplication(on_made=lambda _: ready)).open_polling()
    assert client.post("4early").answer.body == b"ok"
    assert client.protocol.messages == []
    ready.callback(None)
    assert client.protocol.messages == ["early"]


def test_a_request_without_a_connection_of_its_own_cannot_become_a_websocket() -> None:
    # As over HTTP/2, where a request is one stream of many.
    server = Server.new()
    request: Any = DummyRequest([b""])
    request.uri = server.target("websocket").encode()
    request.channel = DummyChannel()
    request.finished = 0
    request.cookies = []
    request.getClientAddress = lambda: None
    for name, value in {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyBvaw==",
        "Sec-WebSocket-Version": "13",
    }.items():
        request.requestHeaders.setRawHeaders(name, [value])
    server.engine.handle_request(request)
    assert request.responseCode == 400
    assert json.loads(b"".join(request.written))["code"] == 3
    assert request.finished == 1
    # Polling works there as anywhere.
    request = DummyRequest([b""])
    request.uri = server.target().encode()
    request.channel = DummyChannel()
    request.finished = 0
    request.cookies = []
    request.getClientAddress = lambda: None
    request.isSecure = lambda: True
    server.engine.handle_request(request)
    assert request.responseCode == 200
    assert b"".join(request.written).startswith(b"0{")
    (session,) = server.engine.sessions.values()
    assert session.request.secure
    assert session.remote_address is None


# --- what sessions refuse -------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines that the log gets."""
    lines: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.info:
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def test_what_a_session_refuses_is_refused_as_everything_is(
    new_server: NewServer, log: list[str]
) -> None:
    server = new_server()
    statistics = server.engine.keep_statistics()
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    client = server.open_polling()
    assert server.request("PUT", sid=client.sid, body=b"x").answer.status == 405
    assert dict(statistics.rejections) == {405: 1}
    (line,) = log
    assert line.endswith("refused: expected GET or POST, got 'PUT'")
    # Nothing is wrong with how it has got to its session.
    assert events == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"4a\x1e4b\x1e4c", 413), (b"x" * 2000, 413), (b"x", 400)]
)
def test_what_costs_the_session_is_told_by_its_end(
    new_server: NewServer, log: list[str], body: bytes, status: int
) -> None:
    server = new_server(max_packets_per_payload=2, max_http_buffer_size=1000)
    statistics = server.engine.keep_statistics()
    client = server.open_polling()
    assert server.request("POST", sid=client.sid, body=body).answer.status == status
    (line,) = log
    assert line.startswith(f"session {client.sid[:6]}… on polling ended: ")
    assert not statistics.rejections
    assert statistics.closes[ended_with(client.protocol)] == 1
