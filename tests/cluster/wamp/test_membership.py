"""Members of a cluster, by a router in memory that goes, hangs, and comes back."""

from __future__ import annotations

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from tests.cluster.broker.recorder import failure_of, run
from tests.cluster.wamp.router import TOPICS, MemoryRouter, Node, joined
from txengineio.cluster.broker.bus import MAX_WAITING
from txengineio.cluster.broker.membership import JOIN_TIMEOUT, RENEW_BEATS
from txengineio.cluster.interfaces import Load
from txengineio.cluster.packets import MAX_MESSAGE
from txengineio.cluster.wamp.register import WAIT_FOR_NAME

PROMISED = 15


def test_who_joins_knows_all_others_and_they_know_it(router: MemoryRouter) -> None:
    a, b, c = joined(router, "a", "b", "c")
    assert a.members == {"b": b.member, "c": c.member}
    assert b.members == {"a": a.member, "c": c.member}
    assert c.members == {"a": a.member, "b": b.member}
    assert [each.state for each in (a, b, c)] == ["ok"] * 3


def test_who_joins_at_the_same_moment_is_known_too(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = Node(router, "a"), Node(router, "b")
    done = [a.join(), b.join()]
    run(clock, 2.5)
    assert [each.called for each in done] == [True, True]
    assert [a.members, b.members] == [{"b": b.member}, {"a": a.member}]


def test_who_leaves_is_gone_at_once(router: MemoryRouter, clock: Clock) -> None:
    a, b = joined(router, "a", "b")
    assert b.membership.leave().called
    assert a.members == {}
    assert a.asked == []
    assert [each[0] for each in router.procedures.values()] == [TOPICS.procedure("a")]
    assert a.membership.leave().called
    assert router.sessions == []
    assert clock.getDelayedCalls() == []


def test_messages_come_in_order_and_not_to_who_sends_them(router: MemoryRouter) -> None:
    a, b, c = joined(router, "a", "b", "c")
    assert a.membership.publish(b"b", b"1")
    assert a.membership.tell("b", b"x", b"2")
    assert a.membership.publish(b"b", b"\0\xff3")
    assert b.messages == [("a", b"b", b"1"), ("a", b"x", b"2"), ("a", b"b", b"\0\xff3")]
    assert c.messages == [("a", b"b", b"1"), ("a", b"b", b"\0\xff3")]
    assert a.messages == []
    assert a.counts == b.counts == c.counts == {}


def test_a_member_stays_one_and_tells_its_load(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    b.membership.announce(Load("b", 7))
    run(clock, 3 * PROMISED)
    assert a.changes == ["+b"]
    assert a.states == ["ok"]
    assert a.loads == {"b": Load("b", 7)}
    assert a.counts == b.counts == {}


def test_a_node_whose_process_ends_is_asked_at_once_and_gone(
    router: MemoryRouter,
) -> None:
    a, b = joined(router, "a", "b")
    b.dies()
    assert a.asked == ["b"]
    assert a.changes == ["+b", "-b"]


def test_a_node_that_is_cut_off_from_the_router_alone_stays(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    a.answering["b"] = succeed(True)
    b.dies()
    run(clock, 3 * PROMISED)
    assert a.changes == ["+b"]
    del a.answering["b"]
    run(clock, PROMISED)
    assert a.changes == ["+b", "-b"]


def test_a_node_whose_connection_breaks_stays(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    a.answering["b"] = succeed(True)
    b.session.abortConnection()
    run(clock, 1)
    assert [a.state, b.state] == ["ok", "ok"]
    assert b.states == ["ok", "degraded", "ok"]
    assert b.membership.publish(b"b", b"back")
    assert a.messages == [("b", b"b", b"back")]
    run(clock, PROMISED)
    assert [a.changes, b.changes] == [["+b"], ["+a"]]


def test_a_node_that_hangs_is_gone_in_time_and_comes_back(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    run(clock, RENEW_BEATS)
    b.stops()
    run(clock, PROMISED - RENEW_BEATS - 2)
    assert a.changes == ["+b"]
    run(clock, RENEW_BEATS + 2)
    assert a.changes == ["+b", "-b"]
    b.session.hears = True
    b.membership._beat()
    run(clock, RENEW_BEATS + 1)
    assert a.changes == ["+b", "-b", "+b"]


def test_nobody_dies_while_the_router_is_away(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    router.goes()
    run(clock, 3 * PROMISED)
    assert [a.state, b.state] == ["degraded", "degraded"]
    assert not a.membership.publish(b"b", b"lost")
    assert a.counts == {"away": 1}
    assert a.membership.look_up("c").result is False
    router.is_there = True
    run(clock, 2)
    assert [a.state, b.state] == ["ok", "ok"]
    assert a.membership.publish(b"b", b"heard")
    assert b.messages == [("a", b"b", b"heard")]
    assert b.counts == {"lost": 1}
    run(clock, PROMISED)
    assert [a.changes, b.changes] == [["+b"], ["+a"]]
    assert a.asked == []


def test_nobody_dies_while_the_router_ends_sessions_one_by_one(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    a.answering["b"] = b.answering["a"] = succeed(True)
    for node in (a, b):
        node.session.abortConnection()
        run(clock, 0.25)
    run(clock, PROMISED)
    assert [a.state, b.state] == ["ok", "ok"]
    assert [a.changes, b.changes] == [["+b"], ["+a"]]


def test_who_hears_nothing_begins_another_session(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    session = b.session
    router.hangs = True
    run(clock, 12)
    assert b.states == ["ok", "degraded"]
    router.hangs = False
    run(clock, 12)
    assert b.session is not session
    assert [a.state, b.state] == ["ok", "ok"]
    assert [a.changes, b.changes] == [["+b"], ["+a"]]


def test_what_waits_for_the_router_is_bounded(router: MemoryRouter) -> None:
    a, _ = joined(router, "a", "b")
    assert not a.membership.publish(b"b", bytes(MAX_MESSAGE + 1))
    router.hangs = True
    part = bytes(MAX_WAITING // 4)
    assert [a.membership.publish(b"b", part) for _ in range(5)] == [
        *(True, True, True, False, False),
    ]
    assert a.counts == {"large": 1, "full": 2}
    a.session.abortConnection()
    assert a.counts == {"large": 1, "full": 2, "gone": 3}


def test_no_router_is_told_in_time(router: MemoryRouter, clock: Clock) -> None:
    router.is_there = False
    problem = failure_of(Node(router, "a"), clock, JOIN_TIMEOUT)
    assert problem.startswith("the router cannot be used: ")
    assert problem.endswith("nobody there")
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        (f"wamp.registration.{each}", f"{verb} wamp.registration.{each}")
        for each, verb in [
            ("get", "call"),
            ("list", "call"),
            ("on_create", "subscribe to"),
            ("on_delete", "subscribe to"),
        ]
    ]
    + [
        (TOPICS.all.decode(), f"subscribe to {TOPICS.all.decode()}"),
        (TOPICS.procedure("b"), f"subscribe to {TOPICS.procedure('b')}"),
    ],
)
def test_a_right_that_is_missing_is_named(
    router: MemoryRouter, clock: Clock, uri: str, right: str
) -> None:
    (a,) = joined(router, "a")
    router.denied = {uri}
    problem = failure_of(Node(router, "b"), clock, 3)
    assert problem == (
        f"the router cannot be used: the router does not let this node {right} "
        "(wamp.error.not_authorized)"
    )
    assert len(router.sessions) == 1
    router.denied.clear()
    assert a.membership.leave().called
    assert clock.getDelayedCalls() == []


def test_a_name_can_be_taken_only_once(router: MemoryRouter, clock: Clock) -> None:
    a, b = joined(router, "a", "b")
    problem = failure_of(Node(router, "b"), clock, RENEW_BEATS + 2)
    assert problem == "another node of the cluster has the name b"
    run(clock, RENEW_BEATS + 1)
    assert a.members == {"b": b.member}
    assert [a.changes, b.states] == [["+b"], ["ok"]]


def test_the_name_of_a_node_that_hangs_is_free_when_the_router_drops_it(
    router: MemoryRouter, clock: Clock
) -> None:
    a, b = joined(router, "a", "b")
    b.stops()
    second = Node(router, "b")
    second.join()
    run(clock, WAIT_FOR_NAME - 8)
    assert second.state == "joining"
    b.dies()
    run(clock, 4)
    assert second.state == "ok"
    assert second.members == {"a": a.member}
    assert a.members == {"b": second.member}
    second.membership.publish(b"b", b"1")
    assert a.messages == [("b", b"b", b"1")]


def test_an_unknown_node_is_looked_up(router: MemoryRouter, clock: Clock) -> None:
    a, b = joined(router, "a", "b")
    assert a.membership.look_up("c").result is False
    a.membership._members.remove("b")
    a.membership._bus._heard._last.clear()
    assert a.membership.look_up("b").result is True
    assert a.members == {"b": b.member}
    a.membership._members.remove("b")
    b.session.hears = False
    answer = a.membership.look_up("b")
    assert not answer.called
    run(clock, 1.25)
    assert answer.result is False


def test_strangers_are_not_heard(router: MemoryRouter, clock: Clock) -> None:
    (a,) = joined(router, "a")
    stranger = Node(router, "b", b"another secret")
    stranger.join()
    run(clock, 3)
    assert [a.members, stranger.members] == [{}, {}]
    router.publish(TOPICS.all.decode(), "no bytes")
    router.publish(TOPICS.all.decode(), b"more", b"than one")
    assert a.counts["forged"] >= 2
    assert a.messages == []
