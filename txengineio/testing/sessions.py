"""Sessions that record, for a protocol that is tested alone: no bytes, no requests.

They are a server's `Session` and a client's `ClientSession`, with all that these have;
only what would carry their packets records them instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast
from urllib.parse import urlencode

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from typing_extensions import override

from txengineio.application import Application, EngineIOProtocol, factory_of
from txengineio.client.deadline import Deadline
from txengineio.client.session import ClientSession
from txengineio.errors import CloseReason, InvalidOption, TransportError
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.packets import PacketType
from txengineio.protocol.revisions import codec_for
from txengineio.server.engine import Engine
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.registry import new_sid
from txengineio.server.session import Session
from txengineio.session.backlog import Buffers
from txengineio.session.base import BaseSession
from txengineio.testing.packet_transport import RecordingTransport, recording_transport

__all__ = ["RecordingClientSession", "RecordingSession"]

_PING_INTERVAL = 25.0
_PING_TIMEOUT = 20.0
_REVISION = 4


class _Recording(BaseSession):
    """The questions of a test to a session, and the actions of its peer.

    The names differ from those of sessions, which an application may use.
    """

    __slots__ = ()

    transport: RecordingTransport

    @property
    def clock(self) -> Clock:
        """The session's time; see `advance`."""
        return cast(Clock, self.engine.clock)

    @property
    def sent(self) -> list[str | bytes]:
        """The messages that the peer has got, in order."""
        return self.transport.messages

    def receive(self, *messages: str | bytes) -> None:
        """Let messages of the peer arrive, together."""
        self.send_queue.cork()
        try:
            for message in messages:
                self.message_received(message)
        finally:
            self.send_queue.uncork()

    def lose(self) -> None:
        """Let the connection be gone: the session ends with ``transport close``."""
        self.transport_closed()

    def fail(self, error: Exception | None = None) -> None:
        """Let the transport fail: the session ends with ``transport error``."""
        self.transport_failed(error or TransportError("the test lets it fail"))

    def say_goodbye(self) -> None:
        """Let the peer close the session."""
        self.packet_received(PacketType.CLOSE, None)

    def stop_reading(self) -> None:
        """Stop the peer's reading: from the next message on, all that is sent waits."""
        self.transport.stop_reading()

    def start_reading(self) -> None:
        """Let the peer read what was kept back, and go on."""
        self.transport.start_reading()

    def fall_silent(self) -> None:
        """Let the peer fall silent, which `advance` will show."""
        self.transport.silent = True

    def advance(self, seconds: float) -> None:
        """Let time pass; the heartbeats of peers are as they should be meanwhile."""
        clock, longest = self.clock, min(self.ping_interval, self.ping_timeout) / 2
        while seconds > 0:
            step = min(longest, seconds)
            clock.advance(step)
            seconds -= step
            for session in self._companions():
                if not session.transport.silent and session.closed is None:
                    session.beat()

    def beat(self) -> None:
        """Do the peer's part of the heartbeat; `advance` calls this."""
        raise NotImplementedError

    def _companions(self) -> list[_Recording]:
        """Return the sessions that share the clock, as far as this one knows."""
        return [self]


class RecordingSession(_Recording, Session[Any]):
    """A server's session without a client; `of` opens one.

    ``engine`` is a real one, which has a ``Clock``: `Engine.broadcast` reaches the
    session, and `advance` lets time pass.
    """

    __slots__ = ("_answered",)

    engine: Engine

    @classmethod
    def of(
        cls,
        application: Application | EngineIOProtocol | Engine,
        *,
        address: str = "192.0.2.1",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        user: object = None,
        transport: str = "websocket",
    ) -> Self:
        """Open a session for an application.

        Args:
            application: What would be given to `Engine`; or a protocol that has no
                session yet; or an engine whose reactor is a ``Clock``, for several
                sessions with one engine.
            address: Where the client is said to be: ``session.remote_address``.
            query: What the client has added to its URL: ``session.request.query``.
            headers: What its first request has said: ``session.request.headers``.
            user: The user, as ``allow_request``, which is not asked, would have
                returned it: ``session.user``.
            transport: ``polling`` or ``websocket``.

        Returns:
            The session, after ``connectionMade``.

        Raises:
            InvalidOption: The application is none, or the engine has another reactor.
            Refusal: The engine lets no session in, or the factory has built no
                protocol.
        """
        session = _engine_of(application).open_session(
            recording_transport(transport),
            _request(address, query or {}, headers or {}, user, transport),
            session_class=cls,
        )
        assert isinstance(session, cls)
        return session

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answered = 0

    @override
    def beat(self) -> None:
        pings = [packet[0] for packet in self.transport.sent].count(PacketType.PING)
        if pings > self._answered:
            self._answered = pings
            self.packet_received(PacketType.PONG, None)

    @override
    def _companions(self) -> list[_Recording]:
        every = self.engine.sessions.values()
        return [each for each in every if isinstance(each, RecordingSession)]


class RecordingClientSession(_Recording, ClientSession):
    """A client's session without a server; `of` opens one."""

    __slots__ = ("_pinged_at",)

    @classmethod
    def of(
        cls,
        application: Application | EngineIOProtocol,
        *,
        host: str = "server.example",
        clock: Clock | None = None,
        transport: str = "websocket",
    ) -> Self:
        """Open a session for an application.

        Args:
            application: What would be given to ``connect``, or a protocol that has no
                session yet.
            host: The name of the server: ``session.remote_address``.
            clock: The session's time; by default one of its own.
            transport: ``polling`` or ``websocket``.

        Returns:
            The session, after ``connectionMade``.

        Raises:
            InvalidOption: The application is none, or its factory has built no
                protocol.
        """
        factory = _factory_of(application)
        protocol: object = factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 80))
        if not isinstance(protocol, EngineIOProtocol):
            raise InvalidOption("application", "one that builds a protocol", protocol)
        upgrades = () if transport == "websocket" else ("websocket",)
        carrier = recording_transport(transport)
        session = cls(
            Handshake(
                sid=new_sid(),
                upgrades=upgrades,
                ping_interval=_PING_INTERVAL,
                ping_timeout=_PING_TIMEOUT,
                max_payload=None,
            ),
            engine=_Owner(clock or Clock()),
            codec=codec_for(_REVISION),
            transport=carrier,
            remote_address=host,
        )
        carrier.attach(session)
        session.open()
        session.start(protocol)
        return session

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pinged_at = self.clock.seconds()

    @override
    def beat(self) -> None:
        now = self.clock.seconds()
        if now - self._pinged_at >= self.ping_interval:
            self._pinged_at = now
            self.packet_received(PacketType.PING, None)


class _Owner:
    """What a client's session belongs to, without connections."""

    handlers = None

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timers = Deadline(clock)
        self.buffers = Buffers()

    def emit(self, event: str, *arguments: object) -> None:
        """Do nothing: nobody can listen."""

    def session_ended(self, session: Any, reason: CloseReason) -> None:
        """Do nothing: no registry has it."""


def _engine_of(application: Application | EngineIOProtocol | Engine) -> Engine:
    if not isinstance(application, Engine):
        return Engine(_factory_of(application), reactor=Clock())
    if not isinstance(application.clock, Clock):
        raise InvalidOption(
            "the engine's reactor", "a twisted.internet.task.Clock", application.clock
        )
    return application


def _factory_of(application: Application | EngineIOProtocol) -> IProtocolFactory:
    if isinstance(application, EngineIOProtocol):
        return _OneProtocol(application)
    return factory_of(application)


class _OneProtocol(Factory):
    """Builds a protocol that is there already."""

    noisy = False

    def __init__(self, protocol: EngineIOProtocol) -> None:
        self._protocol = protocol

    @override
    def buildProtocol(self, addr: IAddress | None) -> EngineIOProtocol:
        self._protocol.factory = self._protocol.factory or self
        return self._protocol


def _request(
    address: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    user: object,
    transport: str,
) -> HandshakeRequest:
    """Return what a client's first request would have said."""
    parameters = {"EIO": str(_REVISION), "transport": transport, **query}
    return HandshakeRequest(
        method="GET",
        uri=f"/engine.io/?{urlencode(parameters)}",
        query=parameters,
        headers=Headers({name: [value] for name, value in headers.items()}),
        client_address=IPv4Address("TCP", address, 54321),
        remote_address=address,
        secure=False,
        user=user,
    )
