"""One peer's session: the parts that a client's session does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from typing_extensions import Buffer, TypeVar, override

from txengineio.errors import TransportError
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import Packet
from txengineio.protocol.states import Role
from txengineio.server.cluster import Cluster
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.interfaces import ISlot
from txengineio.server.options.engine import EngineOptions
from txengineio.server.statistics import Statistics
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.base import SHOWN, BaseSession
from txengineio.session.interfaces import IPacketTransport, ISessionOwner
from txengineio.session.traffic import Traffic

__all__ = ["ICarriesSession", "IEngine", "ITakesRequests", "Session"]


UserT = TypeVar("UserT", default=Any)


class IEngine(ISessionOwner, Protocol):
    """What the parts of the server, and applications, may ask of the engine."""

    @property
    def options(self) -> EngineOptions:
        """The options that the engine was built with."""

    @property
    def application(self) -> IProtocolFactory:
        """Builds the application's protocols."""

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The open sessions by id; read-only."""

    @property
    def statistics(self) -> Statistics | None:
        """The counts; None while nothing is counted."""

    @property
    def is_open(self) -> bool:
        """Whether new sessions are let in."""

    @property
    def cluster(self) -> Cluster | None:
        """The engines of other processes, with this one; None while it is alone."""

    def broadcast(
        self, message: str | Buffer, *, compress: bool = True, local: bool = False
    ) -> int:
        """Send a message to every open session; return how many took it here."""

    def send(
        self, sid: str, message: str | Buffer, *, compress: bool = True
    ) -> Deferred[bool]:
        """Send a message to the session with an id, on whatever node it is."""

    def close_session(self, sid: str, *, discard: bool = False) -> Deferred[bool]:
        """Close the session with an id, on whatever node it is."""

    def close(self) -> Deferred[None]:
        """Tell every session that it is over."""


class ICarriesSession(IPacketTransport):
    """A transport on which a server opens sessions."""

    def attach(session: Session) -> None:  # noqa: N805
        """Carry a session from now on; called once, before anything is sent."""


class ITakesRequests(ICarriesSession):
    """A transport that works by requests: it is given those of its session."""

    def handle(request: IncomingRequest) -> None:  # noqa: N805
        """Take a request that is complete: answer it, now or later.

        Raises:
            Refusal: The request is answered with this.
        """

    def post_begun(request: IncomingRequest) -> None:  # noqa: N805
        """Note that a POST has begun whose body is not complete, or waits for others.

        Raises:
            Refusal: The request is answered with this, once it is complete.
        """

    def post_answered(request: IncomingRequest) -> None:  # noqa: N805
        """Note that a middleware has answered a POST that has begun."""

    def post_lost(
        request: IncomingRequest,  # noqa: N805
        error: TransportError,
    ) -> bool:
        """Note that a POST that has begun will never be complete.

        Returns:
            Whether the session ends for it.
        """

    def came_back() -> None:
        """Note that the client goes on, by opening the transport of an upgrade."""

    def answer_with_noop() -> None:
        """Answer the client's request, if one waits for packets: an upgrade is on."""


class Session(BaseSession, Generic[UserT]):
    """One peer of the engine; Engine.IO calls it Socket.

    For type checkers, ``Session[User]`` has a `user` of the type ``User``.

    Attributes:
        engine: The engine that the session belongs to.
        request: What the request that opened the session said.
        slot: Its slot among all sessions; None where nobody counts.
    """

    role: ClassVar[Role] = Role.SERVER

    __slots__ = ("request", "slot")

    engine: IEngine

    def __init__(
        self,
        sid: str,
        *,
        engine: IEngine,
        codec: Codec,
        transport: IPacketTransport,
        request: HandshakeRequest,
    ) -> None:
        super().__init__(sid, engine=engine, codec=codec, transport=transport)
        self.request = request
        self.slot: ISlot | None = None
        if engine.statistics is not None:
            self.traffic = Traffic(engine.clock.seconds())

    @property
    @override
    def short_id(self) -> str:
        # All ids of this process begin with its name, if it has one.
        node = self.engine.options.node_name
        return self.id[: SHOWN + (0 if node is None else len(node) + 1)]

    @property
    @override
    def ping_interval(self) -> float:
        return self.engine.options.ping_interval

    @property
    @override
    def ping_timeout(self) -> float:
        return self.engine.options.ping_timeout

    @override
    def heartbeat_returned(self, now: float) -> None:
        statistics = self.engine.statistics
        if self.traffic is None or statistics is None:
            return
        round_trip = self.traffic.pong_received(now)
        if round_trip is not None:
            statistics.round_trips.add(round_trip)

    @property
    @override
    def max_pending_messages(self) -> int:
        return self.engine.options.max_pending_messages

    @property
    def user(self) -> UserT:
        """Who the client is, as ``allow_request`` said with `Admit`; or None."""
        user: UserT = self.request.user
        return user

    @property
    def remote_address(self) -> str | None:
        """The IP address that the first request came from; None over Unix sockets."""
        return self.request.remote_address

    def open(self, packets: Sequence[Packet]) -> None:
        """Send the first packets of the session; its transport has just been made."""
        self.opened()
        # An observer may have closed it.
        if self.closed is None:
            self._heartbeat.start(self)
            self.send_queue.begin(packets)
