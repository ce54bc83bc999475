"""Unknown nodes are asked for, but not for everybody who makes up a name."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from txengineio.cluster.machines import lookups
from txengineio.cluster.machines.lookups import MAX_A_SECOND, MISSED_FOR, LookUps


class Asked:
    """A membership that answers when it is told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.waiting: dict[str, Deferred[bool]] = {}
        self.names: list[str] = []
        self.done: list[str] = []
        self.lookups = LookUps(self._look_up, self.clock)

    def _look_up(self, name: str) -> Deferred[bool]:
        self.names.append(name)
        self.waiting[name] = Deferred()
        return self.waiting[name]

    def ask(self, name: str, caller: str = "") -> bool:
        return self.lookups.ask(name, lambda: self.done.append(caller or name))

    def answer(self, name: str, found: bool) -> None:
        self.waiting.pop(name).callback(found)


def test_those_who_ask_for_the_same_node_wait_together() -> None:
    asked = Asked()
    assert asked.ask("n1", "first")
    assert asked.ask("n1", "second")
    assert asked.names == ["n1"]
    assert asked.done == []
    asked.answer("n1", True)
    assert asked.done == ["first", "second"]
    # It may be unknown again.
    assert asked.ask("n1")


def test_a_node_that_was_not_found_is_unknown_for_a_while() -> None:
    asked = Asked()
    assert asked.ask("n1")
    asked.answer("n1", False)
    assert asked.done == ["n1"]
    asked.clock.advance(MISSED_FOR - 0.1)
    assert not asked.ask("n1")
    asked.clock.advance(0.2)
    assert asked.ask("n1")
    assert asked.names == ["n1", "n1"]


def test_a_failure_is_an_answer() -> None:
    asked = Asked()
    assert asked.ask("n1")
    asked.waiting.pop("n1").errback(RuntimeError())
    assert asked.done == ["n1"]
    assert not asked.ask("n1")


def test_names_are_asked_for_no_faster_than_that() -> None:
    asked = Asked()
    asked.clock.advance(10)
    taken = [asked.ask(f"n{number}") for number in range(MAX_A_SECOND + 10)]
    assert taken == [True] * MAX_A_SECOND + [False] * 10
    asked.clock.advance(1)
    assert asked.ask("another")
    for name in list(asked.waiting):
        asked.answer(name, False)
    assert len(asked.lookups._missed) == MAX_A_SECOND + 1
    asked.clock.advance(MISSED_FOR)
    assert asked.ask("one more")
    assert asked.lookups._missed == {}


def test_a_clock_that_goes_back_holds_nothing_up() -> None:
    asked = Asked()
    asked.clock.advance(10_000)
    for number in range(MAX_A_SECOND + 1):
        asked.ask(f"n{number}")
    asked.answer("n1", False)
    asked.clock.rightNow -= 3600
    assert asked.ask("n1")
    assert asked.ask("another")


def test_a_bounded_number_waits() -> None:
    asked = Asked()
    taken = [asked.ask("n1") for _ in range(lookups.MAX_WAITING + 1)]
    assert taken.count(False) == 1
    asked.answer("n1", True)
    assert asked.ask("n1")


def test_one_that_is_answered_at_once_may_be_asked_again() -> None:
    clock = Clock()
    done: list[int] = []
    answered: Deferred[bool] = Deferred()
    answered.callback(True)
    each = LookUps(lambda _: answered, clock)
    assert each.ask("n1", lambda: done.append(1))
    assert done == [1]
