"""HTTP/2: sessions by polling, and bodies that are too large, on both kinds of site."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from twisted.web import http

from tests.doubles import ended_with
from tests.wiring import Server
from txengineio.errors import CloseReason, TransportError
from txengineio.testing import RecordingApplication, RecordingProtocol
from txengineio.testing.transport import MemoryTransport

if find_spec("h2") is None:
    # Everything that is served over TLS would offer it: it has a run of its own.
    pytest.skip("HTTP/2 needs h2, see: make http2", allow_module_level=True)

CHUNK = 16384


class NegotiatedTransport(MemoryTransport):
    """As with TLS, where both ends have agreed on HTTP/2."""

    negotiatedProtocol = b"h2"  # noqa: N815


@dataclass
class Stream:
    """What a stream has brought."""

    status: int | None = None
    body: bytes = b""
    is_complete: bool = False
    was_reset: bool = False


@dataclass
class Client:
    """The client's end of a connection."""

    server: Server
    transport: NegotiatedTransport = field(default_factory=NegotiatedTransport)
    streams: dict[int, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http2 = import_module("h2.connection").H2Connection()
        protocol: Any = self.server.site.buildProtocol(self.transport.getPeer())
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        self.http2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent, and take what comes."""
        data = self.http2.data_to_send()
        while data or self.transport.writes:
            if data:
                self.transport.deliver(data)
            self.server.settle()
            answer = b"".join(self.transport.writes)
            self.transport.writes.clear()
            for event in self.http2.receive_data(answer):
                self._receive(event)
            data = self.http2.data_to_send()

    def _receive(self, event: Any) -> None:
        stream = self.streams.get(getattr(event, "stream_id", 0), Stream())
        match type(event).__name__:
            case "ResponseReceived":
                stream.status = int(dict(event.headers)[b":status"])
            case "DataReceived":
                stream.body += event.data
            case "StreamEnded":
                stream.is_complete = True
            case "StreamReset":
                stream.was_reset = True

    def begin(
        self, method: str, target: str, length: int | None = None, end: bool = False
    ) -> int:
        """Send the head of a request; return the number of its stream."""
        number: int = self.http2.get_next_available_stream_id()
        headers = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "a"),
            (":path", target),
        ]
        if length is not None:
            headers.append(("content-length", str(length)))
        self.streams[number] = Stream()
        self.http2.send_headers(number, headers, end_stream=end)
        self.flush()
        return number

    def send(self, number: int, data: bytes, end: bool = False) -> None:
        """Send a piece of a body."""
        for start in range(0, len(data), CHUNK):
            if self.streams[number].was_reset:
                return
            self.http2.send_data(number, data[start : start + CHUNK])
            self.flush()
        if end:
            self.http2.end_stream(number)
            self.flush()

    def get(self, target: str) -> Stream:
        return self.streams[self.begin("GET", target, end=True)]

    def post(self, target: str, body: bytes, length: bool = True) -> Stream:
        number = self.begin("POST", target, len(body) if length else None)
        self.send(number, body, end=True)
        return self.streams[number]


def new_server(own_site: bool, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server.new(
        RecordingApplication(
            on_message=lambda protocol, message: protocol.session.send(message) and None
        ),
        own_site=own_site,
        max_http_buffer_size=100_000,
    )
    http2 = import_module("twisted.web._http2")
    in_time = partial(http2.H2Connection, reactor=server.clock)
    monkeypatch.setattr(http, "H2Connection", in_time)
    return server


@pytest.fixture(params=[False, True], ids=["plain-site", "own-site"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    return new_server(request.param, monkeypatch)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server with a site of ours."""
    return new_server(True, monkeypatch)


def opened(server: Server) -> tuple[Client, str]:
    """Open a session; return the client, and the target of its requests."""
    client = Client(server)
    handshake = client.get(server.target())
    assert handshake.status == 200
    (sid,) = server.engine.sessions
    return client, server.target(sid=sid)


def problem_of(protocol: RecordingProtocol) -> str:
    assert ended_with(protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = protocol.lost
    problem = failure.value.description  # type: ignore[union-attr]
    assert isinstance(problem, TransportError)
    return problem.message


def test_a_session_by_polling(server: Server) -> None:
    client, target = opened(server)
    poll = client.get(target)
    assert poll.status is None
    assert client.post(target, b"4hello").body == b"ok"
    assert poll.body == b"4hello"
    # Without a length, too.
    assert client.post(target, b"4again", length=False).body == b"ok"
    assert client.get(target).body == b"4again"


@pytest.mark.parametrize("length", [False, True], ids=["no-length", "length"])
@pytest.mark.parametrize("size", [100_001, 1_000_000])
def test_a_body_over_the_limit_is_refused_and_ends_the_session(
    server: Server, size: int, length: bool
) -> None:
    client, target = opened(server)
    poll = client.get(target)
    post = client.post(target, b"4" + b"x" * (size - 1), length)
    assert (post.status, post.body) == (413, b"")
    assert poll.body == b"1"
    assert problem_of(server.application.only) == "payload too large"
    assert server.application.only.messages == []
    assert not server.engine.sessions
    # The connection has other streams, and lives on.
    assert client.get(server.target()).status == 200


# --- what only a site of ours can do --------------------------------------------------


def received(client: Client, number: int) -> Any:
    """Return the request of a stream."""
    protocol: Any = client.transport.protocol
    return protocol.http_channel.streams[number]._request


def test_nothing_is_kept_of_a_body_that_is_refused(own: Server) -> None:
    client, target = opened(own)
    post = client.begin("POST", target)
    client.send(post, b"4" + b"x" * 99_999)
    assert received(client, post).body_size() == 100_000
    client.send(post, b"x" * 50_000)
    assert received(client, post).body_size() == 0
    # The session is told with the answer, as of a body that comes over HTTP/1.
    assert own.engine.sessions
    client.send(post, b"", end=True)
    assert client.streams[post].status == 413
    assert problem_of(own.application.only) == "payload too large"


def test_a_body_without_end_costs_its_stream(own: Server) -> None:
    client, target = opened(own)
    post = client.begin("POST", target)
    client.send(post, b"x" * 17 * 1024 * 1024)
    assert client.streams[post].was_reset
    assert problem_of(own.application.only) == "payload too large"
    assert client.get(own.target()).status == 200


def test_a_body_for_nobody_is_bounded_too(own: Server) -> None:
    client = Client(own)
    assert client.post(own.target(sid="unknown"), b"x" * 200_000).status == 413
    assert client.post(own.target(sid="unknown"), b"x" * 200).status == 400


def test_a_post_that_overlaps_another_ends_the_session(own: Server) -> None:
    client, target = opened(own)
    first = client.begin("POST", target, 10)
    client.send(first, b"4a")
    second = client.post(target, b"4b")
    assert second.status == 400
    assert client.streams[first].was_reset
    assert problem_of(own.application.only) == "data request overlap from client"
    assert own.application.only.messages == []


def test_a_post_that_breaks_off_ends_the_session(own: Server) -> None:
    client, target = opened(own)
    post = client.begin("POST", target, 10)
    client.http2.reset_stream(post)
    client.flush()
    assert problem_of(own.application.only) == (
        "data request connection closed prematurely"
    )


def test_other_paths_are_twisteds(own: Server) -> None:
    client = Client(own)
    assert client.get("/other").status == 501
    assert client.post("/other", b"x" * 200_000).status == 501
