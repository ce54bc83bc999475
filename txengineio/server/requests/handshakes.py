"""Opening sessions, and letting those that are open move to another transport.

A request gets here when nothing is wrong with it as such. Whether its client may come
in is decided here: by its origin, by the limits on sessions, and by the application.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress

from txengineio.application import EngineIOProtocol
from txengineio.errors import ErrorCode, InvalidOption, Refusal, RequestRejected
from txengineio.protocol.handshake import Handshake, HandshakeTemplate
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import codec_for
from txengineio.reactor import steady_seconds
from txengineio.server.handshake_request import HandshakeRequest, client_address
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.registry import SessionRegistry
from txengineio.server.requests.checks import check_revision
from txengineio.server.requests.hooks import ask_for_permission, choose_sid
from txengineio.server.requests.origins import OriginCheck
from txengineio.server.requests.session_limits import SessionLimits, Slot
from txengineio.server.session import (
    ICarriesSession,
    IEngine,
    ITakesRequests,
    Session,
)
from txengineio.server.transports.table import (
    TRANSPORT_TABLE,
    Workshop,
    upgrades_from,
)
from txengineio.server.transports.websocket import EngineWebSocketFactory
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.timers import COARSE, TimerWheel

__all__ = ["Handshakes"]

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
        limits = engine.options
        self._session_limits = SessionLimits(limits, engine.clock)
        self._proxies = TrustedProxies(limits.trusted_proxies)
        self._origins = OriginCheck(limits.allowed_origins, self._proxies)
        self._templates: dict[str, HandshakeTemplate] = {}
        newcomers: TimerWheel | None = None
        if limits.first_poll_timeout is not None:
            newcomers = TimerWheel(
                engine.clock,
                min(COARSE, limits.first_poll_timeout / 10),
                "the time-out of a first poll",
                steady_seconds(engine.clock),
            )
        self._workshop = Workshop(engine, websockets, newcomers)

    # --- a new session ----------------------------------------------------------------

    def admit(
        self, request: IncomingRequest, query: SessionQuery
    ) -> Deferred[None] | None:
        """Open a session for a request that asks for one.

        Returns:
            None if that is done; a Deferred if the application has to be asked before.

        Raises:
            Exception: Why the request is refused; the Deferred may fail with it, too.
                The dispatcher knows what to answer.
        """
        self._origins.check(request)
        options = self._engine.options
        if self.accepting and (
            options.allow_request is not None or options.generate_id is not None
        ):
            return Deferred.fromCoroutine(self._ask_and_open(request, query))
        address = client_address(request, self._proxies)
        with self._session_limits.enter(address) as slot:
            asked = self._check_handshake(request, query)
            slot.sid = self._registry.new_sid()
            self._open(slot, request, query, asked, None)
        return None

    async def _ask_and_open(
        self, request: IncomingRequest, query: SessionQuery
    ) -> None:
        options, clock = self._engine.options, self._engine.clock
        address = client_address(request, self._proxies)
        with self._session_limits.enter(address) as slot:
            user = await ask_for_permission(request, options, clock)
            asked = self._check_handshake(request, query)
            slot.sid = await choose_sid(request, options, self._registry, clock)
            self._open(slot, request, query, asked, user)

    def _check_handshake(self, request: IncomingRequest, query: SessionQuery) -> Any:
        """Find all that is wrong; return what the row's check has returned."""
        check_revision(query, self._engine.options)
        return TRANSPORT_TABLE[query.transport].check(request, self._engine)

    def _open(
        self,
        slot: Slot,
        request: IncomingRequest,
        query: SessionQuery,
        asked: Any,
        user: object,
    ) -> None:
        if request.is_gone:
            # There is no client left to open a session for.
            return
        if not self.accepting:
            request.answer(_UNAVAILABLE)
            return
        # Kept while the request has its connection.
        kept = HandshakeRequest.of(request, query.parameters, slot.client, user)
        protocol = self._build_protocol(kept.client_address)
        start = partial(self._start, slot, query.revision, protocol, kept)
        row = TRANSPORT_TABLE[query.transport]
        row.open(self._workshop, request, query, asked, start)

    def _build_protocol(self, address: IAddress) -> EngineIOProtocol:
        # As a string, the type costs nothing; else it would be built on every call.
        protocol = cast(
            "EngineIOProtocol | None", self._engine.application.buildProtocol(address)
        )
        if protocol is None:
            raise RequestRejected(
                ErrorCode.FORBIDDEN, hint="the application's factory returned None"
            )
        return protocol

    def open_session(
        self,
        transport: ICarriesSession,
        request: HandshakeRequest,
        revision: int,
        session_class: type[Session],
    ) -> Session:
        """Open a session on a transport: see `Engine.open_session`."""
        _check_transport(transport)
        if not self.accepting:
            raise Refusal("no new sessions are let in", status=_UNAVAILABLE)
        with self._session_limits.enter(request.remote_address) as slot:
            slot.sid = self._registry.new_sid()
            protocol = self._build_protocol(request.client_address)
            return self._start(
                slot, revision, protocol, request, transport, session_class
            )

    def _start(
        self,
        slot: Slot,
        revision: int,
        protocol: EngineIOProtocol,
        request: HandshakeRequest,
        transport: ICarriesSession,
        session_class: type[Session] = Session,
    ) -> Session:
        session = session_class(
            slot.sid,
            engine=self._engine,
            codec=codec_for(revision),
            transport=transport,
            request=request,
        )
        session.slot, slot.taken = slot, True
        self._registry.add(session)
        transport.attach(session)
        statistics = self._engine.statistics
        if statistics is not None:
            statistics.handshakes[transport.name, revision] += 1
        session.open(self._first_packets(session))
        self._engine.emit("connection", session)
        session.start(protocol)
        return session

    def _first_packets(self, session: Session) -> list[Packet]:
        template = self._templates.get(session.transport.name)
        if template is None:
            template = self._make_template(session.transport.name)
        handshake = template.to_json(session.id)
        packets: list[Packet] = [(PacketType.OPEN, handshake)]
        initial_packet = self._engine.options.initial_packet
        if initial_packet is not None:
            packets.append((PacketType.MESSAGE, initial_packet))
        return packets

    def _make_template(self, transport: str) -> HandshakeTemplate:
        """Make the handshake that clients of a transport get, once."""
        options = self._engine.options
        enabled = options.transports if options.allow_upgrades else ()
        handshake = Handshake(
            sid="",
            upgrades=upgrades_from(transport, enabled),
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_payload=options.max_http_buffer_size,
        )
        template = self._templates[transport] = handshake.template()
        return template

    # --- other transports for sessions that are open ----------------------------------

    def admit_move(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> Deferred[None] | None:
        """Let a session that is open move to another transport: a WebSocket.

        Returns, and raises:
            As `admit`.
        """
        self._origins.check(request)
        if self._engine.options.allow_request is not None:
            asking = self._ask_and_move(request, query, session)
            return Deferred.fromCoroutine(asking)
        self._move(request, query, session)
        return None

    async def _ask_and_move(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> None:
        options, clock = self._engine.options, self._engine.clock
        await ask_for_permission(request, options, clock)
        if not request.is_gone:
            self._move(request, query, session)

    def _move(
        self, request: IncomingRequest, query: SessionQuery, session: Session
    ) -> None:
        row = TRANSPORT_TABLE[query.transport]
        assert row.move is not None
        row.move(
            self._workshop, request, query, row.check(request, self._engine), session
        )


def _check_transport(transport: ICarriesSession) -> None:
    """Raise for a transport that would be given requests, but takes none."""
    row = TRANSPORT_TABLE.get(transport.name)
    if (
        row is not None
        and row.move is None
        and not ITakesRequests.providedBy(transport)
    ):
        expected = f"an ITakesRequests, as its name is {row.name!r}"
        raise InvalidOption("transport", expected, transport)
