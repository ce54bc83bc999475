"""Calling the application's code: what has to be waited for, and what is logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from tests.conftest import FlushLoggedErrors
from txengineio.session.callbacks import as_deferred, call_guarded, guard


async def finished() -> str:
    return "result"


async def failed() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("result", [None, "text", 0, [], finished])
def test_what_is_neither_deferred_nor_coroutine_is_done(result: object) -> None:
    assert as_deferred(result) is None
    assert guard(result) is None


def test_a_deferred_is_waited_for_as_it_is() -> None:
    deferred: Deferred[None] = Deferred()
    assert as_deferred(deferred) is deferred


@pytest.mark.parametrize("make", [lambda: succeed("result"), finished])
def test_what_is_done_already_need_not_be_waited_for(make: Callable[[], Any]) -> None:
    assert guard(make()) is None
    assert call_guarded(make) is None


@pytest.mark.parametrize("make", [lambda: fail(ZeroDivisionError()), failed])
def test_what_has_failed_already_is_logged_and_done(
    make: Callable[[], Any], flush_logged_errors: FlushLoggedErrors
) -> None:
    assert call_guarded(make) is None
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_what_is_not_done_is_waited_for_and_its_result_dropped() -> None:
    waiting: Deferred[str] = Deferred()
    results: list[object] = []
    guarded = guard(waiting)
    assert guarded is not None
    guarded.addCallback(results.append)
    assert results == []
    waiting.callback("result")
    assert results == [None]


def test_a_later_failure_is_logged_and_nobody_who_waits_sees_it(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    waiting: Deferred[str] = Deferred()
    results: list[object] = []

    async def callback(number: int) -> None:
        assert number == 3
        await waiting

    guarded = call_guarded(callback, 3)
    assert guarded is not None
    guarded.addBoth(results.append)
    waiting.errback(Failure(ZeroDivisionError()))
    assert results == [None]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_a_deferred_that_waits_for_another_is_waited_for() -> None:
    inner: Deferred[None] = Deferred()
    outer: Deferred[None] = succeed(None)
    outer.addCallback(lambda _: inner)
    guarded = guard(outer)
    assert guarded is not None
    results: list[object] = []
    guarded.addCallback(results.append)
    assert results == []
    inner.callback(None)
    assert results == [None]


def test_an_exception_is_logged_with_its_traceback(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def callback(argument: str) -> None:
        raise ZeroDivisionError(argument)

    assert call_guarded(callback, "why") is None
    (failure,) = flush_logged_errors(ZeroDivisionError)
    assert "why" in failure.getTraceback()
    assert "in callback" in failure.getTraceback()


def test_what_ends_the_process_is_not_caught() -> None:
    def callback() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_guarded(callback)
