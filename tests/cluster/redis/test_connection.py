"""A connection to Redis in memory: it logs in, subscribes, and never gives up."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused
from txengineio.cluster.redis.connection import (
    LOGIN_TIMEOUT,
    RedisConnection,
    ask_once,
)
from txengineio.cluster.redis.interfaces import RedisAway, RedisRefused
from txengineio.cluster.redis.urls import RedisURL, parse_redis_url

LONGEST = 2.0 * 1.25


def command(*words: bytes) -> bytes:
    body = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in words)
    return b"*%d\r\n%b" % (len(words), body)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Leads to a server that the test plays."""

    def __init__(self) -> None:
        self.refuses = False
        self.attempts = 0
        self.connections: list[tuple[Any, StringTransport]] = []
        self.pending: Deferred[Any] | None = None
        self.waits = False
        self.make_transport: Callable[[], Any] = StringTransport

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        self.attempts += 1
        if self.refuses:
            return fail(ConnectionRefusedError("nobody there"))
        connected: Deferred[Any] = Deferred()
        if self.waits:
            self.pending = connected
            return connected
        protocol: Any = factory.buildProtocol(None)  # type: ignore[arg-type]
        transport = self.make_transport()
        self.connections.append((protocol, transport))
        protocol.makeConnection(transport)
        connected.callback(protocol)
        return connected

    def sent(self) -> bytes:
        transport = self.connections[-1][1]
        data: bytes = transport.value()
        transport.clear()
        return data

    def answer(self, data: bytes) -> None:
        self.connections[-1][0].dataReceived(data)

    def lose(self) -> None:
        self.connections[-1][0].connectionLost(Failure(ConnectionDone()))


class User:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.messages: list[tuple[bytes, bytes]] = []

    def up(self) -> None:
        self.told.append("up")

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        self.told.append(f"{type(problem).__name__}: {problem}")

    def heard(self, channel: bytes, data: bytes) -> None:
        assert data != b"raise"
        self.messages.append((channel, data))


class Case:
    """A connection, and what is around it."""

    def __init__(self, url: RedisURL, channels: Sequence[bytes] = ()) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.user = User()
        self.connection = RedisConnection(
            self.endpoint, url, self.clock, self.user, channels
        )

    def starts(self) -> None:
        self.connection.start()
        assert self.endpoint.sent() == command(b"PING")
        self.endpoint.answer(b"+PONG\r\n")
        assert self.connection.is_up


@pytest.fixture
def case() -> Iterator[Case]:
    case = Case(parse_redis_url("redis://host"))
    yield case
    case.connection.stop()
    if case.endpoint.connections and case.connection._protocol is not None:
        case.endpoint.lose()
    assert case.clock.getDelayedCalls() == []


def problems_of(deferred: Deferred[Any]) -> list[BaseException | None]:
    problems: list[BaseException | None] = []

    def failed(failure: Failure) -> None:
        problems.append(failure.value)

    deferred.addErrback(failed)
    return problems


def test_it_says_who_it_is_and_subscribes_each_time() -> None:
    url = parse_redis_url("redis://chat:secret@host/3")
    case = Case(url, [b"c1", b"c2"])
    case.connection.start()
    for _ in range(2):
        sent = [
            (command(b"AUTH", b"chat", b"secret"), b"+OK\r\n"),
            (command(b"SELECT", b"3"), b"+OK\r\n"),
            (
                command(b"SUBSCRIBE", b"c1"),
                b"*3\r\n$9\r\nsubscribe\r\n$2\r\nc1\r\n:1\r\n",
            ),
            (
                command(b"SUBSCRIBE", b"c2"),
                b"*3\r\n$9\r\nsubscribe\r\n$2\r\nc2\r\n:2\r\n",
            ),
            (command(b"PING"), b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
        ]
        for expected, answer in sent:
            assert case.endpoint.sent() == expected
            assert not case.connection.is_up
            case.endpoint.answer(answer)
        assert case.connection.is_up
        case.endpoint.lose()
        case.clock.advance(1)
    assert case.user.told == ["up", "RedisAway: Connection was closed cleanly"] * 2


@pytest.mark.parametrize("data", [b"4", b"3.0", b"text", b"\xff\x00", b"QUEUED", b""])
def test_what_is_published_comes_as_bytes(data: bytes) -> None:
    case = Case(parse_redis_url("redis://host"), [b"c"])
    case.connection.start()
    case.endpoint.answer(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
    published = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(data), data)
    # One may come before the answer to the ping.
    case.endpoint.answer(published)
    case.endpoint.answer(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
    case.endpoint.answer(published)
    assert case.user.messages == [(b"c", data)] * 2
    assert case.connection.is_up


def test_a_message_that_fails_does_no_harm(flush_logged_errors: Any) -> None:
    case = Case(parse_redis_url("redis://host"), [b"c"])
    case.connection.start()
    case.endpoint.answer(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
    case.endpoint.answer(
        b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nraise\r\n"
        b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n"
    )
    assert case.user.messages == [(b"c", b"x")]
    assert len(flush_logged_errors(AssertionError)) == 1


def test_answers_come_in_order_and_errors_are_ours(case: Case) -> None:
    case.starts()
    answers: list[Any] = []
    case.connection.execute("GET", b"k").addCallback(answers.append)
    refused = problems_of(case.connection.execute("EVAL", "x", 0))
    case.connection.execute("MGET", b"a", b"b").addCallback(answers.append)
    case.endpoint.answer(
        b"$1\r\n7\r\n-NOPERM not that\r\n*3\r\n$1\r\n1\r\n$-1\r\n:5\r\n"
    )
    assert answers == [b"7", [b"1", None, 5]]
    assert [str(each) for each in refused] == ["NOPERM not that"]
    assert isinstance(refused[0], RedisRefused)


def test_nothing_is_kept_while_there_is_no_connection(case: Case) -> None:
    problems = problems_of(case.connection.execute("GET", b"k"))
    case.starts()
    under_way = problems_of(case.connection.execute("GET", b"k"))
    case.endpoint.lose()
    problems += under_way
    problems += problems_of(case.connection.execute("GET", b"k"))
    assert [type(each) for each in problems] == [RedisAway] * 3
    case.clock.advance(LONGEST)
    assert case.endpoint.sent() == command(b"PING")


def test_it_never_gives_up(case: Case) -> None:
    case.endpoint.refuses = True
    case.connection.start()
    for _ in range(100):
        case.clock.advance(LONGEST)
    assert case.endpoint.attempts == 101
    assert (
        case.user.told
        == ["BrokerAway: Connection was refused by other side: nobody there"] * 101
    )
    case.endpoint.refuses = False
    case.clock.advance(LONGEST)
    case.endpoint.answer(b"+PONG\r\n")
    assert case.connection.is_up
    # The first attempt after a loss comes soon.
    case.endpoint.lose()
    case.clock.advance(0.125)
    assert len(case.endpoint.connections) == 2


def test_a_refusal_is_told_and_tried_again(case: Case) -> None:
    case.connection.start()
    for _ in range(3):
        case.endpoint.answer(b"-NOAUTH Authentication required.\r\n")
        protocol, transport = case.endpoint.connections[-1]
        assert transport.disconnected
        protocol.connectionLost(Failure(ConnectionDone()))
        case.clock.advance(LONGEST)
    assert case.user.told == ["RedisRefused: NOAUTH Authentication required"] * 3
    case.endpoint.answer(b"+PONG\r\n")
    assert case.connection.is_up


@pytest.mark.parametrize(
    ("answer", "is_transient"),
    [(b"-LOADING Redis is loading\r\n", True), (b"-WRONGPASS invalid\r\n", False)],
)
def test_it_knows_what_may_pass(case: Case, answer: bytes, is_transient: bool) -> None:
    case.starts()
    problems = problems_of(case.connection.execute("GET", b"k"))
    case.endpoint.answer(answer)
    assert isinstance(problems[0], RedisRefused)
    assert problems[0].is_transient is is_transient


@pytest.mark.parametrize("channels", [[], [b"c"]])
def test_a_server_that_is_no_redis_is_told(channels: list[bytes]) -> None:
    case = Case(parse_redis_url("redis://host"), channels)
    case.connection.start()
    case.endpoint.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert case.endpoint.connections[-1][1].disconnected
    case.endpoint.lose()
    assert len(case.user.told) == 1
    assert case.user.told[0].startswith("RedisRefused: what answers there is no Redis")
    case.clock.advance(LONGEST)
    assert case.endpoint.attempts == 2


def test_a_sentinel_that_is_no_redis_is_told() -> None:
    endpoint = Endpoint()
    asked = Deferred.fromCoroutine(ask_once(endpoint, None, "PING"))
    problems = problems_of(asked)
    endpoint.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert endpoint.connections[-1][1].disconnected
    endpoint.lose()
    assert "is no Redis" in str(problems[0])


def test_a_server_that_does_not_answer_is_left(case: Case) -> None:
    case.connection.start()
    case.clock.advance(LOGIN_TIMEOUT)
    assert case.endpoint.connections[-1][1].disconnected
    case.endpoint.lose()
    assert case.user.told == ["RedisAway: Redis does not answer for 10 s"]
    case.clock.advance(LONGEST)
    assert case.endpoint.attempts == 2


def test_a_server_that_is_no_master_is_left() -> None:
    case = Case(parse_redis_url("redis+sentinel://s/main"))
    case.connection.start()
    assert case.endpoint.sent() == command(b"ROLE")
    case.endpoint.answer(b"*1\r\n$5\r\nslave\r\n")
    assert case.endpoint.connections[-1][1].disconnected
    case.endpoint.lose()
    assert "is no master" in case.user.told[0]
    case.clock.advance(LONGEST)
    case.endpoint.answer(b"*1\r\n$6\r\nmaster\r\n+PONG\r\n")
    assert case.connection.is_up


def test_what_is_said_does_not_wait_for_the_reactor_unless_much_is(
    case: Case,
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        reactor = MemoryReactor()
        transport = Connection(ours, None, reactor)  # type: ignore[arg-type]
        transport.connected = 1
        case.endpoint.make_transport = lambda: transport
        case.connection.start()
        assert theirs.recv(100) == command(b"PING")
        case.endpoint.answer(b"+PONG\r\n")
        case.clock.advance(0.001)
        said = [case.connection.execute("PUBLISH", b"c", b"1")]
        assert theirs.recv(100) == command(b"PUBLISH", b"c", b"1")
        assert reactor.writers == set()
        said += [
            case.connection.execute("PUBLISH", b"c", each) for each in (b"2", b"3")
        ]
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        (writer,) = reactor.writers
        writer.doWrite()
        expected = [command(b"PUBLISH", b"c", each) for each in (b"2", b"3")]
        assert theirs.recv(100) == b"".join(expected)
        case.endpoint.answer(b":2\r\n:1\r\n:0\r\n")
        assert [each.result for each in said] == [2, 1, 0]


def test_it_stops_in_any_state() -> None:
    for state in ("new", "connecting", "waiting", "up"):
        case = Case(parse_redis_url("redis://host"))
        case.endpoint.waits = state == "connecting"
        case.endpoint.refuses = state == "waiting"
        if state != "new":
            case.connection.start()
        if state == "up":
            case.endpoint.answer(b"+PONG\r\n")
        stopped = case.connection.stop()
        if state == "up":
            assert case.endpoint.connections[-1][1].disconnecting
            case.endpoint.lose()
        assert stopped.called, state
        assert case.clock.getDelayedCalls() == []
        case.clock.advance(10)
        assert case.endpoint.attempts == (state != "new")
