"""Receiving requests: each is refused, handed to its session, or opens a new one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from txengineio.errors import Refusal, RequestRejected, advice_in
from txengineio.protocol.query import SessionQuery, parse_query, polling_sid
from txengineio.server.handshake_request import client_address
from txengineio.server.interfaces import Elsewhere
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.registry import SessionRegistry, mark_of
from txengineio.server.requests.checks import ConnectionErrorEvent, check_request
from txengineio.server.requests.handshakes import Handshakes
from txengineio.server.requests.middleware import Middleware, run_middlewares
from txengineio.server.requests.uploads import ArrivingRequest
from txengineio.server.session import IEngine, ITakesRequests, Session
from txengineio.server.transports.table import TRANSPORT_TABLE, taker_of
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["Dispatcher"]

_INTERNAL_ERROR: Final = 500

_MAX_PATH: Final = 100
"""Characters of a path that the log shows."""


class Dispatcher:
    """Receives the requests of one engine.

    Args:
        engine: The engine.
        registry: Its sessions.
        handshakes: Opens new ones.

    Attributes:
        middlewares: What sees each request first.
        elsewhere: Where to ask for sessions that are not here; None if there is only
            one process.
    """

    _log = Logger()

    def __init__(
        self, engine: IEngine, registry: SessionRegistry, handshakes: Handshakes
    ) -> None:
        self.middlewares: list[Middleware] = []
        self.elsewhere: Elsewhere | None = None
        self._engine = engine
        self._registry = registry
        self._handshakes = handshakes
        self._proxies = TrustedProxies(engine.options.trusted_proxies)
        node = engine.options.node_name
        self._own = None if node is None else mark_of(node)

    def receive(self, request: IncomingRequest) -> None:
        """Answer a request that is complete, now or later."""
        elsewhere = self.elsewhere
        if not self.middlewares:
            # The other nodes are asked only if the look-up finds nothing.
            self._serve(request, elsewhere)
        elif elsewhere is None or not self._is_elsewhere(request, elsewhere):
            self.serve_here(request)

    def serve_here(self, request: IncomingRequest) -> None:
        """Answer a request that no other node answers, now or later."""
        if not self.middlewares:
            self._serve(request)
        elif request.method == b"POST":
            # It counts as arrived: while the middlewares take their time, the next POST
            # must not overtake it unnoticed.
            arrival = self.begun(request)
            if arrival.refusal is not None:
                self._refuse(request, arrival.refusal)
            else:
                self._run_middlewares(request, arrival)
        else:
            self._run_middlewares(request, None)

    def begun(self, request: IncomingRequest) -> ArrivingRequest:
        """Take a request whose headers are complete, and whose body may not be."""
        posted_to = self._posted_to(request)
        return ArrivingRequest(request, posted_to, self._arrived, self._abandon)

    def _posted_to(self, request: IncomingRequest) -> ITakesRequests | None:
        """Return where a body goes; a request that must not get in goes nowhere.

        It is refused when it is complete; what it sends until then is bounded.
        """
        if request.method != b"POST":
            return None
        try:
            query, session = self._check(request)
        except Refusal:
            return None
        if session is None or (query is not None and _moves(query)):
            return None
        return taker_of(session)

    def _arrived(self, request: IncomingRequest, arrival: ArrivingRequest) -> None:
        elsewhere = self.elsewhere
        if arrival.refusal is not None:
            self._refuse(request, arrival.refusal)
        elif elsewhere is None or not self._is_elsewhere(request, elsewhere):
            if self.middlewares:
                self._run_middlewares(request, arrival)
            else:
                self._serve(request)

    def _run_middlewares(
        self, request: IncomingRequest, arrival: ArrivingRequest | None
    ) -> None:
        try:
            outcome = run_middlewares(self.middlewares, request, self._engine.clock)
        except BaseException:
            _answered(arrival)
            self._failed(Failure(), request)
            return
        if isinstance(outcome, bool):
            self._go_on(request, arrival, outcome)
        else:
            going_on = self._wait_for(outcome, request, arrival)
            Deferred.fromCoroutine(going_on).addErrback(self._failed, request)

    async def _wait_for(
        self,
        outcome: Coroutine[Any, Any, bool],
        request: IncomingRequest,
        arrival: ArrivingRequest | None,
    ) -> None:
        try:
            is_served = await outcome
        except BaseException:
            _answered(arrival)
            raise
        self._go_on(request, arrival, is_served)

    def _go_on(
        self,
        request: IncomingRequest,
        arrival: ArrivingRequest | None,
        is_served: bool,
    ) -> None:
        if is_served:
            self._serve(request)
        else:
            _answered(arrival)

    # --- which session ----------------------------------------------------------------

    def _check(
        self, request: IncomingRequest, elsewhere: Elsewhere | None = None
    ) -> tuple[SessionQuery | None, Session | None]:
        """Return what a request asks for, and its session: the one place for both.

        Args:
            request: The request.
            elsewhere: What is asked for a session that is not here, before the request
                is refused: to make a refusal takes longer than to forward it.

        Returns:
            No query for an ordinary poll or POST of a session whose transport is
            polling, which needs no further checks; and no session, either, if another
            node answers the request.

        Raises:
            RequestRejected: It must not get in.
        """
        query_string = request.uri.partition(b"?")[2]
        query = None
        sid = polling_sid(query_string) if request.is_plain else None
        if sid is None:
            query = parse_query(query_string, self._engine.options.transports)
            sid = query.sid
        session = None if sid is None else self._registry.find(sid)
        if (
            session is None
            and elsewhere is not None
            and sid is not None
            and elsewhere.answers(request, sid)
        ):
            return None, None
        if query is None:
            if (
                session is not None
                and session.transport.name == "polling"
                and session.protocol_revision == 4  # noqa: PLR2004
            ):
                return None, session
            query = parse_query(query_string, self._engine.options.transports)
        check_request(request, query, session, self._engine.options)
        return query, session

    def _is_elsewhere(self, request: IncomingRequest, elsewhere: Elsewhere) -> bool:
        """Whether another node answers a request, as its session is not here."""
        sid = self._sid_of_others(request)
        return sid is not None and elsewhere.answers(request, sid)

    def _abandon(self, request: IncomingRequest) -> bool:
        """Tell the node of its session that a POST will never be complete."""
        elsewhere = self.elsewhere
        if elsewhere is None or request.method != b"POST":
            return False
        sid = self._sid_of_others(request)
        return sid is not None and elsewhere.abandons(request, sid)

    def _sid_of_others(self, request: IncomingRequest) -> str | None:
        """Return the session that a request names, unless it is here."""
        uri = request.uri
        if self._own is not None and b"%" not in uri:
            # Nearly all name a session of this node, or none; whether there is such a
            # session is found out by the look-up.
            named = uri.count(b"sid=")
            if not named or (named == 1 and self._own in uri):
                return None
        query_string = uri.partition(b"?")[2]
        sid = polling_sid(query_string)
        if sid is None:
            try:
                sid = parse_query(query_string, self._engine.options.transports).sid
            except RequestRejected:
                return None
        if sid is None or self._registry.find(sid) is not None:
            return None
        return sid

    def _serve(
        self, request: IncomingRequest, elsewhere: Elsewhere | None = None
    ) -> None:
        try:
            query, session = self._check(request, elsewhere)
            if session is not None and (query is None or not _moves(query)):
                # As `taker_of`, without the call.
                transport: ITakesRequests = session.transport  # type: ignore[assignment]
                transport.handle(request)
                return
            if query is None:
                # Another node answers it.
                return
            if session is None:
                waiting = self._handshakes.admit(request, query)
            else:
                waiting = self._handshakes.admit_move(request, query, session)
            if waiting is not None:
                waiting.addErrback(self._failed, request)
        except Exception:
            self._failed(Failure(), request)

    # --- refusals ---------------------------------------------------------------------

    def _failed(self, failure: Failure, request: IncomingRequest) -> None:
        """Refuse a request that cannot be served, whatever the reason."""
        error = failure.value
        if isinstance(error, Refusal):
            self._refuse(request, error)
            return
        self._log.failure(
            "{method} {path} from {address} failed",
            failure=failure,
            **self._request_fields(request),
        )
        request.answer(_INTERNAL_ERROR)

    def _refuse(self, request: IncomingRequest, refusal: Refusal) -> None:
        """Answer a request with its refusal: the one place where that is done."""
        if refusal.severity:
            self._log.emit(
                LogLevel.levelWithName(refusal.severity),
                "{method} {path} from {address} refused: {problem}{advice}",
                problem=str(refusal),
                code=refusal.number,
                advice=advice_in(refusal),
                **self._request_fields(request),
            )
        if refusal.is_counted and self._engine.statistics is not None:
            self._engine.statistics.rejections[refusal.number] += 1
        if isinstance(refusal, RequestRejected):
            event = ConnectionErrorEvent.of(request.for_application, refusal)
            self._engine.emit("connection_error", event)
        if refusal.closes_connection:
            request.refuse_and_close(refusal.status)
        else:
            request.answer(refusal.status, refusal.headers, refusal.body)
        refusal.answered()

    def _request_fields(self, request: IncomingRequest) -> dict[str, Any]:
        """Return what a line in the log says about a request.

        The query stays out of it: a session's id in it is a credential.
        """
        path = ascii(request.uri.partition(b"?")[0].decode("latin-1"))[1:-1]
        return {
            "method": ascii(request.method.decode("latin-1"))[1:-1],
            "path": path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}…",
            "address": client_address(request, self._proxies) or "a Unix socket",
        }


def _moves(query: SessionQuery) -> bool:
    """Whether a request that names a session is for moving it."""
    return TRANSPORT_TABLE[query.transport].move is not None


def _answered(arrival: ArrivingRequest | None) -> None:
    if arrival is not None:
        arrival.answered()
