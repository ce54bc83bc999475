"""Members of a cluster, by a Redis in memory that goes, hangs, and comes back."""

from __future__ import annotations

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.cluster.broker.recorder import failure_of, run
from tests.cluster.redis.memory import (
    KEYS,
    MemoryRedis,
    Node,
    joined,
)
from txengineio.cluster.broker.bus import MAX_WAITING
from txengineio.cluster.broker.frames import Frame, Own, Seal
from txengineio.cluster.broker.members import SILENT_BEATS
from txengineio.cluster.broker.membership import JOIN_TIMEOUT, RENEW_BEATS, SETTLE_BEATS
from txengineio.cluster.interfaces import Load
from txengineio.cluster.redis.register import LIFETIME

PROMISED = 15


def test_who_joins_knows_all_others_and_they_know_it(redis: MemoryRedis) -> None:
    a, b, c = joined(redis, "a", "b", "c")
    assert a.members == {"b": b.member, "c": c.member}
    assert b.members == {"a": a.member, "c": c.member}
    assert c.members == {"a": a.member, "b": b.member}
    assert [each.state for each in (a, b, c)] == ["ok"] * 3


def test_who_leaves_is_gone_at_once(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    left = [b.membership.leave(), b.membership.leave()]
    assert [each.called for each in left] == [True, True]
    assert a.members == {}
    assert redis.members == {b"a"}
    assert {each for each in redis.values if b":started:" not in each} == {
        *(KEYS.member("a"), KEYS.settled),
    }
    assert a.membership.leave().called
    assert a.membership.leave().called
    assert clock.getDelayedCalls() == []


def test_messages_come_in_order_and_not_to_who_sends_them(redis: MemoryRedis) -> None:
    a, b, c = joined(redis, "a", "b", "c")
    assert a.membership.publish(b"b", b"1")
    assert a.membership.tell("b", b"x", b"2")
    assert a.membership.publish(b"b", b"\0\xff3")
    assert b.messages == [("a", b"b", b"1"), ("a", b"x", b"2"), ("a", b"b", b"\0\xff3")]
    assert c.messages == [("a", b"b", b"1"), ("a", b"b", b"\0\xff3")]
    assert a.messages == []
    assert a.counts == b.counts == {}


def test_nothing_is_sent_by_who_is_no_member(redis: MemoryRedis) -> None:
    node = Node(redis, "a")
    assert not node.membership.publish(b"b", b"")
    assert not node.membership.tell("b", b"b", b"")
    assert node.membership.look_up("b").result is False
    node.membership.announce(Load("a", 1))
    assert node.membership.leave().called
    assert redis.commands == []


def test_loads_come_with_renewals_and_draining_at_once(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    assert a.loads == {"b": Load("b")}
    b.membership.announce(Load("b", 7))
    run(clock, RENEW_BEATS + 0.5)
    assert a.loads == {"b": Load("b", 7)}
    b.membership.announce(Load("b", 7, draining=True))
    assert a.loads == {"b": Load("b", 7, draining=True)}


def test_a_member_stays_one(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    run(clock, 3 * LIFETIME)
    assert a.changes == ["+b"]
    assert b.changes == ["+a"]
    assert a.states == ["ok"]
    assert a.counts == b.counts == {}


def test_a_node_that_dies_is_gone_in_time(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    run(clock, RENEW_BEATS + 0.25)
    b.stops()
    run(clock, LIFETIME - RENEW_BEATS - 1)
    assert a.members == {"b": b.member}
    run(clock, PROMISED - (LIFETIME - RENEW_BEATS - 1))
    assert a.changes == ["+b", "-b"]
    run(clock, 10)
    assert a.changes == ["+b", "-b"]


def test_a_node_that_is_cut_off_from_redis_alone_stays(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    a.answering["b"] = succeed(True)
    b.stops()
    run(clock, 3 * PROMISED)
    assert a.changes == ["+b"]
    # Not more often than another silent one would be.
    assert a.asked == ["b"] * (3 * PROMISED // SILENT_BEATS)
    del a.answering["b"]
    run(clock, PROMISED)
    assert a.changes == ["+b", "-b"]
    b.goes_on()
    run(clock, RENEW_BEATS + 1)
    assert a.members == {"b": b.member}


def test_a_node_that_was_stopped_is_a_member_again(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    b.stops()
    run(clock, 2 * PROMISED)
    assert a.members == {}
    b.goes_on()
    run(clock, RENEW_BEATS + 1)
    assert a.members == {"b": b.member}
    assert b.changes == ["+a"]
    b.membership.publish(b"b", b"again")
    assert a.messages == [("b", b"b", b"again")]


def test_no_redis_is_told_in_time(redis: MemoryRedis, clock: Clock) -> None:
    redis.is_there = False
    problem = failure_of(Node(redis, "a"), clock, JOIN_TIMEOUT)
    assert problem == "Redis cannot be used: Connection refused"
    assert clock.getDelayedCalls() == []


def test_redis_may_start_a_little_later(redis: MemoryRedis, clock: Clock) -> None:
    redis.is_there = False
    node = Node(redis, "a")
    node.join()
    run(clock, JOIN_TIMEOUT - 2)
    redis.comes()
    run(clock, 1)
    assert node.state == "ok"


def test_redis_may_go_away_while_a_node_joins(redis: MemoryRedis, clock: Clock) -> None:
    redis.values.clear()
    node = Node(redis, "a")
    node.join()
    run(clock, 1)
    assert redis.values.keys() == {KEYS.member("a"), KEYS.started("a")}
    redis.goes()
    run(clock, JOIN_TIMEOUT - 2)
    assert node.state == "joining"
    redis.comes()
    run(clock, SETTLE_BEATS + 1.25)
    assert node.state == "ok"
    assert redis.values.keys() == {KEYS.member("a"), KEYS.started("a")}


@pytest.mark.parametrize("command", ["EVAL", "PUBLISH", "SMEMBERS"])
def test_a_refusal_is_told_at_once(
    redis: MemoryRedis, clock: Clock, command: str
) -> None:
    redis.refuses[command] = "NOPERM this user has no permissions to run it"
    problem = failure_of(Node(redis, "a"), clock)
    assert problem == f"Redis cannot be used: {redis.refuses[command]}"
    assert clock.getDelayedCalls() == []
    assert redis.connections == []


def test_who_leaves_while_it_joins_does_not_join(
    redis: MemoryRedis, clock: Clock
) -> None:
    redis.hangs = True
    node = Node(redis, "a")
    problems: list[str] = []
    node.join().addErrback(lambda failure: problems.append(str(failure.value)))
    run(clock, 1)
    assert node.membership.leave().called
    assert problems == ["this node leaves before it has joined"]
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("hangs", [True, False])
def test_a_join_that_is_cancelled_leaves_nothing_behind(
    redis: MemoryRedis, clock: Clock, hangs: bool
) -> None:
    redis.hangs = hangs
    redis.values.clear()
    node = Node(redis, "a")
    problems: list[str] = []
    joining = node.join().addErrback(lambda each: problems.append(str(each.value)))
    run(clock, 1)
    joining.cancel()
    assert problems == ["this node leaves before it has joined"]
    assert redis.connections == []
    assert redis.values.keys() <= {KEYS.started("a")}
    assert clock.getDelayedCalls() == []


def test_nobody_dies_while_redis_is_away_and_all_is_whole_soon_after(
    redis: MemoryRedis, clock: Clock
) -> None:
    nodes = a, b, c = joined(redis, "a", "b", "c")
    run(clock, RENEW_BEATS + 1)
    with capturedLogs() as logs:
        redis.goes()
        assert [each.state for each in nodes] == ["degraded"] * 3
        run(clock, 60)
        assert not a.membership.publish(b"b", b"lost")
        assert not a.membership.tell("b", b"b", b"lost")
        redis.comes()
        run(clock, 2)
    assert [each.state for each in nodes] == ["ok"] * 3
    assert [each.states for each in nodes] == [["ok", "degraded", "ok"]] * 3
    run(clock, 2 * LIFETIME)
    assert a.changes == ["+b", "+c"]
    assert b.changes == ["+a", "+c"]
    assert a.counts == {"away": 2}
    # The others know how many messages they have not got.
    a.membership.tell("b", b"b", b"here")
    assert b.counts == {"lost": 2}
    assert c.counts == {"lost": 1}
    warned = [each for each in logs if each["log_level"] is LogLevel.warn]
    # Each node that Redis is away, and one that a message is dropped.
    assert len(warned) == 3 + 1


def test_who_dies_while_redis_is_away_is_gone_soon_after(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    redis.goes()
    b.stops()
    for each in redis.connections[2:]:
        each.stop()
    run(clock, 60)
    assert a.members == {"b": b.member}
    redis.comes()
    run(clock, PROMISED + 1)
    assert a.members == {}
    assert a.state == "ok"


def test_who_joins_just_after_redis_is_back_waits_for_the_others(
    redis: MemoryRedis, clock: Clock
) -> None:
    a = joined(redis, "a", "b")[0]
    redis.goes()
    run(clock, 5)
    redis.comes()
    # They have not tried to connect again.
    c, d = Node(redis, "c"), Node(redis, "d")
    c.join()
    d.join()
    assert c.state == d.state == "joining"
    run(clock, SETTLE_BEATS + 0.25)
    assert c.state == d.state == "ok"
    assert set(c.members) == {"a", "b", "d"}
    assert set(d.members) == {"a", "b", "c"}
    # Those who come later need not wait.
    run(clock, 2 * RENEW_BEATS)
    (e,) = joined(redis, "e")
    assert set(e.members) == {"a", "b", "c", "d"}
    assert a.changes == ["+b", "+c", "+d", "+e"]


def test_who_joins_while_one_cannot_hear_is_known_afterwards(
    redis: MemoryRedis, clock: Clock
) -> None:
    (a,) = joined(redis, "a")
    redis.connections[1].abort()
    assert a.state == "degraded"
    (b,) = joined(redis, "b")
    assert a.members == {}
    run(clock, 1.25)
    assert a.state == "ok"
    assert a.members == {"b": b.member}


@pytest.mark.parametrize("seconds", [9, 20, 40])
def test_nobody_dies_while_redis_hangs(
    redis: MemoryRedis, clock: Clock, seconds: int
) -> None:
    a, b = joined(redis, "a", "b")
    run(clock, RENEW_BEATS - 0.5)
    redis.hangs = True
    run(clock, seconds)
    redis.goes_on()
    run(clock, 2 * PROMISED)
    assert a.changes == ["+b"]
    assert b.changes == ["+a"]
    assert a.state == b.state == "ok"


def test_who_does_not_hear_itself_connects_anew(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, _ = joined(redis, "a", "b")
    hears = redis.connections[1]
    # The connection is there, and nothing comes on it.
    hears.channels, channels = [], hears.channels
    run(clock, 14)
    assert hears.aborted == 1
    assert a.states[:2] == ["ok", "degraded"]
    hears.channels = channels
    run(clock, 14)
    assert a.state == "ok"
    assert a.changes == ["+b"]


def test_a_server_that_is_no_master_any_more_is_left(
    redis: MemoryRedis, clock: Clock
) -> None:
    (a,) = joined(redis, "a")
    redis.refuses["EVAL"] = "READONLY You can't write against a read only replica."
    run(clock, RENEW_BEATS + 1)
    assert a.state == "degraded"
    assert {each.aborted for each in redis.connections} <= {1, 2}
    redis.refuses.clear()
    run(clock, 3)
    assert a.state == "ok"


def test_what_waits_for_redis_is_bounded(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    redis.hangs = True
    payload = bytes(1 << 20)
    taken = [a.membership.publish(b"b", payload) for _ in range(10)]
    assert taken == [True] * 7 + [False] * 3
    assert a.counts == {"full": 3}
    assert a.membership._bus.waiting < MAX_WAITING
    redis.goes_on()
    assert a.membership._bus.waiting == 0
    assert a.membership.publish(b"b", b"more")
    assert a.counts == {"full": 3}
    assert b.counts == {"lost": 3}


def test_a_message_that_is_too_large_is_refused(redis: MemoryRedis) -> None:
    a, b = joined(redis, "a", "b")
    assert a.membership.publish(b"b", bytes(8 << 20))
    assert not a.membership.publish(b"b", bytes((8 << 20) + 1))
    assert a.counts == {"large": 1}
    assert [len(payload) for _, _, payload in b.messages] == [8 << 20]


def test_messages_on_their_way_when_redis_goes_are_counted(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    run(clock, RENEW_BEATS + 1)
    redis.hangs = True
    assert a.membership.publish(b"b", b"perhaps")
    redis.goes()
    redis.hangs = False
    redis.comes()
    run(clock, 3)
    assert a.counts == {"gone": 1}
    assert b.counts == {"lost": 1}


def test_the_loss_of_the_last_message_is_found_out_too(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    hears = redis.connections[3]
    hears.is_up = False
    assert a.membership.tell("b", b"b", b"lost")
    hears.is_up = True
    run(clock, RENEW_BEATS + 1)
    assert a.counts == {"unheard": 1}
    assert b.counts == {"lost": 1}


def test_what_is_published_again_is_heard_once(
    redis: MemoryRedis, clock: Clock
) -> None:
    a, b = joined(redis, "a", "b")
    run(clock, RENEW_BEATS + 1)
    b.membership.publish(b"b", b"to all")
    b.membership.tell("a", b"b", b"to a")
    recorded = list(redis.published)
    heard = list(a.messages)
    for each in recorded:
        redis.publish(*each)
    assert a.messages == heard
    assert a.changes == ["+b"]
    assert b.membership.leave().called
    for each in recorded:
        redis.publish(*each)
    assert a.messages == heard
    assert a.changes == ["+b", "-b"]
    # Its successor begins anew.
    (second,) = joined(redis, "b")
    second.membership.publish(b"b", b"new")
    for each in recorded:
        redis.publish(*each)
    assert a.messages == [*heard, ("b", b"b", b"new")]
    assert a.changes == ["+b", "-b", "+b"]
    assert a.members == {"b": second.member}
    assert set(a.counts) == {"again", "stranger"}


@pytest.mark.parametrize("what", ["channel", "key"])
def test_nobody_keeps_a_dead_node_alive(
    redis: MemoryRedis, clock: Clock, what: str
) -> None:
    a, b = joined(redis, "a", "b")
    key = KEYS.member("b")
    values = [redis.values[key][0]]
    run(clock, RENEW_BEATS + 1)
    values.append(redis.values[key][0])
    here = [each for each in redis.published if each[1][1:2] == Own.HERE.value]
    b.stops()
    run(clock, 1)
    for _ in range(PROMISED + 1):
        if what == "channel":
            redis.publish(*here[-1])
        else:
            redis.values[key] = values[-1], float("inf")
        run(clock, 1)
    assert a.changes == ["+b", "-b"]
    redis.values[key] = values[0], float("inf")
    assert a.membership.look_up("b").result is False
    assert a.changes == ["+b", "-b"]


def test_what_a_node_has_said_to_itself_counts_once(
    redis: MemoryRedis, clock: Clock
) -> None:
    (a,) = joined(redis, "a")
    run(clock, 3)
    probe = redis.published[-1]
    redis.hangs = True
    for _ in range(14):
        run(clock, 1)
        redis.publish(*probe)
    assert a.state == "degraded"


def test_strangers_and_forgers_are_not_heard(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    (other,) = joined_with(redis, b"another secret", "c")
    other.membership.publish(b"b", b"forged")
    redis.publish(KEYS.all, b"")
    redis.publish(KEYS.all, b"nonsense" * 10)
    assert a.members == {"b": b.member}
    assert other.members == {}
    stranger = Frame(
        kind=b"b", sender="d", incarnation=bytes(8), serial=1, number=1, payload=b"x"
    )
    sealed = Seal(b"secret", "chat").encode(KEYS.all, stranger)
    redis.publish(KEYS.all, sealed)
    redis.publish(KEYS.all, sealed)
    assert a.messages == []
    # What the other says of itself, its message, and the empty one.
    assert a.counts == {"forged": 3, "version": 1, "stranger": 2}


def test_who_knows_another_secret_is_told_so(redis: MemoryRedis) -> None:
    """Each would take itself for the whole cluster otherwise, and nobody would know."""
    joined(redis, "a", "b")
    stranger = Node(redis, "c", secret=b"another secret")
    with capturedLogs() as events:
        stranger.join()
    assert stranger.state == "ok"
    lines = [formatEvent(event) for event in events]
    (said,) = [line for line in lines if line.startswith("the key of node ")]
    assert "does not count (forged): that node knows another secret" in said


def joined_with(redis: MemoryRedis, secret: bytes, name: str) -> list[Node]:
    node = Node(redis, name, secret)
    assert node.join().called
    return [node]


def test_an_unknown_node_is_looked_up(redis: MemoryRedis, clock: Clock) -> None:
    a, b = joined(redis, "a", "b")
    assert a.membership.look_up("c").result is False
    assert a.membership.look_up("b").result is True
    # One that this node has missed.
    redis.connections[1].is_up = False
    (c,) = joined(redis, "c")
    redis.connections[1].is_up = True
    assert a.members == {"b": b.member}
    run(clock, 1)
    assert a.membership.look_up("c").result is True
    assert a.members == {"b": b.member, "c": c.member}
    redis.hangs = True
    looked_up = a.membership.look_up("d")
    run(clock, 1.25)
    assert looked_up.result is False
    redis.goes()
    assert a.membership.look_up("d").result is False


def test_other_programs_are_heard_only_if_asked_for(
    redis: MemoryRedis, clock: Clock
) -> None:
    (deaf,) = joined(redis, "a")
    hearing = Node(redis, "b", hears_outside=True)
    hearing.join()
    redis.publish(KEYS.outside, b'{"message": "hello"}')
    assert hearing.messages == [("b", b"b", b"\x02hello")]
    assert deaf.messages == []
    redis.publish(KEYS.outside, b'{"mesage": "hello"}')
    assert hearing.counts == {"broken": 1}
