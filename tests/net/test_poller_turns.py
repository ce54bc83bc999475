"""How a poller shares its turn: nobody waits long for those that ask for much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure
from typing_extensions import override

from tests.net.descriptors import Descriptors, Pair, watched
from txengineio.net import poller as module
from txengineio.net.poller import poller_of
from txengineio.net.turns import TURN

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(module._epoll is None, reason="this system has no epoll"),
]


def test_the_reactor_has_its_turn_whatever_comes(reactor: Descriptors) -> None:
    def another(_protocol: Any, _data: bytes) -> None:
        reactor.advance(TURN / 10)
        connection.peer.send(b"x")

    with watched(reactor, another) as connection:
        connection.peer.send(b"x")
        began = reactor.seconds()
        for number in range(1, 4):
            reactor.turn()
            assert reactor.seconds() - began == pytest.approx(number * TURN, rel=0.2)


def costs(reactor: Descriptors, seconds: float) -> Any:
    """A protocol that takes time, whatever it receives, and is sent more."""

    def react(protocol: Any, _data: bytes) -> None:
        reactor.advance(seconds)
        protocol.peer.send(b"x")

    return react


@contextmanager
def flooding(reactor: Descriptors, number: int, seconds: float) -> Iterator[list[Pair]]:
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(watched(reactor, costs(reactor, seconds)))
            for _ in range(number)
        ]
        for each in crowd:
            each.protocol.peer = each.peer
            each.peer.send(b"x")
        yield crowd


@pytest.mark.parametrize("seconds", [TURN / 50, TURN, TURN * 3])
def test_all_that_ask_for_much_get_the_same(
    reactor: Descriptors, seconds: float
) -> None:
    # The last of them is beyond what the kernel is asked for at a time.
    with flooding(reactor, module._AT_ONCE + 44, seconds) as crowd:
        for _ in range(1_000 if seconds >= TURN else 60):
            reactor.turn()
        reads = [len(each.protocol.data) for each in crowd]
        assert min(reads) >= 3
        assert max(reads) - min(reads) <= 3


def test_one_that_asks_for_little_comes_before_those_that_ask_for_much(
    reactor: Descriptors,
) -> None:
    with flooding(reactor, 100, TURN), watched(reactor) as light:
        for _ in range(300):
            reactor.turn()
        for number in range(1, 20):
            light.peer.send(b"a")
            # The kernel is asked for some at a time, and goes round.
            for _ in range(2):
                reactor.turn()
            assert len(light.protocol.data) == number


def test_a_newcomer_does_not_wait_for_those_that_ask_for_much(
    reactor: Descriptors,
) -> None:
    with flooding(reactor, 500, TURN):
        for _ in range(600):
            reactor.turn()
        with watched(reactor) as newcomer:
            newcomer.peer.send(b"a")
            began = reactor.seconds()
            while not newcomer.protocol.data:
                reactor.turn()
            assert reactor.seconds() - began < 2.0


def test_requests_are_read_in_the_order_in_which_they_came(
    reactor: Descriptors,
) -> None:
    order: list[str] = []

    def slow_end(protocol: Any, _data: bytes) -> None:
        reactor.advance(TURN)
        protocol.transport.abortConnection()
        protocol.transport.connectionLost(Failure(ConnectionAborted()))

    # It takes long and is gone; the next connection has its number.
    with watched(reactor, slow_end) as slow:
        number = slow.transport.fileno()
        slow.peer.send(b"a")
        reactor.turn()
    with (
        watched(reactor, lambda *_: order.append("first")) as first,
        watched(reactor, lambda *_: order.append("second")) as second,
    ):
        assert first.transport.fileno() == number
        first.peer.send(b"a")
        second.peer.send(b"a")
        reactor.turn()
    assert order == ["first", "second"]


def test_nothing_is_held_against_one_that_took_long_when_others_had_their_turn(
    reactor: Descriptors,
) -> None:
    order: list[str] = []

    def slow(_protocol: Any, data: bytes) -> None:
        order.append("first")
        if data == b"slow":
            reactor.advance(TURN / 10)
            first.peer.send(b"a")
            second.peer.send(b"a")

    with (
        watched(reactor, slow) as first,
        watched(reactor, lambda *_: order.append("second")) as second,
    ):
        first.peer.send(b"slow")
        reactor.turn()
    assert order == ["first", "first", "second"]


class Clocked(Descriptors):
    """Counts how often its clock is looked at."""

    looks = 0

    @override
    def seconds(self) -> float:
        self.looks += 1
        return super().seconds()


def looks_at_the_clock(data: bytes, number: int, react: Any = None) -> int:
    """Return how often a turn looks at the clock for so many connections."""
    reactor = Clocked()
    with ExitStack() as stack:
        crowd = [stack.enter_context(watched(reactor, react)) for _ in range(number)]
        for each in crowd:
            each.protocol.clock = reactor
            each.peer.send(data)
        before = reactor.looks
        reactor.turn()
        assert all(each.protocol.data for each in crowd)
        return reactor.looks - before


def test_the_clock_is_not_looked_at_for_each_small_read() -> None:
    few, many = (looks_at_the_clock(b"x", number) for number in (10, 60))
    assert many - few <= 50 / 2


def test_the_clock_is_looked_at_for_each_large_read() -> None:
    data = b"x" * (module._CREDIT)
    few, many = (looks_at_the_clock(data, number) for number in (10, 60))
    assert many - few >= 50


def test_the_clock_is_looked_at_for_each_read_while_they_are_not_quick() -> None:
    def slow(protocol: Any, _data: bytes) -> None:
        protocol.clock.advance(module._QUICK * 1.1)

    few, many = (looks_at_the_clock(b"x", number, slow) for number in (10, 60))
    assert many - few >= 50


def test_small_reads_that_take_long_keep_nobody_waiting(reactor: Descriptors) -> None:
    def react(_protocol: Any, _data: bytes) -> None:
        taken.append(0)
        # The first one is quick.
        reactor.advance(0 if len(taken) == 1 else TURN)

    taken: list[int] = []
    with ExitStack() as stack:
        crowd = [stack.enter_context(watched(reactor, react)) for _ in range(30)]
        for each in crowd:
            each.peer.send(b"x")
        reactor.turn()
        assert len(taken) == 1 + module._CREDIT // (module._READ_COST + 1) + 1
        taken.append(0)
        before = len(taken)
        reactor.turn()
        assert len(taken) - before == 1


def test_a_large_read_is_not_charged_what_others_took(reactor: Descriptors) -> None:
    order: list[str] = []

    def react(protocol: Any, _data: bytes) -> None:
        order.append(protocol.name)
        if protocol.name == "slow":
            reactor.advance(TURN / 2)

    names = ("quick", "slow", "large")
    with ExitStack() as stack:
        crowd = [stack.enter_context(watched(reactor, react)) for _ in names]
        for name, each in zip(names, crowd, strict=True):
            each.protocol.name = name
            each.peer.send(b"x" * 5000 if name == "large" else b"x")
        poller: Any = poller_of(reactor)
        poller._rest = lambda _count: None
        reactor.turn()
        assert order == list(names)
        assert crowd[2].transport.fileno() not in poller._taken


def test_one_look_is_enough_where_little_comes(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    class Counted:
        looks = 0

        def __init__(self, epoll: Any) -> None:
            self._epoll = epoll

        def poll(self, *arguments: Any) -> Any:
            self.looks += 1
            return self._epoll.poll(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._epoll, name)

    poller: Any = poller_of(reactor)
    poller._epoll = counted = Counted(poller._epoll)
    first, second, _ = connections

    def looks(*pairs: Pair) -> int:
        before = counted.looks
        for each in pairs:
            each.peer.send(b"a")
        reactor.turn()
        return counted.looks - before

    # It looks again, as it does not know yet; and when more has come than one.
    assert looks(first) == 2
    assert looks(first) == 1
    assert looks(first) == 1
    assert looks(first, second) == 2
    assert looks(first) == 2
    assert looks(second) == 1
    assert [len(each.protocol.data) for each in connections] == [5, 2, 0]


def test_what_was_taken_long_ago_counts_for_less(reactor: Descriptors) -> None:
    with flooding(reactor, 2, TURN) as [first, second]:
        first.transport.pauseProducing()
        for _ in range(10_000):
            reactor.turn()
        first.transport.resumeProducing()
        before = len(second.protocol.data)
        for _ in range(1_000):
            reactor.turn()
        # It does not get at once all that it has not asked for.
        assert len(second.protocol.data) - before > 250
