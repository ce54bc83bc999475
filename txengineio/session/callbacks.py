"""Calling the application's code: an exception in it never reaches the caller."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["as_deferred", "call_guarded", "guard", "log_exception"]

_log = Logger()


def as_deferred(result: Any) -> Deferred[Any] | None:
    """Return a callback's result as a Deferred to wait for, or None if it is done."""
    if isinstance(result, Deferred):
        return result
    if iscoroutine(result):
        return Deferred.fromCoroutine(result)
    return None


def guard(result: Any) -> Deferred[None] | None:
    """Log the failure of what a callback returned.

    Args:
        result: A Deferred, a coroutine, or anything else, which counts as done.

    Returns:
        None if nothing has to be waited for; else a Deferred that fires, and never
        fails, once the callback is done.
    """
    deferred = as_deferred(result)
    if deferred is None:
        return None
    deferred.addCallbacks(_discard, _log_failure)
    # Done already, as most coroutines are: there is nothing to wait for.
    return None if deferred.called and deferred.result is None else deferred


def call_guarded(
    callback: Callable[..., Any], *arguments: object
) -> Deferred[None] | None:
    """Call ``callback``; log its exception, or the failure of what it returned.

    Returns:
        As `guard`.
    """
    try:
        result = callback(*arguments)
    except Exception:
        log_exception(callback)
        return None
    return None if result is None else guard(result)


def log_exception(callback: Callable[..., Any]) -> None:
    """Log the exception that is being handled, which a callback has raised."""
    _log.failure("exception in {callback}", callback=callback)


def _discard(_result: object) -> None:
    return None


def _log_failure(failure: Failure) -> None:
    _log.failure("a callback of the application failed", failure=failure)
