"""Names of nodes, by a Redis in memory: each is one node's, whoever was stopped."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.cluster.broker.recorder import failure_of, run
from tests.cluster.redis.memory import MemoryRedis, Node, joined
from txengineio.cluster.broker.membership import RENEW_BEATS
from txengineio.cluster.interfaces import Load
from txengineio.cluster.redis.register import LIFETIME

TWICE_AS_LONG = 30
"""As it takes until a silent node is gone."""


def test_a_node_whose_name_was_taken_meanwhile_says_so(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    # It says so, whatever else Redis has refused within that minute.
    redis.refuses["EVAL"] = "OOM command not allowed"
    run(clock, RENEW_BEATS + 1)
    del redis.refuses["EVAL"]
    run(clock, RENEW_BEATS + 1)
    b.stops()
    run(clock, TWICE_AS_LONG)
    second = joined(redis, "b")[0]
    with capturedLogs() as logs:
        b.goes_on()
        run(clock, RENEW_BEATS + 1)
    # It tells balancers to send nobody.
    assert b.state == "joining"
    assert a.members == {"b": second.member}
    assert a.changes == ["+b", "-b", "+b"]
    assert second.states == ["ok"]
    problem = "another node has the name b by now"
    assert problem in {str(each.get("problem")) for each in logs}
    # Once it has the name again, it is a member again.
    second.membership.leave()
    run(clock, 5)
    assert b.state == "ok"
    assert a.changes == ["+b", "-b", "+b", "-b", "+b"]


def test_a_node_without_its_name_says_nothing(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    b.stops()
    run(clock, TWICE_AS_LONG)
    second = Node(redis, "b")
    second.member = replace(second.member, address="second.example:7000")
    second.join()
    # Before it has had the time to find out.
    b.goes_on()
    b.membership.announce(Load("b", 5, draining=True))
    assert b.state == "joining"
    assert not b.membership.publish(b"b", b"")
    assert not b.membership.tell("a", b"b", b"")
    b.membership.announce(Load("b", 5))
    assert b.membership.leave().called
    run(clock, TWICE_AS_LONG)
    assert a.members == {"b": second.member}
    assert a.changes == ["+b", "-b", "+b"]
    assert a.messages == []


def test_who_leaves_before_it_has_found_out_takes_nobody_along(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    b.stops()
    run(clock, TWICE_AS_LONG)
    second = joined(redis, "b")[0]
    b.goes_on()
    assert b.state == "ok"
    assert b.membership.leave().called
    assert a.members == {"b": second.member}
    assert a.changes == ["+b", "-b", "+b"]
    assert clock.getDelayedCalls() != []
    assert second.membership.leave().called
    assert a.membership.leave().called
    assert clock.getDelayedCalls() == []


def test_a_name_can_be_taken_only_once(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    problem = failure_of(Node(redis, "b"), clock, RENEW_BEATS + 2)
    assert problem == "another node of the cluster has the name b"
    run(clock, RENEW_BEATS + 1)
    assert a.members == {"b": b.member}
    assert a.changes == ["+b"]
    assert b.states == ["ok"]
    assert [len(each.channels) for each in redis.connections] == [0, 2, 0, 2]


def test_the_name_of_a_node_that_has_died_is_free_after_a_while(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    b.stops()
    second = Node(redis, "b")
    second.join()
    run(clock, LIFETIME - 1)
    assert second.state == "joining"
    run(clock, 2)
    assert second.state == "ok"
    assert second.members == {"a": a.member}
    assert a.changes == ["+b", "-b", "+b"]


def test_one_whose_successor_is_gone_is_a_later_start_itself(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    b.stops()
    run(clock, TWICE_AS_LONG)
    second = joined(redis, "b")[0]
    second.membership.publish(b"b", b"1")
    assert second.membership.leave().called
    b.goes_on()
    run(clock, RENEW_BEATS + 4)
    assert b.state == "ok"
    b.membership.publish(b"b", b"2")
    b.membership.tell("a", b"b", b"3")
    assert a.messages == [("b", b"b", b"1"), ("b", b"b", b"2"), ("b", b"b", b"3")]
    assert a.counts == {}


def test_clock_of_redis_may_go_back(redis: MemoryRedis, clock: Clock) -> None:
    clock.advance(1000)
    a, b = joined(redis, "a", "b")
    assert b.membership.leave().called
    clock.rightNow -= 500
    (second,) = joined(redis, "b")
    assert a.members == {"b": second.member}
