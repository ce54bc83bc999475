"""Waiting for the application's say: as long as a client does, and not forever."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.test.requesthelper import DummyChannel, DummyRequest
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from txengineio.server.requests.hook_timeout import (
    HOOK_TIMEOUT,
    RequestGone,
    TookTooLong,
    ask,
)
from txengineio.server.web.foreign_request import incoming


def waiting_request() -> Any:
    request: Any = DummyRequest([b""])
    request.channel = DummyChannel()
    request.finished = 0
    request.uri = b"/"
    return request


def result_of(hook: Any, clock: Clock, request: Any = None) -> list[object]:
    """Ask, and return the list in which the result, or the failure, will be."""
    results: list[object] = []
    waiting = incoming(request or waiting_request())
    asking = Deferred.fromCoroutine(ask(hook, waiting, clock))
    asking.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


@pytest.mark.parametrize("answer", ["yes", None, succeed("yes")])
def test_an_answer_that_is_there_needs_no_patience(answer: object) -> None:
    clock = Clock()
    expected = "yes" if answer is not None else None
    assert result_of(lambda _: answer, clock) == [expected]
    assert clock.getDelayedCalls() == []


def test_an_exception_is_the_askers() -> None:
    def hook(_request: object) -> None:
        raise ZeroDivisionError

    (error,) = result_of(hook, Clock())
    assert isinstance(error, ZeroDivisionError)
    (error,) = result_of(lambda _: fail(KeyError()), Clock())
    assert isinstance(error, KeyError)


@pytest.mark.parametrize("failing", [False, True])
def test_an_answer_may_come_later(failing: bool) -> None:
    clock = Clock()
    answer: Deferred[str] = Deferred()
    results = result_of(lambda _: answer, clock)
    clock.advance(HOOK_TIMEOUT - 1)
    assert results == []
    error = ZeroDivisionError()
    answer.callback("yes") if not failing else answer.errback(Failure(error))
    assert results == [error if failing else "yes"]
    assert clock.getDelayedCalls() == []


def test_a_coroutine_is_waited_for() -> None:
    answer: Deferred[str] = Deferred()

    async def hook(_request: object) -> str:
        return await answer

    results = result_of(hook, Clock())
    answer.callback("yes")
    assert results == ["yes"]


def test_patience_ends() -> None:
    clock = Clock()
    cancelled: list[object] = []
    results = result_of(lambda _: Deferred(cancelled.append), clock)
    clock.advance(HOOK_TIMEOUT)
    (error,) = results
    assert isinstance(error, TookTooLong)
    assert len(cancelled) == 1
    assert clock.getDelayedCalls() == []


def test_so_it_does_when_the_client_goes() -> None:
    clock = Clock()
    request = waiting_request()
    results = result_of(lambda _: Deferred(), clock, request)
    request.processingFailed(Failure(ConnectionDone()))
    (error,) = results
    assert isinstance(error, RequestGone)
    assert clock.getDelayedCalls() == []


def test_a_client_that_goes_after_the_answer_changes_nothing() -> None:
    request = waiting_request()
    answer: Deferred[str] = Deferred()
    results = result_of(lambda _: answer, Clock(), request)
    answer.callback("yes")
    request.processingFailed(Failure(ConnectionDone()))
    assert results == ["yes"]


def test_a_request_that_was_answered_meanwhile_is_waited_for_by_time_only() -> None:
    clock = Clock()
    request = waiting_request()
    request.finished = 1
    results = result_of(lambda _: Deferred(), clock, request)
    clock.advance(HOOK_TIMEOUT)
    (error,) = results
    assert isinstance(error, TookTooLong)


@pytest.mark.parametrize("failing", [False, True])
def test_what_comes_too_late_is_dropped_but_a_failure_is_logged(
    failing: bool, flush_logged_errors: FlushLoggedErrors
) -> None:
    clock = Clock()
    # The application takes no notice of being cancelled.
    answer: Deferred[str] = Deferred(lambda _: None)
    results = result_of(lambda _: _Stubborn.around(answer), clock)
    clock.advance(HOOK_TIMEOUT)
    assert len(results) == 1
    answer.errback(ZeroDivisionError()) if failing else answer.callback("late")
    assert len(results) == 1
    assert len(flush_logged_errors(ZeroDivisionError)) == failing


class _Stubborn(Deferred[str]):
    """Cannot be cancelled."""

    @classmethod
    def around(cls, answer: Deferred[str]) -> Deferred[str]:
        stubborn = cls()
        answer.addCallbacks(stubborn.callback, stubborn.errback)
        return stubborn

    @override
    def cancel(self) -> None:
        pass
