"""A wait before the reactor runs."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from typing_extensions import override

from txengineio.errors import JoinFailed
from txengineio.twistd.turning import Stopped, can_turn, turn_last, turn_until


class Threads:
    """A pool of threads that says what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")


class Turning(Clock):
    """A reactor that does not run, and turns."""

    running = False

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads()
        self.later: list[Any] = []

    def getThreadPool(self) -> Threads:  # noqa: N802
        return self.threads

    def callFromThread(self, *call: Any) -> None:  # noqa: N802
        self.later.append(call)

    def iterate(self, delay: float) -> None:
        self.advance(delay)
        later, self.later = self.later, []
        for function, *arguments in later:
            function(*arguments)


class Running(Turning):
    running = True


class Refusing(Turning):
    @override
    def iterate(self, delay: float) -> None:
        raise AssertionError


def test_a_reactor_that_runs_needs_no_turns() -> None:
    assert can_turn(Turning())
    assert not can_turn(Running())
    # Those of tests do not turn.
    assert not can_turn(Clock())
    assert not can_turn(MemoryReactorClock())


def test_it_turns_until_it_is_done() -> None:
    reactor = Turning()
    done: Deferred[None] = Deferred()
    reactor.callLater(1, done.callback, None)
    turn_until(reactor, done)
    assert 1 <= reactor.seconds() < 1.2
    assert reactor.threads.told == ["start"]


def test_it_does_not_turn_if_all_is_done() -> None:
    turn_until(Refusing(), succeed(None))


def test_a_failure_leaves_no_thread_behind() -> None:
    reactor = Turning()
    with pytest.raises(JoinFailed, match="no server"):
        turn_until(reactor, fail(JoinFailed("no server")))
    assert reactor.threads.told == ["start", "stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(number: signal.Signals) -> None:
    reactor = Turning()
    before = signal.getsignal(number)
    cancelled: list[object] = []
    done: Deferred[None] = Deferred(cancelled.append)
    reactor.callLater(1, signal.raise_signal, number)
    with pytest.raises(Stopped, match=number.name):
        turn_until(reactor, done)
    assert cancelled == [done]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("is_stopped", [False, True])
def test_who_turns_for_the_last_time_leaves_no_thread_behind(is_stopped: bool) -> None:
    reactor = Turning()
    turn_until(reactor, succeed(None))
    done: Deferred[None] = Deferred()
    if is_stopped:
        reactor.callLater(1, signal.raise_signal, signal.SIGTERM)
    else:
        reactor.callLater(1, done.callback, None)
    turn_last(reactor, done)
    assert 1 <= reactor.seconds() < 1.2
    assert done.called
    assert reactor.threads.told[-1] == "stop"
