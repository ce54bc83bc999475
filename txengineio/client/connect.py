"""Opening a session with a server."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any, NoReturn, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.logger import Logger
from twisted.web.client import URI
from typing_extensions import Unpack

from txengineio.application import (
    Application,
    BuildsProtocols,
    EngineIOProtocol,
    factory_of,
)
from txengineio.client.deadline import Deadline
from txengineio.client.failures import connect_failed, refused, unreadable
from txengineio.client.http.endpoints import Endpoints
from txengineio.client.http.http_client import HttpClient, cookie_jar
from txengineio.client.opening import Opening, read_handshake
from txengineio.client.options import ClientArguments, ClientOptions
from txengineio.client.polling import PollingTransport, read_payload
from txengineio.client.session import ClientSession
from txengineio.client.target import DEFAULT_PATH, Target, parse_target
from txengineio.client.upgrade import UpgradeAttempt
from txengineio.client.websocket import (
    ClientWebSocket,
    ClientWebSocketFactory,
    open_websocket,
)
from txengineio.errors import (
    CloseReason,
    ConnectCause,
    ConnectFailed,
    InvalidOption,
    PacketDecodeError,
)
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.revisions import codec_for
from txengineio.protocol.states import ReadyState
from txengineio.reactor import AnyReactor, reactor_or_global
from txengineio.session.backlog import Buffers
from txengineio.session.interfaces import IPacketReceiver

__all__ = ["Connection", "check_remember_upgrade", "connect"]

_OK = 200

_Protocol = TypeVar("_Protocol", bound=EngineIOProtocol)

_upgraded: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()
"""The servers' origins whose sessions have moved to WebSocket, by application."""


@overload
def connect(
    url: str,
    factory: type[_Protocol],
    *,
    reactor: AnyReactor | None = None,
    path: str = DEFAULT_PATH,
    query: Mapping[str, str] | None = None,
    **options: Unpack[ClientArguments],
) -> Deferred[_Protocol]: ...


@overload
def connect(
    url: str,
    factory: BuildsProtocols | IProtocolFactory,
    *,
    reactor: AnyReactor | None = None,
    path: str = DEFAULT_PATH,
    query: Mapping[str, str] | None = None,
    **options: Unpack[ClientArguments],
) -> Deferred[EngineIOProtocol[ClientSession]]: ...


def connect(
    url: str,
    factory: Application,
    *,
    reactor: AnyReactor | None = None,
    path: str = DEFAULT_PATH,
    query: Mapping[str, str] | None = None,
    **options: Unpack[ClientArguments],
) -> Deferred[Any]:
    """Open a session with a server.

    Args:
        url: ``http:``, ``https:``, ``ws:`` or ``wss:``; the scheme says whether to use
            TLS, not which transport.
        factory: An `EngineIOProtocol` subclass, or a factory that builds such a
            protocol once the session is open.
        reactor: By default the global one.
        path: Where the engine is; the URL may have the path instead.
        query: Parameters for each request, beside those in the URL.
        options: See `ClientOptions`.

    Returns:
        Fires with the protocol, after its ``connectionMade``. It fails with
        `ConnectFailed`, or with what the factory raised. It can be cancelled.

    Raises:
        InvalidOption: The factory is none, an option does not exist, or a value makes
            no sense.
    """
    checked = ClientOptions.from_mapping(options)
    check_remember_upgrade(factory, checked)
    target = parse_target(url, path=path, query=query, revision=checked.revision)
    jar = cookie_jar(target, checked.cookies)
    return Connection(target, factory, checked, jar, reactor_or_global(reactor)).open()


def check_remember_upgrade(application: object, options: ClientOptions) -> None:
    """Check that an application has a hash, if its upgrades are remembered by it.

    Raises:
        InvalidOption: ``remember_upgrade`` is set, and it has none.
    """
    if options.remember_upgrade:
        try:
            _upgraded.get(application)
        except TypeError as error:
            expected = "False for a factory that has no hash"
            raise InvalidOption("remember_upgrade", expected, True) from error


class Connection:
    """One attempt to open a session, and what the session needs afterwards.

    Args:
        target: The server.
        application: Builds the application's protocol.
        options: What the client was told.
        jar: The cookies.
        clock: The reactor.

    Attributes:
        clock: The reactor.
        timers: When the session's heartbeat is due.
        buffers: The messages that the session keeps back.
        handlers: None: only sessions have events here.
    """

    handlers = None

    _log = Logger()

    def __init__(
        self,
        target: Target,
        application: Application,
        options: ClientOptions,
        jar: CookieJar,
        clock: IReactorTime,
    ) -> None:
        self.clock = clock
        self.timers = Deadline(clock)
        # The application knows how much it sends.
        self.buffers = Buffers()
        self._target = target
        self._application = application
        self._factory = factory_of(application, "factory")
        self._options = options
        self._codec = codec_for(options.revision)
        self._endpoints = options.endpoints or Endpoints(
            clock, options.tls, options.connect_timeout
        )
        self._http = HttpClient(target, options, self._endpoints, jar, clock)
        self._awaited = ConnectCause.CONNECT_TIMEOUT
        self._protocol: EngineIOProtocol | None = None

    # --- ISessionOwner ----------------------------------------------------------------

    def emit(self, event: str, *arguments: object) -> None:
        """Do nothing: nobody can listen."""

    def session_ended(self, session: ClientSession, reason: CloseReason) -> None:
        """Close the connections."""
        if session.upgraded and self._options.remember_upgrade:
            _upgraded.setdefault(self._application, set()).add(self._target.origin)
        self._http.close()

    # --- opening ----------------------------------------------------------------------

    def open(self) -> Deferred[EngineIOProtocol]:
        """Open the session; see `connect`."""
        opening = Deferred.fromCoroutine(self._open())
        return opening.addTimeout(
            self._options.open_timeout, self.clock, self._timed_out
        )

    def _timed_out(self, _result: object, timeout: float) -> NoReturn:
        raise ConnectFailed(self._awaited, f"after {timeout:g} seconds")

    async def _open(self) -> EngineIOProtocol:
        remembered: set[str] = set()
        if self._options.remember_upgrade:
            remembered = _upgraded.get(self._application, remembered)
        if self._target.origin in remembered:
            try:
                return await self._open_by("websocket")
            except ConnectFailed as error:
                # Start with polling after all: a failed shortcut must not prevent a
                # session.
                self._log.info("no WebSocket this time: {error}", error=error)
                remembered.discard(self._target.origin)
        return await self._open_by(self._options.transports[0])

    async def _open_by(self, transport: str) -> EngineIOProtocol:
        try:
            if transport == "websocket":
                session = await self._open_by_websocket()
            else:
                session = await self._open_by_polling()
        except BaseException:
            self._http.close()
            raise
        self._log.info(
            "session {sid}… opened by {transport} with {address}",
            sid=session.id[:6],
            transport=transport,
            address=session.remote_address,
        )
        # Not the session's: it may be over already.
        protocol, self._protocol = self._protocol, None
        return cast(EngineIOProtocol, protocol)

    async def _open_by_polling(self) -> ClientSession:
        self._awaited = ConnectCause.RESPONSE_TIMEOUT
        target, options = self._target, self._options
        try:
            answer = await self._http.open(target.resource("polling"))
        except Exception as exc:
            raise connect_failed(exc) from exc
        if answer.status != _OK:
            raise refused(answer)
        try:
            packets = read_payload(self._codec, answer)
            handshake = read_handshake(next(packets, None))
        except PacketDecodeError as problem:
            raise unreadable(answer, target.revision, problem) from problem
        polling = PollingTransport(
            self._http,
            target.resource("polling", handshake.sid),
            self._codec,
            max_payload=handshake.max_payload,
            max_packets=options.max_post_packets,
            clock=self.clock,
            request_timeout=options.request_timeout,
        )
        session = self._start_session(handshake, polling)
        polling.start(packets)
        self._upgrade(session, polling)
        return session

    async def _open_by_websocket(self) -> ClientSession:
        opening = Opening(
            lambda handshake: self._start_session(handshake, factory.websocket)
        )
        factory = self._websocket_factory(opening, None)
        self._awaited = ConnectCause.RESPONSE_TIMEOUT
        websocket = await self._open_websocket(factory)
        self._awaited = ConnectCause.OPEN_TIMEOUT
        try:
            session: ClientSession = await opening.opened
        except BaseException:
            websocket.connection.transport.abortConnection()
            raise
        return session

    def _websocket_factory(
        self, receiver: IPacketReceiver, sid: str | None
    ) -> ClientWebSocketFactory:
        resource = self._target.resource("websocket", sid)
        headers = dict(self._options.headers)
        cookies = self._http.cookies_for(resource)
        if cookies is not None:
            headers.setdefault("Cookie", cookies)
        return ClientWebSocketFactory(
            self._target,
            resource,
            headers,
            codec=self._codec,
            receiver=receiver,
            limit=self._options.max_http_buffer_size,
            clock=self.clock,
        )

    def _open_websocket(
        self, factory: ClientWebSocketFactory
    ) -> Deferred[ClientWebSocket]:
        uri = URI.fromBytes(self._target.origin.encode("ascii"))
        endpoint = self._endpoints.endpointForURI(uri)
        opening = Deferred.fromCoroutine(open_websocket(endpoint, factory))
        return opening.addCallback(self._keep_cookies)

    def _keep_cookies(self, websocket: ClientWebSocket) -> ClientWebSocket:
        # A load balancer may have set them: its other servers do not know the session.
        resource = websocket.connection.factory.opening_request.resource
        self._http.keep_cookies(resource, websocket.cookies)
        return websocket

    def _start_session(
        self,
        handshake: Handshake,
        transport: Any,
    ) -> ClientSession:
        session = ClientSession(
            handshake,
            engine=self,
            codec=self._codec,
            transport=transport,
            remote_address=self._target.host,
        )
        transport.attach(session)
        session.open()
        address = HostnameAddress(self._target.host.encode("ascii"), self._target.port)
        try:
            protocol = self._factory.buildProtocol(address)
            if protocol is None:
                raise ConnectFailed(ConnectCause.NO_PROTOCOL)
        except BaseException:
            session.close()
            raise
        self._protocol = cast(EngineIOProtocol, protocol)
        session.start(self._protocol)
        return session

    def _upgrade(self, session: ClientSession, polling: PollingTransport) -> None:
        if (
            self._options.upgrade
            and "websocket" in self._options.transports
            and "websocket" in session.handshake.upgrades
            and session.ready_state is ReadyState.OPEN
        ):
            attempt = UpgradeAttempt(
                session, polling, self.clock, self._options.upgrade_timeout
            )
            factory = self._websocket_factory(attempt, session.id)
            attempt.start(lambda: self._open_websocket(factory))
