"""Receiving requests: each is refused, handed to its session, or opens a new one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from txengineio.errors import RequestRejected, advice_in
from txengineio.protocol.query import SessionQuery, polling_sid
from txengineio.server.handshake_request import client_address
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.registry import SessionRegistry
from txengineio.server.requests.checks import ConnectionErrorEvent, check_request
from txengineio.server.requests.handshakes import Handshakes
from txengineio.server.requests.hook_timeout import (
    HOOK_TIMEOUT,
    RequestGone,
    TookTooLong,
)
from txengineio.server.requests.middleware import Middleware, run_middlewares
from txengineio.server.requests.session_limits import LimitExceeded
from txengineio.server.requests.uploads import Uploads
from txengineio.server.session import IEngine, Session
from txengineio.server.transports.opening import BadOpening
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.web.request import EngineIORequest
from txengineio.server.web.responses import refuse, respond, respond_nothing

__all__ = ["Dispatcher"]

_INTERNAL_ERROR: Final = 500
_UNAVAILABLE: Final = 503

_MAX_PATH: Final = 100
"""Characters of a path that the log shows."""


class Dispatcher:
    """Receives the requests of one engine.

    Args:
        engine: The engine.
        registry: Its sessions.
        arrivals: Opens new ones.

    Attributes:
        middlewares: What sees each request first.
        uploads: The POSTs that arrive.
    """

    _log = Logger()

    def __init__(
        self, engine: IEngine, registry: SessionRegistry, arrivals: Handshakes
    ) -> None:
        self.middlewares: list[Middleware] = []
        self.uploads = Uploads(engine.options, registry)
        self._engine = engine
        self._registry = registry
        self._handshakes = arrivals
        self._proxies = TrustedProxies(engine.options.trusted_proxies)

    def receive(self, request: Request) -> None:
        """Answer a request, or see to it that it will be answered."""
        if not self.middlewares:
            self._serve(request)
            return
        if (
            isinstance(request, EngineIORequest)
            and request.received_by is not None
            and request.method == b"POST"
        ):
            # It has come whole, and so nobody has told of its body: it is here now,
            # whatever overtakes it while the middlewares take their time.
            status = self.uploads.begun(request)
            if status:
                respond_nothing(request, status)
                return
        try:
            outcome = run_middlewares(self.middlewares, request, self._engine.clock)
        except BaseException:
            self.uploads.answered(request)
            self._failed(Failure(), request)
            return
        if isinstance(outcome, bool):
            self._go_on(request, outcome)
        else:
            waiting = Deferred.fromCoroutine(self._wait_for(outcome, request))
            waiting.addErrback(self._failed, request)

    async def _wait_for(
        self, outcome: Coroutine[Any, Any, bool], request: Request
    ) -> None:
        try:
            is_served = await outcome
        except BaseException:
            self.uploads.answered(request)
            raise
        self._go_on(request, is_served)

    def _go_on(self, request: Request, is_served: bool) -> None:
        if is_served:
            self._serve(request)
        else:
            self.uploads.answered(request)

    def _serve(self, request: Request) -> None:
        try:
            polled = self._polled_by(request)
            if polled is not None:
                polled.handle(request)
                return
            query, session = self._check(request)
            if session is None:
                waiting = self._handshakes.admit(request, query)
            elif isinstance(session.transport, PollingTransport) and (
                query.transport == "polling"
            ):
                session.transport.handle(request)
                return
            else:
                waiting = self._handshakes.admit_websocket(request, query, session)
            if waiting is not None:
                waiting.addErrback(self._failed, request)
        except Exception:
            self._failed(Failure(), request)

    def _failed(self, failure: Failure, request: Request) -> None:
        """Answer a request that cannot be served: the one place where that is done."""
        error = failure.value
        if isinstance(error, RequestRejected):
            self._reject(request, error)
        elif isinstance(error, BadOpening):
            self._log.info(
                "WebSocket at {path} from {address} refused: {error}",
                error=error,
                **self._request_fields(request),
            )
            self._count(error.status)
            headers = {"Content-Type": "text/plain; charset=UTF-8", **error.headers}
            respond(request, error.status, headers, error.message.encode())
        elif isinstance(error, LimitExceeded):
            self._count(error.status)
            retry_after = {"Retry-After": str(error.retry_after)}
            respond(request, error.status, retry_after, b"")
        elif isinstance(error, TookTooLong):
            self._log.error(
                "{method} {path} from {address} refused: the application took more "
                "than {seconds:g} s to decide about it",
                seconds=HOOK_TIMEOUT,
                **self._request_fields(request),
            )
            respond_nothing(request, _UNAVAILABLE)
        elif isinstance(error, RequestGone):
            self._log.debug("a client left before its request was served")
        else:
            self._log.failure(
                "{method} {path} from {address} failed",
                failure=failure,
                **self._request_fields(request),
            )
            respond_nothing(request, _INTERNAL_ERROR)

    def _reject(self, request: Request, error: RequestRejected) -> None:
        self._log.info(
            "{method} {path} from {address} refused: {problem}{advice}",
            problem=str(error),
            code=error.code.value,
            advice=advice_in(error),
            **self._request_fields(request),
        )
        self._count(error.code.value)
        event = ConnectionErrorEvent.of(request, error)
        self._engine.emit("connection_error", event)
        refuse(request, error)

    def _request_fields(self, request: Request) -> dict[str, Any]:
        """Return what a line in the log says about a request.

        The query stays out of it: a session's id in it is a credential.
        """
        path = ascii(request.uri.partition(b"?")[0].decode("latin-1"))[1:-1]
        return {
            "method": ascii(request.method.decode("latin-1"))[1:-1],
            "path": path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}…",
            "address": client_address(request, self._proxies) or "a Unix socket",
        }

    def _count(self, code: int) -> None:
        if self._engine.statistics is not None:
            self._engine.statistics.rejections[code] += 1

    def _polled_by(self, request: Request) -> PollingTransport | None:
        """Return the transport of what nearly every poll and POST is.

        For all others, there is `check_request`, which would let these in, too.
        """
        if not isinstance(request, EngineIORequest) or request.admitted is not None:
            return None
        fields = request.received_fields
        if fields is None or fields.upgrades:
            return None
        sid = polling_sid(request.uri.partition(b"?")[2])
        session = None if sid is None else self._registry.find(sid)
        if session is None or session.protocol_revision != 4:  # noqa: PLR2004
            return None
        transport = session.transport
        return transport if isinstance(transport, PollingTransport) else None

    def _check(self, request: Request) -> tuple[SessionQuery, Session | None]:
        """Check a request, unless that was done when its body began."""
        if isinstance(request, EngineIORequest) and request.admitted is not None:
            query, session = request.admitted
            if session is not None and (
                session.closed is None and session.transport.name == query.transport
            ):
                return query, session
        return check_request(request, self._engine.options, self._registry)
