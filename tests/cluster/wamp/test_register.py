"""What a router knows of the members, and what these answer."""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger

from tests.cluster.broker.recorder import failure_of, run
from tests.cluster.wamp.router import (
    TOPICS,
    MemoryRouter,
    MemorySession,
    Node,
    joined,
)
from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.wamp.register import ANSWER_TIMEOUT
from txengineio.observing.seldom import SeldomLog


def test_each_start_is_later_than_the_one_before(
    router: MemoryRouter, clock: Clock
) -> None:
    starts = []
    for _ in range(3):
        (node,) = joined(router, "a")
        starts.append(node.membership._said.incarnation)
        assert node.membership.leave().called
        clock.advance(0.001)
    assert starts == sorted(set(starts))


def test_a_session_that_is_begun_again_is_the_same_start(
    router: MemoryRouter, clock: Clock
) -> None:
    (node,) = joined(router, "a")
    start = node.membership._said.incarnation
    node.session.abortConnection()
    run(clock, 2)
    assert node.state == "ok"
    assert node.membership._said.incarnation == start
    assert len(router.procedures) == 1


def test_who_finds_its_own_last_session_waits_until_the_router_drops_it(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    a.answering["b"] = succeed(True)
    start = b.membership._said.incarnation
    ghost = MemorySession(router, None)
    ghost.hears = False
    (id_,) = [
        each
        for each, (uri, *_) in router.procedures.items()
        if uri == TOPICS.procedure("b")
    ]
    _, _, procedure, made = router.procedures[id_]
    router.procedures[id_] = TOPICS.procedure("b"), ghost, procedure, made
    b.session.abortConnection()
    run(clock, 20)
    assert b.states == ["ok", "degraded"]
    router.remove(id_)
    run(clock, 6)
    assert b.states == ["ok", "degraded", "ok"]
    assert b.membership._said.incarnation == start
    assert [a.changes, b.changes] == [["+b"], ["+a"]]


def test_who_finds_another_node_with_its_name_is_no_member(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    b.stops()
    b.session.abortConnection()
    retry: Any = b.membership._wire
    retry._attempts._retry.cancel()
    (second,) = joined(router, "b")
    retry.start()
    b.membership._beat()
    run(clock, 5)
    assert b.states == ["ok", "degraded", "joining"]
    assert a.members == {"b": second.member}
    assert second.membership.leave().called
    run(clock, 5)
    assert b.state == "ok"
    assert b.membership.publish(b"b", b"1")
    assert a.messages == [("b", b"b", b"1")]


def test_a_router_that_does_not_tell_the_time_is_refused(
    router: MemoryRouter, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "details", lambda _: {"created": "soon"})
    problem = failure_of(Node(router, "a"), clock)
    assert problem == (
        "the router cannot be used: the router does not tell when "
        "io.txengineio.chat.node.a was registered"
    )
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("arguments", [(), (b"short",), ("x" * 16,), (None,)])
def test_a_question_that_makes_no_sense_is_refused(
    router: MemoryRouter, arguments: tuple[object, ...]
) -> None:
    joined(router, "a")
    with pytest.raises(ApplicationError, match="16 bytes"):
        router.call(TOPICS.procedure("a"), *arguments)


def test_an_answer_holds_for_one_question(router: MemoryRouter) -> None:
    a, b = joined(router, "a", "b")
    recorded = router.call(TOPICS.procedure("b"), bytes(16))
    b.dies()
    assert a.members == {}
    intruder = MemorySession(router, None)
    router.add(TOPICS.procedure("b"), intruder, lambda _nonce: recorded)
    assert a.membership.look_up("b").result is False
    assert a.members == {}


def test_who_is_no_member_yet_or_hangs_is_left_out(
    router: MemoryRouter, clock: Clock
) -> None:
    (a,) = joined(router, "a")
    hangs = MemorySession(router, None)
    router.add(TOPICS.procedure("h"), hangs, lambda _nonce: Deferred())
    router.add(TOPICS.procedure("n"), hangs, lambda _nonce: succeed("no bytes"))
    router.add("com.example.other", hangs, None)
    b = Node(router, "b")
    b.join()
    run(clock, 2 + ANSWER_TIMEOUT + 0.5)
    assert b.state == "ok"
    assert b.members == {"a": a.member}


def test_a_node_answers_only_as_a_member(router: MemoryRouter) -> None:
    node = Node(router, "a")
    node.join()
    wire = node.membership._wire
    said = Said(Seal(b"", "chat"), "a")
    register = wire.register(Seal(b"", "chat"), said, SeldomLog(Logger(), float))
    with pytest.raises(ApplicationError, match="no member yet"):
        register._tell(bytes(16))  # type: ignore[attr-defined]
