"""Sessions that are begun again and again."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.cluster.broker.recorder import run
from tests.cluster.wamp.router import TOPICS, MemoryRouter, user_itself
from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused
from txengineio.cluster.wamp.session import LOGIN_TIMEOUT, WampRefused
from txengineio.cluster.wamp.wire import WampWire


class User:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def up(self) -> None:
        self.told.append("up")

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        self.told.append(f"{type(problem).__name__}: {problem}")

    def heard(self, topic: bytes, data: bytes) -> None:
        assert data != b"raise"
        self.told.append(f"{topic.decode()}: {data!r}")

    def suspect(self, name: str) -> None:
        self.told.append(f"suspect {name}")


@pytest.fixture
def user() -> User:
    return User()


@pytest.fixture
def wire(router: MemoryRouter, clock: Clock, user: User) -> WampWire:
    hears = [TOPICS.all, TOPICS.node("a")]
    return WampWire(router, user_itself, clock, TOPICS, user, hears)


def problem_of(deferred: Deferred[Any]) -> str:
    problems: list[str] = []

    def failed(failure: Failure) -> None:
        problems.append(f"{type(failure.value).__name__}: {failure.value}")

    deferred.addErrback(failed)
    (problem,) = problems
    return problem


def test_it_never_gives_up(router: MemoryRouter, wire: WampWire, user: User) -> None:
    router.is_there = False
    wire.start()
    run(router.clock, 60)
    assert len(user.told) > 40
    assert {each.partition(":")[0] for each in user.told} == {"BrokerAway"}
    user.told.clear()
    router.is_there = True
    run(router.clock, 2)
    assert user.told == ["up"]
    assert wire.stop().called
    assert router.clock.getDelayedCalls() == []


def test_a_router_that_does_not_answer_is_left(
    router: MemoryRouter, wire: WampWire, user: User
) -> None:
    router.is_silent = True
    wire.start()
    router.clock.advance(LOGIN_TIMEOUT)
    assert user.told == ["BrokerAway: the router does not answer for 10 s"]
    assert router.sessions == []
    router.is_silent = False
    run(router.clock, 1)
    assert wire.is_up
    run(router.clock, LOGIN_TIMEOUT + 1)
    assert user.told[1:] == ["up"]


def test_why_a_session_ended_is_told(
    router: MemoryRouter, wire: WampWire, user: User
) -> None:
    wire.start()
    wire.ended(WampRefused("no such thing", "wamp.error.x"))
    router.sessions[0].abortConnection()
    assert user.told == ["up", "WampRefused: no such thing"]
    run(router.clock, 1)
    router.sessions[0].abortConnection()
    assert user.told[3].startswith("BrokerAway: Connection was closed")


@pytest.mark.parametrize("end", [ConnectionAborted, ConnectionDone, ConnectionLost])
def test_a_server_that_is_no_router_is_told(
    router: MemoryRouter, wire: WampWire, user: User, end: type[Exception]
) -> None:
    router.is_silent = True
    wire.start()
    wire.lost(Failure(end()))
    problem = "BrokerAway: at that path, nobody answers as a router of WAMP"
    assert user.told == [problem]


def test_nothing_is_kept_while_there_is_no_session(
    router: MemoryRouter, wire: WampWire
) -> None:
    problem = "BrokerAway: there is no session with the router"
    for _ in range(2):
        assert problem_of(wire.publish(TOPICS.all, b"x")) == problem
        assert problem_of(wire.call("x.y")) == problem
        assert problem_of(wire.provide("x.y", str)) == problem
        router.is_silent = True
        wire.start()
    assert router.published == []


def test_what_it_says_to_itself_comes_back_and_what_is_for_all_does_not(
    wire: WampWire, user: User
) -> None:
    wire.start()
    assert wire.publish(TOPICS.node("a"), b"1").result is None
    assert wire.publish(TOPICS.all, b"2").result is None
    assert user.told == ["up", f"{TOPICS.procedure('a')}: b'1'"]


def test_what_fails_does_no_harm(
    router: MemoryRouter, wire: WampWire, user: User, flush_logged_errors: Any
) -> None:
    wire.start()
    router.publish(TOPICS.all.decode(), b"raise")
    assert len(flush_logged_errors(AssertionError)) == 1
    router.publish(TOPICS.all.decode(), {"no": "bytes"})
    assert user.told[-1] == f"{TOPICS.all.decode()}: b''"


@pytest.mark.parametrize("when", ["never", "waiting", "silent", "up"])
def test_it_stops_in_any_state(router: MemoryRouter, wire: WampWire, when: str) -> None:
    router.is_there = when != "waiting"
    router.is_silent = when == "silent"
    if when != "never":
        wire.start()
    assert wire.stop().called
    assert router.sessions == []
    assert router.clock.getDelayedCalls() == []
