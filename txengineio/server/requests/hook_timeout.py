"""Waiting for the application's say about a request, but not forever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from txengineio.server.web.responses import is_gone
from txengineio.session.callbacks import as_deferred

__all__ = ["HOOK_TIMEOUT", "RequestGone", "TookTooLong", "ask", "within_hook_timeout"]

HOOK_TIMEOUT: Final = 30.0
"""Seconds that a middleware, ``allow_request`` or ``generate_id`` may take."""

_log = Logger()


class TookTooLong(Exception):
    """The application has not made up its mind within `HOOK_TIMEOUT`."""


class RequestGone(Exception):
    """The client has gone away: nobody waits for an answer."""


async def ask(
    hook: Callable[[Request], Any], request: Request, clock: IReactorTime
) -> Any:
    """Return what the application says about a request.

    Args:
        hook: Called with the request; may return a Deferred or a coroutine.
        request: The request; it waits.
        clock: Where time comes from.

    Raises:
        TookTooLong: There is no answer in time.
        RequestGone: The client does not wait so long.
    """
    answer = hook(request)
    waiting = as_deferred(answer)
    if waiting is None:
        return answer
    return await within_hook_timeout(waiting, request, clock)


def within_hook_timeout(
    waiting: Deferred[Any], request: Request, clock: IReactorTime
) -> Deferred[Any]:
    """Return a Deferred that fires as another one does, but fails as `ask` does."""
    is_done = waiting.called and not waiting.paused
    return waiting if is_done else _while_patient(waiting, request, clock)


def _while_patient(
    waiting: Deferred[Any], request: Request, clock: IReactorTime
) -> Deferred[Any]:
    # Not the Deferred itself: the application may ignore that it is cancelled.
    outcome: Deferred[Any] = Deferred()

    def settle(result: Any) -> None:
        if not outcome.called:
            timeout.cancel()
            outcome.callback(result)
        elif isinstance(result, Failure) and not result.check(CancelledError):
            _log.failure("failed after nobody waited any more", failure=result)

    def give_up(reason: Exception) -> None:
        if not outcome.called:
            if timeout.active():
                timeout.cancel()
            outcome.errback(reason)
            waiting.cancel()

    timeout = clock.callLater(HOOK_TIMEOUT, give_up, TookTooLong())
    waiting.addBoth(settle)
    if not is_gone(request):
        gone = request.notifyFinish()
        gone.addErrback(lambda _failure: give_up(RequestGone()))
    return outcome
