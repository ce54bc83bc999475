"""A client's requests, with a server that says what a test wants."""

from __future__ import annotations

from http.cookiejar import CookieJar
from typing import Any

from treq.cookies import scoped_cookie
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.web.client import Agent, ResponseFailed

from tests.client.network import Network, RawServer, error_of, result_of
from tests.client.test_connect import answer
from txengineio.client.http.http_client import Answer, HttpClient, cookie_jar
from txengineio.client.options import ClientOptions
from txengineio.client.target import parse_target
from txengineio.errors import PayloadTooLarge

TARGET = parse_target("http://server.example")


class Client:
    def __init__(self, *answers: bytes | None, **options: Any) -> None:
        self.clock = Clock()
        self.server = RawServer(*answers)
        self.network = Network(self.server)
        self.jar = CookieJar()
        checked = ClientOptions(**options)
        self.http = HttpClient(TARGET, checked, self.network, self.jar, self.clock)

    def get(self) -> Any:
        getting = self.http.get("/a")
        self.network.flush()
        return getting

    def end(self) -> None:
        self.http.close()
        self.network.flush()
        assert self.network.open_connections == []
        assert self.clock.getDelayedCalls() == []


def test_a_connection_is_used_again_unless_it_was_idle_for_long() -> None:
    client = Client(answer(b"1"), answer(b"2"), answer(b"3"))
    assert result_of(client.get()) == Answer(200, "", b"1")
    assert result_of(client.get()).body == b"2"
    assert len(client.network.connections) == 1
    client.clock.advance(4)
    assert result_of(client.get()).body == b"3"
    assert len(client.network.connections) == 2
    client.end()


def test_a_request_is_never_made_twice() -> None:
    client = Client(answer(b"1"), None, answer(b"2"))
    client.get()
    lost = client.get()
    error_of(lost)
    assert client.server.answers == [answer(b"2")]
    client.end()


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    client = Client(b"HTTP/1.1 200 OK\r\n\r\nabc")
    getting = client.get()
    client.network.connections[0].server.loseConnection()
    client.network.flush()
    assert result_of(getting).body == b"abc"
    client.end()


def test_a_body_that_grows_too_large_is_not_read_on() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = Client(head + b"5\r\n12345\r\n" * 3, max_http_buffer_size=8)
    error = error_of(client.get())
    assert isinstance(error, PayloadTooLarge)
    assert (error.size, error.limit) == (10, 8)
    client.end()


def test_a_body_that_breaks_off_is_an_error() -> None:
    client = Client(answer(b"12345")[:-2])
    getting = client.get()
    client.network.connections[0].lose()
    client.network.flush()
    assert isinstance(error_of(getting), ResponseFailed)
    client.end()


def test_cancelling_drops_the_connection_while_a_body_arrives() -> None:
    client = Client(answer(b"12345")[:-2])
    getting = client.get()
    getting.cancel()
    assert isinstance(error_of(getting), CancelledError)
    client.end()


def test_a_cookie_that_comes_late_is_kept_and_sent() -> None:
    client = Client(answer(b"", "200 OK", "Set-Cookie: lb=7; Path=/"), answer(b""))
    client.get()
    assert [(cookie.name, cookie.value) for cookie in client.jar] == [("lb", "7")]
    assert client.http.cookies_for("/b") == "lb=7"
    client.server.answers.clear()
    getting = client.get()
    assert b"Cookie: lb=7\r\n" in client.server.built[-1].received
    getting.cancel()
    error_of(getting)
    client.end()


def test_what_a_request_says() -> None:
    client = Client(headers={"X-A": "b"})
    client.jar.set_cookie(scoped_cookie(TARGET.origin, "evil", "1\r\nX-Evil: 2"))
    posting = client.http.post("/a?b=c", "é".encode(), "text/plain;charset=UTF-8")
    client.network.flush()
    head, _, body = client.server.built[0].received.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /a?b=c HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Content-Length: 2",
        "Content-Type: text/plain;charset=UTF-8",
        "Cookie: evil=1 X-Evil: 2",
        f"Host: {TARGET.netloc}",
        "X-A: b",
    ]
    assert body == "é".encode()
    posting.cancel()
    error_of(posting)
    client.end()


def test_a_jar_is_used_as_it_is() -> None:
    jar = CookieJar()
    assert cookie_jar(TARGET, jar) is jar
    assert [cookie.name for cookie in cookie_jar(TARGET, {"a": "b"})] == ["a"]


def test_an_agent_can_be_given() -> None:
    clock = Clock()
    network = Network(RawServer(answer(b"by agent")))
    agent: Any = Agent.usingEndpointFactory(clock, network)
    elsewhere = Network(RawServer())
    options = ClientOptions(agent=agent)
    http = HttpClient(TARGET, options, elsewhere, CookieJar(), clock)
    getting = http.open("/")
    network.flush()
    assert result_of(getting).body == b"by agent"
    assert elsewhere.connections == []


def test_an_agent_makes_all_requests() -> None:
    clock = Clock()
    server = RawServer(answer(b"a", "200 OK", "Set-Cookie: lb=7; Path=/"), answer(b"b"))
    network = Network(server)
    agent: Any = Agent.usingEndpointFactory(clock, network)
    elsewhere = Network(RawServer())
    options = ClientOptions(agent=agent, headers={"X-A": "b"})
    http = HttpClient(TARGET, options, elsewhere, CookieJar(), clock)
    getting = http.get("/")
    network.flush()
    assert result_of(getting) == Answer(200, "", b"a")
    posting = http.post("/a?b", b"c\r\n\r\n", "text/plain")
    network.flush()
    assert result_of(posting).body == b"b"
    assert elsewhere.connections == []
    assert len(network.connections) == 2
