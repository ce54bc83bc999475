"""Opening sessions: with an engine, and with servers that are none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any

import pytest
from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)

from tests.client.network import Network, RawServer, World, error_of, result_of
from tests.doubles import echo, ended_with
from txengineio.errors import (
    CloseReason,
    ConnectCause,
    ConnectFailed,
    ErrorCode,
    InvalidOption,
    PayloadTooLarge,
)
from txengineio.testing import RecordingApplication, RecordingProtocol

HANDSHAKE = {"sid": "abc", "upgrades": [], "pingInterval": 300, "pingTimeout": 200}
OPEN = f"0{json.dumps(HANDSHAKE)}".encode()


MODES: dict[str, dict[str, Any]] = {
    "polling": {"transports": ["polling"]},
    "websocket": {"transports": ["websocket"]},
    "upgrade": {},
}
each_mode = pytest.mark.parametrize("mode", MODES)
each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawWorld(World):
    """Clients of a server that says what a test wants."""

    def __init__(self, *answers: bytes | None) -> None:
        super().__init__()
        self.server = RawServer(*answers)
        self.network = Network(self.server)

    def failure(self, **options: Any) -> ConnectFailed:
        """Connect, and return why it failed; nothing may be left."""
        connecting = self.dial(**options)
        self.network.flush()
        self.advance(25)
        error = error_of(connecting)
        assert isinstance(error, ConnectFailed), error
        for wire in self.network.open_connections:
            wire.lose()
        self.network.flush()
        assert self.clock.getDelayedCalls() == []
        return error


# --- with an engine -------------------------------------------------------------------


@each_mode
@pytest.mark.parametrize("revision", [3, 4])
def test_messages_come_back(mode: str, revision: int) -> None:
    world = World(RecordingApplication(on_message=echo), allow_eio3=True)
    client = world.open(revision=revision, **MODES[mode])
    sent = ["hello", b"\0\1", "", b"", "é" * 1000, *map(str, range(50))]
    for message in sent:
        assert client.session.send(message)
    world.advance(1)
    assert client.messages == sent
    expected = "polling" if mode == "polling" else "websocket"
    assert client.session.transport.name == expected
    assert client.session.upgraded is (mode == "upgrade")
    assert client.session.protocol_revision == revision
    assert client.session.remote_address == "server.example"
    closing = client.session.close()
    world.network.flush()
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    assert ended_with(client) is CloseReason.FORCED_CLOSE
    assert ended_with(world.peer(client)) is CloseReason.TRANSPORT_CLOSE
    world.assert_nothing_left()


@each_transport
def test_the_first_message_may_come_with_the_open_packet(transport: str) -> None:
    world = World(initial_packet="welcome")
    client = world.open(transports=[transport])
    assert client.messages == ["welcome"]


@pytest.mark.behaviour("B047")
@each_transport
def test_a_silent_server_is_given_up(transport: str) -> None:
    world = World(ping_interval=1, ping_timeout=1)
    client = world.open(transports=[transport])
    for wire in world.network.connections:
        wire.is_cut = True
    world.advance(1.9)
    assert client.lost == []
    world.advance(0.2)
    assert ended_with(client) is CloseReason.PING_TIMEOUT
    world.advance(10)
    world.assert_nothing_left()


def test_upgrading_can_be_switched_off_on_either_side() -> None:
    for options in ({"upgrade": False}, {"transports": ["polling"]}):
        client = World().open(**options)
        assert client.session.transport.name == "polling"
    world = World(allow_upgrades=False)
    client = world.open()
    world.advance(1)
    assert client.session.transport.name == "polling"


def test_a_session_that_was_upgraded_is_remembered() -> None:
    world = World()
    first = world.open(remember_upgrade=True)
    world.advance(1)
    assert first.session.upgraded
    first.session.close()
    world.network.flush()
    second = world.open(remember_upgrade=True)
    assert second.session.transport.name == "websocket"
    assert not second.session.upgraded
    second.session.close()
    world.advance(1)
    world.engine.websockets.setProtocolOptions()
    world.network = Network(RawServer(answer(b"", "502 Bad Gateway")))
    third = world.dial(remember_upgrade=True)
    world.advance(25)
    assert error_of(third).cause is ConnectCause.RESPONSE_TIMEOUT


@each_transport
def test_a_factory_may_build_nothing(transport: str) -> None:
    world = World()
    world.protocols.refuse = True
    connecting = world.dial(transports=[transport])
    world.network.flush()
    assert error_of(connecting).cause is ConnectCause.NO_PROTOCOL
    world.advance(60)
    world.assert_nothing_left()


@pytest.mark.behaviour("B068", "B069")
@each_transport
def test_connecting_can_be_cancelled(transport: str) -> None:
    for stalls in (True, False):
        world = World()
        world.network.stalls = stalls
        connecting = world.dial(transports=[transport])
        connecting.cancel()
        assert isinstance(error_of(connecting), CancelledError)
        world.advance(60)
        world.assert_nothing_left()


def test_cookies_and_headers_go_with_each_request() -> None:
    world = World(cookie={"name": "io"})
    seen: list[str | None] = []

    def record(_headers: object, request: Any) -> None:
        seen.append(request.requestHeaders.getRawHeaders("Cookie", [None])[0])
        assert request.requestHeaders.getRawHeaders("X-Who") == ["me"]

    world.engine.on("headers", record)
    client = world.open(cookies={"mine": "1"}, headers={"X-Who": "me"})
    client.session.send("a")
    world.advance(1)
    assert client.session.upgraded
    sid = client.session.id
    assert seen[0] == "mine=1"
    assert len(seen) > 2
    for cookie in seen[1:]:
        assert set((cookie or "").split("; ")) == {"mine=1", f"io={sid}"}


def test_a_cookie_that_comes_with_the_upgrade_is_sent_with_the_next_session() -> None:
    world = World()
    seen: list[str | None] = []

    def record(headers: dict[str, str], request: Any) -> None:
        seen.append(request.requestHeaders.getRawHeaders("Cookie", [None])[0])
        if request.requestHeaders.hasHeader("Upgrade"):
            headers["Set-Cookie"] = "lb=7; Path=/"

    world.engine.on("headers", record)
    jar = CookieJar()
    client = world.open(cookies=jar)
    world.advance(1)
    assert client.session.upgraded
    assert set(seen) == {None}
    begun = len(seen)
    world.open(cookies=jar)
    assert seen[begun] == "lb=7"


@each_transport
def test_a_server_that_refuses_says_why(transport: str) -> None:
    world = World(allow_request=lambda _request: "no entry")
    connecting = world.dial(transports=[transport])
    world.network.flush()
    error = error_of(connecting)
    assert (error.cause, error.status) == (ConnectCause.FORBIDDEN, 403)
    assert (error.code, error.message) == (ErrorCode.FORBIDDEN, "no entry")
    expected = "the server does not let this client in: status 403, code 4, no entry"
    assert str(error) == expected


@each_transport
def test_another_revision_is_refused(transport: str) -> None:
    world = World()
    connecting = world.dial(transports=[transport], revision=3)
    world.network.flush()
    error = error_of(connecting)
    assert error.cause is ConnectCause.WRONG_VERSION
    assert error.code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION


@pytest.mark.behaviour("B066")
def test_a_transport_that_the_server_does_not_know() -> None:
    world = World(transports=["websocket"])
    connecting = world.dial()
    world.network.flush()
    assert error_of(connecting).cause is ConnectCause.REJECTED


def test_bad_options_are_refused_at_once() -> None:
    with pytest.raises(InvalidOption):
        World().dial(transport="polling")


# --- with no server, or with another one ----------------------------------------------


@each_transport
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (DNSLookupError(), ConnectCause.DNS),
        (ConnectionRefusedError(), ConnectCause.REFUSED),
        (NoRouteError(), ConnectCause.UNREACHABLE),
        (TimeoutError(), ConnectCause.CONNECT_TIMEOUT),
        (TLSError([("", "", "certificate verify failed")]), ConnectCause.TLS),
        (VerificationError([]), ConnectCause.TLS),
        (ZeroDivisionError(), ConnectCause.FAILED),
    ],
)
@pytest.mark.behaviour("B067")
def test_no_connection(transport: str, error: Exception, cause: ConnectCause) -> None:
    world = RawWorld()
    world.network.error = error
    failure = world.failure(transports=[transport])
    assert failure.cause is cause
    assert failure.error is error


@each_transport
def test_a_connection_that_is_never_made(transport: str) -> None:
    world = RawWorld()
    world.network.stalls = True
    failure = world.failure(transports=[transport])
    assert failure.cause is ConnectCause.RESPONSE_TIMEOUT
    assert failure.message == "after 20 seconds"


@each_transport
@pytest.mark.parametrize(
    ("said", "cause", "status"),
    [
        (b"", ConnectCause.RESPONSE_TIMEOUT, None),
        (b"HTTP/1.1 20", ConnectCause.RESPONSE_TIMEOUT, None),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", ConnectCause.RESPONSE_TIMEOUT, None),
        (None, ConnectCause.CONNECTION_LOST, None),
        (b"SSH-2.0\r\n\r\n", ConnectCause.NOT_ENGINE_IO, None),
        (b"\xff\xfe\r\n\r\n", ConnectCause.NOT_ENGINE_IO, None),
        (answer(b"<p>?", "404 Not Found"), ConnectCause.HTTP_STATUS, 404),
        (answer(b"[1]", "500 Oh"), ConnectCause.HTTP_STATUS, 500),
        (answer(b"[" * 5000, "500 Oh"), ConnectCause.HTTP_STATUS, 500),
        (answer(b'"Bad things"', "400 Bad"), ConnectCause.REJECTED, 400),
        (answer(b'"unsupported version"', "400 B"), ConnectCause.WRONG_VERSION, 400),
        (answer(b'"no"', "401 Unauthorized"), ConnectCause.FORBIDDEN, 401),
        (answer(b'{"code":77}', "400 Bad"), ConnectCause.REJECTED, 400),
        (answer(b'{"code":"x"}', "400 Bad"), ConnectCause.HTTP_STATUS, 400),
        (answer(b"Bad request", "400 Bad"), ConnectCause.REJECTED, 400),
        (answer(b"", "302 Found", "Location: /"), ConnectCause.HTTP_STATUS, 302),
    ],
)
def test_answers_of_all_kinds(
    transport: str, said: bytes | None, cause: ConnectCause, status: int | None
) -> None:
    failure = RawWorld(said).failure(transports=[transport])
    assert (failure.cause, failure.status) == (cause, status), failure


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (answer(b"hello"), ConnectCause.NOT_ENGINE_IO),
        (answer(b""), ConnectCause.NOT_ENGINE_IO),
        (answer(b"\xff"), ConnectCause.NOT_ENGINE_IO),
        (answer(b"4hello"), ConnectCause.NOT_ENGINE_IO),
        (answer(b'0{"sid":""}'), ConnectCause.NOT_ENGINE_IO),
        (answer(b"97:" + OPEN), ConnectCause.WRONG_VERSION),
        (answer(b"\0\x09\x07\xff" + OPEN), ConnectCause.WRONG_VERSION),
        (answer(b"x" * 2000), ConnectCause.TOO_LARGE),
        (answer(OPEN, "200 OK", "Content-Encoding: gzip"), None),
        (answer(OPEN)[:-5], ConnectCause.RESPONSE_TIMEOUT),
    ],
)
def test_polling_with_what_is_no_engine(
    said: bytes, cause: ConnectCause | None
) -> None:
    world = RawWorld(said)
    if cause is None:
        # Nothing is ever inflated, whatever a server says.
        assert world.open(transports=["polling"]).session.id == "abc"
        return
    failure = world.failure(transports=["polling"], max_http_buffer_size=1000)
    assert failure.cause is cause, failure
    if cause is ConnectCause.TOO_LARGE:
        assert isinstance(failure.error, PayloadTooLarge)


def test_revision_3_with_a_server_of_revision_4() -> None:
    failure = RawWorld(answer(OPEN)).failure(revision=3)
    assert failure.cause is ConnectCause.WRONG_VERSION
    assert "revision=4" in str(failure)


def test_a_message_of_a_server_is_not_shown_endlessly() -> None:
    body = json.dumps({"code": 3, "message": "x" * 10_000}).encode()
    failure = RawWorld(answer(body, "400 Bad")).failure()
    assert len(str(failure)) < 400


@dataclass
class PlainFactory:
    """A factory whose instances are compared by value, and have no hash for that."""

    built: int = 0

    def buildProtocol(self, addr: object) -> RecordingProtocol:
        self.built += 1
        return RecordingProtocol()


def test_a_factory_may_be_without_a_hash() -> None:
    world = World()
    factory = PlainFactory()
    assert world.open(factory=factory) is not None
    assert factory.built == 1


def test_what_is_remembered_of_a_factory_needs_its_hash() -> None:
    world = World()
    with pytest.raises(InvalidOption, match="remember_upgrade"):
        world.dial(factory=PlainFactory(), remember_upgrade=True)
