"""What newcomers and the others say to each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from txengineio.cluster.forwarding.preface import MAX_WORDS, read_preface
from txengineio.cluster.interfaces import Load
from txengineio.cluster.machines.greetings import ANSWER_TIMEOUT, Greetings
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem
from txengineio.cluster.membership import Member


def member(name: str) -> Member:
    return Member(name, f"{name}.example:7000", Load(f"w{name}", len(name), True))


class One:
    """A node: what it knows, and whom it has met; it calls others by their names."""

    def __init__(self, town: dict[str, One], name: str, *known: str) -> None:
        self.own = member(name)
        self.known = [member(each) for each in known]
        self.met: list[Member] = []
        self.called: list[str] = []
        self.clock = Clock()
        self.says: bytes | None = None
        self.transports: list[StringTransport] = []
        self._town = town
        self.greetings = Greetings(
            lambda: self.known, self._link_to, self.met.append, self.clock
        )
        town[name] = self

    def greet(self) -> list[object]:
        outcome: list[object] = []
        self.greeting = Deferred.fromCoroutine(self.greetings.greet(self.own))
        self.greeting.addBoth(outcome.append)
        return outcome

    def _link_to(self, other: Member) -> Any:
        self.called.append(other.name)
        return _Link(self, self._town.get(other.name))


class _Link:
    def __init__(self, caller: One, called: One | None) -> None:
        self._caller = caller
        self._called = called

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        if self._called is None:
            return fail(LinkFailed(LinkProblem.REFUSED, ""))
        protocol: Any = factory.buildProtocol(cast(Any, None))
        transport = StringTransport()
        self._caller.transports.append(transport)
        protocol.makeConnection(transport)
        found = read_preface(transport.value())
        assert found is not None
        words, size, _ = found
        assert isinstance(words, str)
        assert size == 0
        answer = self._called.says
        if answer is None:
            answer = self._called.greetings.heard(words)
        for at in range(0, len(answer), 10):
            protocol.dataReceived(answer[at : at + 10])
        if answer == b"":
            protocol.connectionLost(Failure(ConnectionDone()))
        return succeed(protocol)


def names(members: Sequence[Member]) -> list[str]:
    return [each.name for each in members]


def test_newcomers_meet_whom_others_know_and_are_met_by_all() -> None:
    town: dict[str, One] = {}
    known, cut_off = One(town, "b", "a", "c"), One(town, "a", "b")
    newcomer = One(town, "c", "b")
    assert newcomer.greet() == [None]
    assert newcomer.called == ["b", "a"]
    assert newcomer.met == [cut_off.own]
    assert known.met == cut_off.met == [newcomer.own]
    assert all(each.disconnecting for each in newcomer.transports)
    assert newcomer.clock.getDelayedCalls() == []


def test_who_is_not_there_is_not_met() -> None:
    town: dict[str, One] = {}
    One(town, "b", "a")
    newcomer = One(town, "c", "b", "d")
    assert newcomer.greet() == [None]
    assert newcomer.called == ["b", "d", "a"]
    assert newcomer.met == []


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"nonsense\n",
        b"{}\n",
        b"[[]]\n",
        b'[["no name!", "a:1", "w", 0, false]]\n',
        b'[["a", "a:1", "w", "many", false]]\n',
    ],
)
def test_an_answer_that_makes_no_sense_is_none(says: bytes) -> None:
    town: dict[str, One] = {}
    One(town, "b").says = says
    newcomer = One(town, "c", "b")
    assert newcomer.greet() == [None]
    assert newcomer.met == []


@pytest.mark.parametrize("says", [b" " * (1 << 20) + b"[", b"[" * (1 << 20) + b"["])
def test_an_answer_without_an_end_is_none(says: bytes) -> None:
    town: dict[str, One] = {}
    One(town, "b").says = says
    newcomer = One(town, "c", "b")
    assert newcomer.greet() == [None]
    assert newcomer.transports[0].disconnecting


def test_who_does_not_answer_is_waited_for_only_so_long() -> None:
    town: dict[str, One] = {}
    One(town, "a", "d")
    One(town, "b").says = b"["
    One(town, "d")
    newcomer = One(town, "c", "a", "b")
    outcome = newcomer.greet()
    newcomer.clock.advance(ANSWER_TIMEOUT - 0.1)
    assert outcome == []
    newcomer.clock.advance(0.1)
    assert outcome == [None]
    assert names(newcomer.met) == ["d"]
    assert newcomer.clock.getDelayedCalls() == []


def test_who_leaves_does_not_wait() -> None:
    town: dict[str, One] = {}
    One(town, "b").says = b"["
    newcomer = One(town, "c", "b")
    outcome = newcomer.greet()
    newcomer.greeting.cancel()
    assert outcome == [None]
    assert newcomer.clock.getDelayedCalls() == []


def test_so_many_may_be_known() -> None:
    town: dict[str, One] = {}
    many = [f"node{number:05}" for number in range(MAX_WORDS // 10)]
    one = One(town, "b", *many)
    newcomer = One(town, "c", "b", *many)
    assert newcomer.greet() == [None]
    assert one.met == [newcomer.own]
    assert newcomer.met == []


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "{}",
        '{"here": 1, "knows": []}',
        json.dumps({"here": ["a", "a:1", "w", 0, False]}),
    ],
)
def test_a_greeting_that_makes_no_sense_is_told(said: str) -> None:
    one = One({}, "b")
    with pytest.raises(ValueError):  # noqa: PT011 - by whoever says it
        one.greetings.heard(said)
    assert one.met == []
