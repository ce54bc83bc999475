"""A client's connections: kept, dropped, and the same by the short path as without."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from tests.client.http.test_http_client import Client
from tests.client.network import error_of, result_of
from tests.client.test_connect import answer
from txengineio.client.http.answer_parser import Answer
from txengineio.client.http.connections import ClientConnection, Connections
from txengineio.errors import PayloadTooLarge

LIMIT = 20


def test_two_requests_at_a_time_have_two_connections_that_both_stay() -> None:
    client = Client()
    for _ in range(3):
        getting, posting = client.http.get("/a"), client.http.post("/b", b"c", "d/e")
        client.network.flush()
        for server in client.server.built:
            transport: Any = server.transport
            is_post = server.received.startswith(b"POST")
            transport.write(answer(b"post" if is_post else b"get"))
            server.received = b""
        client.network.flush()
        assert result_of(getting).body == b"get"
        assert result_of(posting).body == b"post"
    assert len(client.network.connections) == 2
    client.end()


def test_no_more_than_two_idle_connections_are_kept() -> None:
    client = Client(*[answer(b"")] * 3)
    getting = [client.http.get("/a") for _ in range(3)]
    client.network.flush()
    assert [result_of(each).status for each in getting] == [200] * 3
    assert len(client.network.open_connections) == 2
    client.end()


def test_each_idle_connection_has_its_own_time() -> None:
    client = Client(answer(b""), answer(b""), answer(b""))
    getting = [client.http.get("/a") for _ in range(2)]
    client.network.flush()
    client.clock.advance(2)
    getting.append(client.get())
    assert [result_of(each).status for each in getting] == [200] * 3
    client.clock.advance(1)
    client.network.flush()
    assert len(client.network.open_connections) == 1
    client.clock.advance(1.9)
    client.network.flush()
    assert len(client.network.open_connections) == 1
    client.clock.advance(0.2)
    client.network.flush()
    assert client.network.open_connections == []
    assert client.clock.getDelayedCalls() == []


@pytest.mark.parametrize("later", [0.11, 0.13, 0.15, 0.17])
def test_no_idle_connection_is_left_a_time_too_short_to_pass(
    later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(answer(b""), answer(b""), answer(b""))
    call_later = client.clock.callLater

    def checked(delay: float, *call: Any) -> Any:
        assert client.clock.seconds() + delay > client.clock.seconds()
        return call_later(delay, *call)

    monkeypatch.setattr(client.clock, "callLater", checked)
    client.clock.advance(0.1)
    for _ in range(2):
        client.http.get("/a")
    client.network.flush()
    client.clock.advance(later)
    client.get()
    # From one call to the next, as time passes in a `MemoryEngine`.
    while calls := client.clock.getDelayedCalls():
        client.clock.advance(calls[0].getTime() - client.clock.seconds())
    client.network.flush()
    assert client.network.open_connections == []


def test_a_connection_that_was_lost_while_idle_is_not_used() -> None:
    client = Client(answer(b"1"), answer(b"2"))
    client.get()
    client.network.connections[0].lose()
    client.network.flush()
    assert result_of(client.get()).body == b"2"
    client.end()


def test_a_connection_that_the_server_gives_up_while_idle_is_not_used() -> None:
    client = Client(answer(b"1"), answer(b"2"))
    client.get()
    idle: Any = client.network.connections[0].client
    idle.deliver(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
    # Its end is not reported yet.
    assert not idle.is_reported
    assert result_of(client.get()).body == b"2"
    client.end()


def test_a_cancelled_request_drops_its_connection() -> None:
    client = Client()
    getting = client.get()
    getting.cancel()
    error_of(getting)
    client.network.flush()
    assert client.network.open_connections == []
    client.end()


# --- the short path, and without ------------------------------------------------------

_STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK"] * 5
    + [
        b"HTTP/1.1 404",
        b"HTTP/1.1 502 Bad  Gateway",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 OK",
        b"220 ready",
    ]
)
_FIELDS = st.sampled_from(
    [
        b"Content-Type: text/plain",
        b"content-type:\tapplication/octet-stream ",
        b"Content-Type:",
        b"Content-Type: \xc3\xa9",
        b"Content-Length: 3",
        b"Content-Length: x",
        b"Connection: keep-alive",
        b"Connection: close",
        b"connection: Close",
        b"Transfer-Encoding: chunked",
        b"Set-Cookie: a=b; Path=/",
        b"X-Date: \xff",
        b" folded",
        b"no colon",
        b"space : before",
    ]
)
_LENGTHS = st.sampled_from(
    [
        *[b"Content-Length: %d"] * 5,
        b"content-length:%d ",
        b"Content-Length:0%d",
        b"X: %d",
    ]
)
_BODIES = st.one_of(
    st.binary(max_size=LIMIT),
    st.binary(min_size=LIMIT, max_size=LIMIT + 3),
    st.just(b"3\r\nabc\r\n0\r\n\r\n"),
    st.just(b"\r\n\r\n"),
)


@st.composite
def _answers(draw: st.DrawFn) -> bytes:
    """Something like an answer."""
    body = draw(_BODIES)
    lines = [draw(_STATUS_LINES), draw(_LENGTHS) % len(body)]
    lines += draw(st.lists(_FIELDS, max_size=2))
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    rest = draw(st.sampled_from([b"", b"x", b"HTTP/1.1 200 OK\r\n\r\n"]))
    return end.join([*lines, b"", b""]) + body + rest


@st.composite
def _nearly_simple_answers(draw: st.DrawFn) -> bytes:
    """An answer for the short path, but perhaps for one thing."""
    body, field = draw(_BODIES), draw(_FIELDS)
    head = b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n"
    return head % (field, len(body)) + body


# What a server sends after a request, where it is cut, and what happens then.
_EXCHANGES = st.lists(
    st.tuples(
        st.one_of(_nearly_simple_answers(), _answers(), st.binary(max_size=30)),
        st.one_of(st.just([]), st.lists(st.integers(1, 80), max_size=6)),
        st.sampled_from(["", "", "close", "lose", "cancel"]),
    ),
    min_size=1,
    max_size=3,
)


def _causes(error: Any) -> Any:
    """What an error says, without the addresses of objects."""
    if isinstance(error, Failure):
        error = error.value
    if isinstance(error, PayloadTooLarge):
        return str(error)
    reasons = getattr(error, "reasons", ())
    return type(error).__name__, [_causes(reason) for reason in reasons]


def outcome(exchanges: list[tuple[bytes, list[int], str]], short_path: bool) -> Any:
    """Make requests one after the other; return what became of them."""
    client = Client(max_http_buffer_size=LIMIT)
    client.http.connections.short_path = short_path
    found: list[Any] = []
    history: list[Any] = []
    for data, sizes, ending in exchanges:
        results: list[Any] = []
        getting = client.get().addBoth(results.append)
        # The one request that there is has the one connection that is open.
        wires = client.network.open_connections
        (wire,) = [each for each in wires if not each.client.disconnecting]
        start = 0
        for size in [*sizes, len(data)]:
            wire.server.write(data[start : start + size])
            client.network.flush()
            start += size
        if ending == "close":
            wire.server.loseConnection()
        elif ending == "lose":
            wire.lose()
        history.append(bool(results))
        client.network.flush()
        getting.cancel()
        client.network.flush()
        (result,) = results
        found.append(result if isinstance(result, Answer) else _causes(result))
        history.append(
            (len(client.network.connections), len(client.network.open_connections))
        )
    cookies = [(cookie.name, cookie.value) for cookie in client.jar]
    client.end()
    return found, history, cookies


@settings(max_examples=400)
@given(_EXCHANGES)
def test_any_bytes_have_the_same_outcome_without_the_short_path(
    exchanges: list[tuple[bytes, list[int], str]],
) -> None:
    assert outcome(exchanges, True) == outcome(exchanges, False)


class _TLS:
    """A TLS connection that knows the server's certificate only while it lasts."""

    def __init__(self, certificate: str | None) -> None:
        self.getPeerCertificate = lambda: certificate
        directlyProvides(self, ISSLTransport)


def _connected(connections: Connections, certificate: str | None) -> ClientConnection:
    connection = ClientConnection(connections)
    connection.transport = _TLS(certificate)
    connections.made(connection)
    return connection


def _connections() -> Connections:
    def read(*_: object) -> Any:
        raise AssertionError("nothing is read here")

    return Connections(Clock(), LIMIT, read)


def test_the_certificate_is_that_of_the_newest_connection_that_has_seen_one() -> None:
    connections = _connections()
    assert connections.certificate() is None
    _connected(connections, "first")
    assert connections.certificate() == "first"
    _connected(connections, "renewed")
    assert connections.certificate() == "renewed"


def test_a_connection_whose_handshake_goes_on_hides_no_certificate() -> None:
    connections = _connections()
    _connected(connections, "first")
    _connected(connections, None)
    assert connections.certificate() == "first"


def test_the_certificate_outlives_its_connection() -> None:
    connections = _connections()
    connection = _connected(connections, "first")
    connections.lost(connection)
    del connection.transport.getPeerCertificate
    assert connections.certificate() == "first"
