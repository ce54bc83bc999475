"""Opening sessions, and WebSockets for sessions that are open.

A request gets here when nothing is wrong with it as such. Whether its client may come
in is found out here: by its origin, by how many there are already, by the application.
"""

from __future__ import annotations

from typing import Final, TypeAlias, cast

from twisted.internet.defer import Deferred

from txengineio.application import EngineIOProtocol
from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.handshake import Handshake, HandshakeTemplate
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import codec_for
from txengineio.reactor import steady_seconds
from txengineio.server.handshake_request import HandshakeRequest, client_address
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.registry import SessionRegistry, new_sid
from txengineio.server.requests.checks import bad_request, check_revision
from txengineio.server.requests.hooks import ask_for_permission, choose_sid
from txengineio.server.requests.origins import OriginCheck
from txengineio.server.requests.session_limits import SessionLimits, Slot
from txengineio.server.session import IEngine, Session
from txengineio.server.transports.answers import let_change
from txengineio.server.transports.deflate import Deflate, negotiate_deflate
from txengineio.server.transports.jsonp import polling_transport
from txengineio.server.transports.opening import BadOpening, OpeningRequest
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.transports.upgrade import UpgradeAttempt
from txengineio.server.transports.websocket import (
    EngineWebSocketFactory,
    EngineWebSocketProtocol,
)
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.interfaces import IPacketTransport
from txengineio.session.timers import COARSE, TimerWheel

__all__ = ["Handshakes"]

_Opening: TypeAlias = tuple[OpeningRequest, Deflate | None]

_UNAVAILABLE: Final = 503


class Handshakes:
    """Opens the sessions of one engine.

    Args:
        engine: The engine.
        registry: Its sessions.
        websockets: Builds its WebSockets.

    Attributes:
        accepting: Whether new sessions are opened at all.
    """

    def __init__(
        self,
        engine: IEngine,
        registry: SessionRegistry,
        websockets: EngineWebSocketFactory,
    ) -> None:
        self.accepting = True
        self._engine = engine
        self._registry = registry
        self._websockets = websockets
        limits = engine.options
        self._session_limits = SessionLimits(limits, engine.clock)
        self._proxies = TrustedProxies(limits.trusted_proxies)
        self._origins = OriginCheck(limits.allowed_origins, self._proxies)
        self._handshakes = {
            "polling": self._handshake(limits.upgrades),
            "websocket": self._handshake(()),
        }
        self._newcomers: TimerWheel | None = None
        if limits.first_poll_timeout is not None:
            self._newcomers = TimerWheel(
                engine.clock,
                min(COARSE, limits.first_poll_timeout / 10),
                "the time-out of a first poll",
                steady_seconds(engine.clock),
            )

    # --- a new session ----------------------------------------------------------------

    def admit(
        self, request: IncomingRequest, query: SessionQuery
    ) -> Deferred[None] | None:
        """Open a session for a request that asks for one.

        Returns:
            None if that is done; a Deferred if the application has to be asked before.

        Raises:
            Exception: The request is refused, and with what; the Deferred may fail so,
                too. A reception knows what to answer.
        """
        self._origins.check(request)
        options = self._engine.options
        if options.allow_request is not None or options.generate_id is not None:
            return Deferred.fromCoroutine(self._ask_and_open(request, query))
        address = client_address(request, self._proxies)
        with self._session_limits.enter(address) as slot:
            opening_request = self._check_handshake(request, query)
            slot.sid = new_sid()
            self._open(slot, request, query, opening_request)
        return None

    async def _ask_and_open(
        self, request: IncomingRequest, query: SessionQuery
    ) -> None:
        options, clock = self._engine.options, self._engine.clock
        address = client_address(request, self._proxies)
        with self._session_limits.enter(address) as slot:
            await ask_for_permission(request, options, clock)
            opening = self._check_handshake(request, query)
            slot.sid = await choose_sid(request, options, self._registry, clock)
            self._open(slot, request, query, opening)

    def _check_handshake(
        self, request: IncomingRequest, query: SessionQuery
    ) -> _Opening | None:
        """Find all that is wrong; return what the opening of a WebSocket asks for."""
        check_revision(query, self._engine.options)
        return self._check_opening(request) if query.transport == "websocket" else None

    def _open(
        self,
        slot: Slot,
        request: IncomingRequest,
        query: SessionQuery,
        opening: _Opening | None,
    ) -> None:
        if request.is_gone:
            # Nobody is left to open a session for.
            return
        if not self.accepting:
            request.answer(_UNAVAILABLE)
            return
        address = request.peer()
        protocol = cast(
            EngineIOProtocol | None, self._engine.application.buildProtocol(address)
        )
        if protocol is None:
            raise RequestRejected(ErrorCode.FORBIDDEN)
        if opening is None:
            self._open_polling(request, query, slot, protocol)
        else:
            self._open_websocket(request, query, slot, protocol, opening)

    def _open_polling(
        self,
        request: IncomingRequest,
        query: SessionQuery,
        slot: Slot,
        protocol: EngineIOProtocol,
    ) -> None:
        transport = polling_transport(query)
        snapshot = HandshakeRequest.of(request, query.parameters, slot.client)
        transport.session = session = self._add(slot, query, transport, snapshot)
        transport.park(request)
        timeout = self._engine.options.first_poll_timeout
        if self._newcomers is not None and timeout is not None:
            transport.expect_back(self._newcomers, timeout)
        self._start(session, protocol)

    def _open_websocket(
        self,
        request: IncomingRequest,
        query: SessionQuery,
        slot: Slot,
        protocol: EngineIOProtocol,
        opening: _Opening,
    ) -> None:
        # Kept before the request loses its connection.
        snapshot = HandshakeRequest.of(request, query.parameters, slot.client)
        websocket, early = self._take_over(request, query, opening, first=True)
        session = self._add(slot, query, websocket, snapshot)
        websocket.attach(session)
        self._start(session, protocol)
        # Nothing has been sent only if the connection was lost meanwhile.
        websocket.send_opening()
        if early:
            websocket.dataReceived(early)

    def _add(
        self,
        slot: Slot,
        query: SessionQuery,
        transport: IPacketTransport,
        snapshot: HandshakeRequest,
    ) -> Session:
        session = Session(
            slot.sid,
            engine=self._engine,
            codec=codec_for(query.revision),
            transport=transport,
            request=snapshot,
        )
        session.slot, slot.taken = slot, True
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
        handshake = self._handshakes[session.transport.name].to_json(session.id)
        packets: list[Packet] = [(PacketType.OPEN, handshake)]
        initial_packet = self._engine.options.initial_packet
        if initial_packet is not None:
            packets.append((PacketType.MESSAGE, initial_packet))
        return packets

    def _handshake(self, upgrades: tuple[str, ...]) -> HandshakeTemplate:
        options = self._engine.options
        handshake = Handshake(
            sid="",
            upgrades=upgrades,
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_payload=options.max_http_buffer_size,
        )
        return handshake.template()

    # --- WebSockets -------------------------------------------------------------------

    def _check_opening(self, request: IncomingRequest) -> _Opening:
        """Find all that is wrong with it before an application is built for it."""
        if not self.accepting:
            raise BadOpening("Service Unavailable", _UNAVAILABLE)
        if not request.can_take_over():
            raise bad_request("TRANSPORT_HANDSHAKE_ERROR", error="no HTTP/1.1")
        opening = OpeningRequest.of(request)
        options = self._engine.options.per_message_deflate
        if options is None or not opening.extensions:
            return opening, None
        return opening, negotiate_deflate(opening.extensions, options)

    def admit_websocket(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> Deferred[None] | None:
        """Open a WebSocket for a session that is open.

        Returns, and raises:
            As `admit`.
        """
        self._origins.check(request)
        if self._engine.options.allow_request is not None:
            asking = self._ask_and_upgrade(request, query, session)
            return Deferred.fromCoroutine(asking)
        self._upgrade(request, query, session)
        return None

    async def _ask_and_upgrade(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> None:
        options, clock = self._engine.options, self._engine.clock
        await ask_for_permission(request, options, clock)
        if not request.is_gone:
            self._upgrade(request, query, session)

    def _upgrade(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> None:
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
        request: IncomingRequest,
        query: SessionQuery,
        opening: _Opening,
        *,
        first: bool,
    ) -> tuple[EngineWebSocketProtocol, bytes]:
        """Make a request's connection a WebSocket; return what came behind it too."""
        headers = let_change(self._engine, request, request.headers_so_far(), first)
        websocket = self._websockets.build(
            codec_for(query.revision), query.supports_binary
        )
        early = request.take_over(websocket)
        opening_request, deflate = opening
        websocket.accept(opening_request, headers, deflate)
        if not first:
            websocket.send_opening()
        return websocket, early
