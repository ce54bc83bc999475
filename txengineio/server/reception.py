"""Receiving requests: each is refused, handed to its session, or opens a new one."""

from __future__ import annotations

from typing import Final, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from txengineio.advice import advice_on
from txengineio.application import EngineIOProtocol
from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import codec_for
from txengineio.server.admission import (
    ConnectionErrorEvent,
    bad_request,
    check_request,
    check_revision,
)
from txengineio.server.answering import let_change
from txengineio.server.crowd import Crowd, Crowded, Place
from txengineio.server.deflate import Deflate, negotiate_deflate
from txengineio.server.headers import headers_so_far
from txengineio.server.hooks import ask_for_permission, choose_sid
from txengineio.server.http import EngineIORequest
from txengineio.server.interfaces import IEngine
from txengineio.server.jsonp import polling_transport
from txengineio.server.middleware import Middleware, run_middlewares
from txengineio.server.newcomers import Newcomers
from txengineio.server.opening import BadOpening, OpeningRequest
from txengineio.server.origins import OriginCheck
from txengineio.server.patience import RequestGone, TookTooLong
from txengineio.server.polling import PollingTransport
from txengineio.server.proxies import TrustedProxies
from txengineio.server.registry import SessionRegistry, new_sid
from txengineio.server.request import HandshakeRequest, client_address
from txengineio.server.responses import is_gone, refuse, respond, respond_nothing
from txengineio.server.session import Session
from txengineio.server.takeover import can_take_over, take_over
from txengineio.server.upgrade import UpgradeAttempt
from txengineio.server.uploads import Uploads
from txengineio.server.websocket import EngineWebSocketFactory, EngineWebSocketProtocol
from txengineio.session.interfaces import IPacketTransport

__all__ = ["Reception"]

_Opening: TypeAlias = tuple[OpeningRequest, Deflate | None]

_INTERNAL_ERROR: Final = 500
_UNAVAILABLE: Final = 503


class Reception:
    """Receives the requests of one engine.

    Args:
        engine: The engine.
        registry: Its sessions.
        websockets: Builds its WebSockets.

    Attributes:
        is_open: Whether new sessions are let in.
        middlewares: What sees each request first.
        uploads: The POSTs that arrive.
    """

    _log = Logger()

    def __init__(
        self,
        engine: IEngine,
        registry: SessionRegistry,
        websockets: EngineWebSocketFactory,
    ) -> None:
        self.is_open = True
        self.middlewares: list[Middleware] = []
        self.uploads = Uploads(engine.options, registry)
        self._engine = engine
        self._registry = registry
        self._websockets = websockets
        limits = engine.options
        self._crowd = Crowd(limits, engine.clock)
        self._proxies = TrustedProxies(limits.trusted_proxies)
        self._origins = OriginCheck(limits.allowed_origins, self._proxies)
        self._upgrades = limits.upgrades
        self._newcomers: Newcomers | None = None
        if limits.first_poll_timeout is not None:
            self._newcomers = Newcomers(engine.clock, limits.first_poll_timeout)

    def receive(self, request: Request) -> None:
        """Answer a request, or see to it that it will be answered."""
        if not self.middlewares:
            self._serve(request)
            return
        if (
            isinstance(request, EngineIORequest)
            and request.connection is not None
            and request.method == b"POST"
        ):
            # It has come whole, and so nobody has told of its body: it is here now,
            # whatever overtakes it while the middlewares take their time.
            status = self.uploads.begun(request)
            if status:
                respond_nothing(request, status)
                return
        asking = Deferred.fromCoroutine(self._ask_middlewares(request))
        asking.addErrback(self._failed, request)

    async def _ask_middlewares(self, request: Request) -> None:
        try:
            go_on = await run_middlewares(self.middlewares, request, self._engine.clock)
        except BaseException:
            self.uploads.answered(request)
            raise
        if go_on:
            self._serve(request)
        else:
            self.uploads.answered(request)

    def _serve(self, request: Request) -> None:
        try:
            query, session = self._check(request)
            if session is None:
                self._origins.check(request)
                self._admit(request, query)
            elif isinstance(session.transport, PollingTransport) and (
                query.transport == "polling"
            ):
                session.transport.handle(request)
            else:
                self._origins.check(request)
                self._admit_upgrade(request, query, session)
        except Exception:
            self._failed(Failure(), request)

    def _failed(self, failure: Failure, request: Request) -> None:
        """Answer a request that cannot be served: the one place where that is done."""
        error = failure.value
        if isinstance(error, RequestRejected):
            self._log.info(
                "request refused: {problem}{advice}",
                problem=str(error),
                code=error.code.value,
                advice=advice_on(error),
            )
            self._count(error.code.value)
            event = ConnectionErrorEvent.of(request, error)
            self._engine.emit("connection_error", event)
            refuse(request, error)
        elif isinstance(error, BadOpening):
            self._log.info("WebSocket refused: {error}", error=error)
            self._count(error.status)
            headers = {"Content-Type": "text/plain; charset=UTF-8", **error.headers}
            respond(request, error.status, headers, error.message.encode())
        elif isinstance(error, Crowded):
            self._count(error.status)
            retry_after = {"Retry-After": str(error.retry_after)}
            respond(request, error.status, retry_after, b"")
        elif isinstance(error, TookTooLong):
            self._log.error("the application does not say what to do with a request")
            respond_nothing(request, _UNAVAILABLE)
        elif isinstance(error, RequestGone):
            self._log.debug("a client has gone before its request was served")
        else:
            self._log.failure("a request failed", failure=failure)
            respond_nothing(request, _INTERNAL_ERROR)

    def _count(self, code: int) -> None:
        if self._engine.statistics is not None:
            self._engine.statistics.rejections[code] += 1

    def _check(self, request: Request) -> tuple[SessionQuery, Session | None]:
        """Check a request, unless that was done when its body began."""
        if isinstance(request, EngineIORequest) and request.admitted is not None:
            query, session = request.admitted
            if session is not None and (
                session.closed is None and session.transport.name == query.transport
            ):
                return query, session
        return check_request(request, self._engine.options, self._registry)

    # --- a new session ----------------------------------------------------------------

    def _admit(self, request: Request, query: SessionQuery) -> None:
        options = self._engine.options
        if options.allow_request is not None or options.generate_id is not None:
            opening = Deferred.fromCoroutine(self._ask_and_open(request, query))
            opening.addErrback(self._failed, request)
            return
        with self._crowd.enter(client_address(request, self._proxies)) as place:
            opening_request = self._check_handshake(request, query)
            place.sid = new_sid()
            self._open(place, request, query, opening_request)

    async def _ask_and_open(self, request: Request, query: SessionQuery) -> None:
        options, clock = self._engine.options, self._engine.clock
        with self._crowd.enter(client_address(request, self._proxies)) as place:
            await ask_for_permission(request, options, clock)
            opening = self._check_handshake(request, query)
            place.sid = await choose_sid(request, options, self._registry, clock)
            self._open(place, request, query, opening)

    def _check_handshake(
        self, request: Request, query: SessionQuery
    ) -> _Opening | None:
        """Find all that is wrong; return what the opening of a WebSocket asks for."""
        check_revision(query, self._engine.options)
        return self._check_opening(request) if query.transport == "websocket" else None

    def _open(
        self,
        place: Place,
        request: Request,
        query: SessionQuery,
        opening: _Opening | None,
    ) -> None:
        if is_gone(request):
            # Nobody is left to open a session for.
            return
        if not self.is_open:
            respond_nothing(request, _UNAVAILABLE)
            return
        address = request.getClientAddress()
        protocol = cast(
            EngineIOProtocol | None, self._engine.application.buildProtocol(address)
        )
        if protocol is None:
            raise RequestRejected(ErrorCode.FORBIDDEN)
        if opening is None:
            self._open_polling(request, query, place, protocol)
        else:
            self._open_websocket(request, query, place, protocol, opening)

    def _open_polling(
        self,
        request: Request,
        query: SessionQuery,
        place: Place,
        protocol: EngineIOProtocol,
    ) -> None:
        transport = polling_transport(query)
        snapshot = HandshakeRequest.of(request, query.parameters, place.client)
        transport.session = session = self._add(place, query, transport, snapshot)
        transport.park(request)
        if self._newcomers is not None:
            transport.newcomer = self._newcomers.expect(session)
        self._start(session, protocol)

    def _open_websocket(
        self,
        request: Request,
        query: SessionQuery,
        place: Place,
        protocol: EngineIOProtocol,
        opening: _Opening,
    ) -> None:
        # Kept before the request loses its connection.
        snapshot = HandshakeRequest.of(request, query.parameters, place.client)
        websocket, early = self._take_over(request, query, opening, first=True)
        session = self._add(place, query, websocket, snapshot)
        websocket.attach(session)
        self._start(session, protocol)
        # Nothing has been sent only if the connection was lost meanwhile.
        websocket.send_opening()
        if early:
            websocket.dataReceived(early)

    def _add(
        self,
        place: Place,
        query: SessionQuery,
        transport: IPacketTransport,
        snapshot: HandshakeRequest,
    ) -> Session:
        session = Session(
            place.sid,
            engine=self._engine,
            codec=codec_for(query.revision),
            transport=transport,
            request=snapshot,
        )
        session.place, place.taken = place, True
        self._registry.add(session)
        return session

    def _start(self, session: Session, protocol: EngineIOProtocol) -> None:
        statistics = self._engine.statistics
        if statistics is not None:
            kind = session.transport.name, session.protocol_revision
            statistics.handshakes[kind] += 1
        session.open(self._first_packets(session))
        self._engine.emit("connection", session)
        session.start(protocol)

    def _first_packets(self, session: Session) -> list[Packet]:
        options = self._engine.options
        handshake = Handshake(
            sid=session.id,
            upgrades=self._upgrades if session.transport.name == "polling" else (),
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_payload=options.max_http_buffer_size,
        )
        packets: list[Packet] = [(PacketType.OPEN, handshake.to_json())]
        if options.initial_packet is not None:
            packets.append((PacketType.MESSAGE, options.initial_packet))
        return packets

    # --- WebSockets -------------------------------------------------------------------

    def _check_opening(self, request: Request) -> _Opening:
        """Find all that is wrong with it before an application is built for it."""
        if not self.is_open:
            raise BadOpening("Service Unavailable", _UNAVAILABLE)
        if not can_take_over(request):
            raise bad_request("TRANSPORT_HANDSHAKE_ERROR", error="no HTTP/1.1")
        opening = OpeningRequest.of(request)
        options = self._engine.options.per_message_deflate
        if options is None or not opening.extensions:
            return opening, None
        return opening, negotiate_deflate(opening.extensions, options)

    def _admit_upgrade(
        self, request: Request, query: SessionQuery, session: Session
    ) -> None:
        if self._engine.options.allow_request is None:
            self._upgrade(request, query, session)
            return

        async def ask() -> None:
            options, clock = self._engine.options, self._engine.clock
            await ask_for_permission(request, options, clock)
            if not is_gone(request):
                self._upgrade(request, query, session)

        Deferred.fromCoroutine(ask()).addErrback(self._failed, request)

    def _upgrade(self, request: Request, query: SessionQuery, session: Session) -> None:
        opening = self._check_opening(request)
        websocket, early = self._take_over(request, query, opening, first=False)
        transport = session.transport
        if (
            isinstance(transport, PollingTransport)
            and session.upgrade_attempt is None
            and session.closed is None
        ):
            transport.came_back()
            UpgradeAttempt(session, transport, websocket).start()
            if early:
                websocket.dataReceived(early)
        else:
            # It has a WebSocket already, another one is at it, or it has just ended.
            websocket.session_ended()

    def _take_over(
        self,
        request: Request,
        query: SessionQuery,
        opening: _Opening,
        *,
        first: bool,
    ) -> tuple[EngineWebSocketProtocol, bytes]:
        """Make a request's connection a WebSocket; return what came behind it too."""
        headers = let_change(self._engine, request, headers_so_far(request), first)
        websocket = self._websockets.build(
            codec_for(query.revision), query.supports_binary
        )
        early = take_over(request, websocket)
        opening_request, deflate = opening
        websocket.accept(opening_request, headers, deflate)
        if not first:
            websocket.send_opening()
        return websocket, early
