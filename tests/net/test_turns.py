"""Whose turn it is."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.task import Clock

from tests.conftest import FlushLoggedErrors
from txengineio.net.turns import SHARE, TURN, turns_of


def test_a_reactor_has_one_queue() -> None:
    clock = Clock()
    turns = turns_of(clock)
    assert turns_of(clock) is turns
    assert turns_of(Clock()) is not turns


def test_a_share_is_over_after_its_time_or_when_the_clock_was_set_back() -> None:
    clock = Clock()
    turns = turns_of(clock)
    clock.advance(10)
    began = turns.seconds()
    assert not turns.is_over(began)
    clock.advance(SHARE / 2)
    assert not turns.is_over(began)
    clock.advance(SHARE)
    assert turns.is_over(began)
    assert turns.is_over(clock.seconds() + 1)


def test_those_that_wait_go_on_in_order_and_never_at_once() -> None:
    clock = Clock()
    turns = turns_of(clock)
    called: list[int] = []
    for number in range(3):
        turns.wait(partial(called.append, number))
    assert called == []
    clock.advance(0)
    assert called == [0, 1, 2]
    assert clock.getDelayedCalls() == []


def test_the_reactor_has_its_turn_between() -> None:
    clock = Clock()
    turns = turns_of(clock)
    called: list[str] = []

    def work(name: str) -> None:
        called.append(name)
        # Not `advance`, which would call what is due in the middle of this.
        clock.rightNow += TURN / 2
        # It always has more to do.
        turns.wait(partial(work, name))

    for name in "abc":
        turns.wait(partial(work, name))
    [call] = clock.getDelayedCalls()
    go_on: Any = call
    go_on.func()
    assert called == ["a", "b"]


def test_who_fails_does_no_harm_to_others(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    clock = Clock()
    turns = turns_of(clock)
    called: list[int] = []
    turns.wait(partial([].pop))
    turns.wait(partial(called.append, 1))
    clock.advance(0)
    assert called == [1]
    assert len(flush_logged_errors(IndexError)) == 1


def test_one_that_waits_again_waits_until_the_next_turn() -> None:
    clock = Clock()
    turns = turns_of(clock)
    called: list[int] = []

    def again() -> None:
        called.append(1)
        turns.wait(again)

    turns.wait(again)
    for times in range(1, 5):
        # A turn of a reactor; `advance` would go on for ever.
        [call] = clock.getDelayedCalls()
        go_on: Any = call
        function = go_on.func
        call.cancel()
        function()
        assert len(called) == times
