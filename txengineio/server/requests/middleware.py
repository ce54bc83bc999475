"""Middlewares, which see every request before anything else does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from txengineio.server.options.cors import CorsOptions, check_origin
from txengineio.server.requests.checks import bad_request
from txengineio.server.requests.cors import (
    Headers,
    cors_headers,
    preflight_headers,
)
from txengineio.server.requests.hook_timeout import (
    RequestGone,
    TookTooLong,
    within_hook_timeout,
)
from txengineio.server.web.foreign_request import incoming
from txengineio.server.web.headers import add_vary
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.callbacks import as_deferred

__all__ = ["CorsMiddleware", "Middleware", "run_middlewares"]

_log = Logger()

Middleware = Callable[[Any], object]
"""Called with a request; may return a Deferred or be a coroutine function."""


def run_middlewares(
    middlewares: Iterable[Middleware], request: IncomingRequest, clock: IReactorTime
) -> bool | Coroutine[Any, Any, bool]:
    """Let middlewares see a request, one after the other.

    Returns:
        Whether the request is still to be served; if not, it was answered. If one of
        them takes its time, a coroutine that returns that, and raises as this does.

    Raises:
        RequestRejected: One of them failed.
        TookTooLong: One of them takes too long.
        RequestGone: The client has gone away meanwhile.
    """
    rest = iter(tuple(middlewares))
    for middleware in rest:
        try:
            waiting = as_deferred(middleware(request.for_application))
        except Exception as error:
            _failed(error, request)
        else:
            if waiting is not None:
                return _run_later(waiting, rest, request, clock)
        if _is_answered(request):
            return False
    return True


async def _run_later(
    waiting: Deferred[Any],
    rest: Iterator[Middleware],
    request: IncomingRequest,
    clock: IReactorTime,
) -> bool:
    """Go on when one of the middlewares is done."""
    try:
        await within_hook_timeout(waiting, request, clock)
    except Exception as error:
        _failed(error, request)
    if _is_answered(request):
        return False
    outcome = run_middlewares(rest, request, clock)
    return outcome if isinstance(outcome, bool) else await outcome


def _is_answered(request: IncomingRequest) -> bool:
    return request.is_gone or request.is_begun


def _failed(error: Exception, request: IncomingRequest) -> None:
    """Finish a request whose middleware has failed."""
    is_late = isinstance(error, (RequestGone, TookTooLong))
    if not is_late:
        _log.failure("a middleware failed", failure=Failure(error))
    if not _end_what_was_begun(request):
        raise error if is_late else bad_request("MIDDLEWARE_FAILURE") from error


def _end_what_was_begun(request: IncomingRequest) -> bool:
    """Whether an answer was begun already; complete it, there cannot be a second."""
    if not request.is_begun:
        return False
    if not request.is_gone:
        request.end()
    return True


class CorsMiddleware:
    """Adds the headers to each answer, and answers preflights.

    Args:
        options: The options, or a callable that returns them for a request: all that
            `CorsOptions.of` takes, a Deferred of it or a coroutine.
    """

    def __init__(self, options: CorsOptions | Callable[[Request], Any]) -> None:
        self._options = options

    def __call__(self, request: Request) -> Coroutine[Any, Any, None] | None:
        """Do it for one request."""
        options = self._options
        if not isinstance(options, CorsOptions):
            return self._choose(request, options)
        if callable(options.origin):
            return self._choose_rule(request, options)
        self._apply(request, options, options.origin)
        return None

    async def _choose(self, request: Request, choose: Callable[[Request], Any]) -> None:
        options = CorsOptions.of(await _result(choose(request)))
        if options is not None:
            await self._choose_rule(request, options)

    async def _choose_rule(self, request: Request, options: CorsOptions) -> None:
        rule = options.origin
        if callable(rule):
            rule = check_origin(await _result(rule(_header(request, "Origin"))))
        self._apply(request, options, rule)

    def _apply(self, request: Request, options: CorsOptions, rule: Any) -> None:
        # An empty sequence is a rule, too: it allows nobody.
        if rule is None or rule is False or rule == "":
            return
        origin = _header(request, "Origin")
        if request.method != b"OPTIONS":
            _set_headers(request, cors_headers(options, rule, origin))
            return
        requested = _header(request, "Access-Control-Request-Headers")
        _set_headers(request, preflight_headers(options, rule, origin, requested))
        if not options.preflight_continue:
            incoming(request).answer(options.options_success_status)


async def _result(answer: Any) -> Any:
    # The code that runs the middleware decides how long it may take.
    waiting = as_deferred(answer)
    return answer if waiting is None else await waiting


def _header(request: Request, name: str) -> str | None:
    values = incoming(request).header_values(name.encode("ascii"))
    return values[-1].decode("latin-1") if values else None


def _set_headers(request: Request, headers: Headers) -> None:
    for name, value in headers:
        if name == "Vary":
            add_vary(request.responseHeaders, value)
        else:
            request.responseHeaders.setRawHeaders(name, [value])
