"""Waiting for the application's decision about a request, but not forever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from txengineio.errors import Refusal
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.callbacks import as_deferred

__all__ = ["HOOK_TIMEOUT", "RequestGone", "TookTooLong", "ask", "within_hook_timeout"]

HOOK_TIMEOUT: Final = 30.0
"""Seconds that a middleware, ``allow_request`` or ``generate_id`` may take."""

_UNAVAILABLE: Final = 503

_log = Logger()


class TookTooLong(Refusal):
    """The application has not decided within `HOOK_TIMEOUT`."""

    severity = "error"
    is_counted = False

    def __init__(self) -> None:
        super().__init__(
            f"the application took more than {HOOK_TIMEOUT:g} s to decide about it",
            status=_UNAVAILABLE,
        )


class RequestGone(Refusal):
    """The client has gone away: an answer is no longer needed."""

    severity = "debug"
    is_counted = False

    def __init__(self) -> None:
        super().__init__("the client left before it was served", status=_UNAVAILABLE)


async def ask(
    hook: Callable[[Request], Any], request: IncomingRequest, clock: IReactorTime
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
    answer = hook(request.for_application)
    waiting = as_deferred(answer)
    if waiting is None:
        return answer
    return await within_hook_timeout(waiting, request, clock)


def within_hook_timeout(
    waiting: Deferred[Any], request: IncomingRequest, clock: IReactorTime
) -> Deferred[Any]:
    """Return a Deferred that fires as another one does, but fails as `ask` does."""
    is_done = waiting.called and not waiting.paused
    return waiting if is_done else _while_patient(waiting, request, clock)


def _while_patient(
    waiting: Deferred[Any], request: IncomingRequest, clock: IReactorTime
) -> Deferred[Any]:
    # Not the Deferred itself: the application may ignore that it is cancelled.
    outcome: Deferred[Any] = Deferred()

    def settle(result: Any) -> None:
        if not outcome.called:
            timeout.cancel()
            outcome.callback(result)
        elif isinstance(result, Failure) and not result.check(CancelledError):
            _log.failure(
                "a hook of the application failed after its request was answered",
                failure=result,
            )

    def give_up(reason: Exception) -> None:
        if not outcome.called:
            if timeout.active():
                timeout.cancel()
            outcome.errback(reason)
            waiting.cancel()

    timeout = clock.callLater(HOOK_TIMEOUT, give_up, TookTooLong())
    waiting.addBoth(settle)
    if not request.is_gone:
        request.on_lost(lambda _request: give_up(RequestGone()))
    return outcome
