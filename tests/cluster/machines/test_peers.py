"""Nodes that are no members are asked whether they are there, if there are any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from txengineio.cluster.machines.peers import CHECK_INTERVAL, LivenessChecks


class Checked:
    """Nodes that answer when they are told to."""

    def __init__(self, *names: str) -> None:
        self.clock = Clock()
        self.asked: list[tuple[str, Deferred[bool]]] = []
        self.lost: list[str] = []
        self.unlisted = [self._node(name) for name in names]
        listed = self.unlisted.copy
        self.checks = LivenessChecks(listed, self._lose, self.clock)

    def _node(self, name: str) -> Any:
        def reaches() -> Deferred[bool]:
            answer: Deferred[bool] = Deferred()
            self.asked.append((name, answer))
            return answer

        return SimpleNamespace(name=name, forwarder=SimpleNamespace(reaches=reaches))

    def _lose(self, peer: object) -> None:
        self.lost.append(cast(Any, peer).name)
        self.unlisted.remove(peer)

    def answer(self, **reaches: bool) -> None:
        asked, self.asked = self.asked, []
        assert {name for name, _ in asked} == reaches.keys()
        for name, answer in asked:
            answer.callback(reaches[name])


def test_who_does_not_answer_is_lost_and_the_others_are_asked_again() -> None:
    checked = Checked("n1", "n2")
    checked.checks.start()
    checked.checks.start()
    checked.clock.advance(CHECK_INTERVAL - 0.1)
    assert checked.asked == []
    checked.clock.advance(0.1)
    checked.answer(n1=True, n2=False)
    assert checked.lost == ["n2"]
    checked.clock.advance(CHECK_INTERVAL)
    checked.answer(n1=False)
    assert checked.lost == ["n2", "n1"]
    # Nobody is left to be asked.
    checked.clock.advance(CHECK_INTERVAL)
    assert checked.asked == []
    assert checked.clock.getDelayedCalls() == []


def test_who_is_a_member_by_then_is_not_asked() -> None:
    checked = Checked("n1")
    checked.checks.start()
    checked.unlisted.clear()
    checked.clock.advance(CHECK_INTERVAL)
    assert checked.asked == []
    assert checked.clock.getDelayedCalls() == []


def test_nobody_is_asked_any_more_at_the_end() -> None:
    checked = Checked("n1")
    checked.checks.stop()
    checked.checks.start()
    checked.checks.stop()
    assert checked.clock.getDelayedCalls() == []
