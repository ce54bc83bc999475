"""The way to Redis: an endpoint for each kind of URL, and Sentinels that are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from zope.interface import implementer

from tests.cluster.redis.test_connection import command
from txengineio.cluster.broker.urls import BadBrokerURL
from txengineio.cluster.redis.endpoints import (
    ASK_TIMEOUT,
    SentinelEndpoint,
    endpoint_of,
)
from txengineio.cluster.redis.interfaces import RedisAway
from txengineio.cluster.redis.urls import Address, parse_redis_url

ASKS = command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"main")
MASTER = b"*2\r\n$6\r\nmaster\r\n$4\r\n7000\r\n"
UNKNOWN = b"*-1\r\n"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://host", HostnameEndpoint),
        ("unix:/run/redis.sock", UNIXClientEndpoint),
        ("redis+sentinel://s1,s2/main", SentinelEndpoint),
    ],
)
def test_each_kind_of_url_has_its_endpoint(url: str, kind: type) -> None:
    endpoint = endpoint_of(parse_redis_url(url), MemoryReactorClock())
    assert isinstance(endpoint, kind)


def test_tls_is_put_around_the_endpoint() -> None:
    reactor = MemoryReactorClock()
    endpoint = endpoint_of(parse_redis_url("rediss://127.0.0.1:7000"), reactor)
    assert not isinstance(endpoint, HostnameEndpoint)
    endpoint.connect(Factory.forProtocol(Protocol))
    reactor.advance(1)
    assert [each[:2] for each in reactor.tcpClients] == [("127.0.0.1", 7000)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"", "has none"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "names a file of certificates",
        ),
    ],
)
def test_a_file_without_certificates_is_refused(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    url = parse_redis_url(f"rediss://:secret@host?ca={path}")
    with pytest.raises(BadBrokerURL, match=problem) as raised:
        endpoint_of(url, MemoryReactorClock())
    assert "secret" not in str(raised.value)


@implementer(IStreamClientEndpoint)
class Server:
    """A server that the test plays; it refuses as long as it has no answer."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.asked = 0
        self.transport = StringTransport()
        self.sent = b""

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        self.asked += 1
        if self.answer is None:
            return fail(ConnectionRefusedError())
        protocol: Any = factory.buildProtocol(None)  # type: ignore[arg-type]
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)
        connected: Deferred[Any] = Deferred()
        connected.callback(protocol)
        self.sent = self.transport.value()
        if self.answer:
            protocol.dataReceived(self.answer)
        return connected


class Case:
    """Two Sentinels, and a master."""

    def __init__(self, url: str = "redis+sentinel://s1,s2/main") -> None:
        self.clock = Clock()
        self.servers = {name: Server() for name in ("s1", "s2", "master")}
        self.servers["master"].answer = b"+hello\r\n"
        self.endpoint = SentinelEndpoint(
            parse_redis_url(url), self.clock, self.endpoint_for
        )

    def endpoint_for(self, address: Address) -> IStreamClientEndpoint:
        return self.servers[address[0]]

    def connect(self) -> list[Any]:
        ends: list[Any] = []
        connecting = self.endpoint.connect(Factory.forProtocol(Protocol))
        connecting.addCallbacks(ends.append, lambda failure: ends.append(failure.value))
        return ends

    @property
    def asked(self) -> list[int]:
        return [server.asked for server in self.servers.values()]


def test_the_first_sentinel_that_answers_leads_to_the_master() -> None:
    case = Case()
    case.servers["s2"].answer = MASTER
    (protocol,) = case.connect()
    assert isinstance(protocol, Protocol)
    assert case.asked == [1, 1, 1]
    assert case.servers["s2"].transport.disconnecting
    # It is asked first from now on.
    case.connect()
    assert case.asked == [1, 2, 2]


def test_a_sentinel_that_hangs_is_left() -> None:
    case = Case()
    case.servers["s1"].answer = b""
    case.servers["s2"].answer = MASTER
    ends = case.connect()
    assert ends == []
    case.clock.advance(ASK_TIMEOUT)
    assert isinstance(ends[0], Protocol)
    assert case.clock.getDelayedCalls() == []


def test_what_all_sentinels_say_is_told() -> None:
    case = Case()
    case.servers["s2"].answer = UNKNOWN
    (problem,) = case.connect()
    assert isinstance(problem, RedisAway)
    assert "s1:26379: Connection was refused" in str(problem)
    assert "s2:26379 knows no such master" in str(problem)
    assert case.asked == [1, 1, 0]


def test_who_gives_up_asks_no_further() -> None:
    case = Case()
    case.servers["s1"].answer = b""
    connecting = case.endpoint.connect(Factory.forProtocol(Protocol))
    connecting.addErrback(lambda failure: None)
    connecting.cancel()
    assert case.asked == [1, 0, 0]
    assert case.clock.getDelayedCalls() == []


@pytest.mark.parametrize("password", ["", "?sentinel_password=secret"])
def test_a_sentinel_has_its_own_password(password: str) -> None:
    case = Case(f"redis+sentinel://:other@s1/main{password}")
    case.servers["s1"].answer = (b"+OK\r\n" if password else b"") + MASTER
    case.servers["s1"].sent = b""
    case.connect()
    expected = command(b"AUTH", b"secret") if password else ASKS
    asked = case.servers["s1"].sent or case.servers["s1"].transport.value()
    assert asked.startswith(expected)
