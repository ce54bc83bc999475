"""The engine: one application, its sessions, and everything they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.web.http import Request
from typing_extensions import Buffer, Unpack

from txengineio.application import Application, factory_of
from txengineio.checks import check_rate, check_wait
from txengineio.errors import CloseReason, InvalidOption
from txengineio.net.endpoints import server_endpoint
from txengineio.protocol.packets import message_data
from txengineio.reactor import AnyReactor, reactor_or_global, steady_seconds
from txengineio.server.broadcast import EncodedMessage
from txengineio.server.cluster import Cluster, Joins, check_joins
from txengineio.server.draining import close_all, drop_all
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.interfaces import Elsewhere, ListeningPort, ServerEndpoint
from txengineio.server.options.engine import EngineArguments, EngineOptions
from txengineio.server.ports import Ports
from txengineio.server.registry import SessionRegistry
from txengineio.server.requests.dispatcher import Dispatcher
from txengineio.server.requests.handshakes import Handshakes
from txengineio.server.requests.middleware import CorsMiddleware, Middleware
from txengineio.server.session import ICarriesSession, Session
from txengineio.server.statistics import Statistics
from txengineio.server.transports.table import check_enabled
from txengineio.server.transports.websocket import EngineWebSocketFactory
from txengineio.server.web.body_limits import BodyLimits
from txengineio.server.web.foreign_request import incoming
from txengineio.server.web.incoming_request import IncomingRequest, Upload
from txengineio.server.web.site import DEFAULT_PATH, engine_site
from txengineio.session.backlog import Buffers
from txengineio.session.events import EventEmitter
from txengineio.session.timers import TimerWheel, resolution_for
from txengineio.session.traffic import Traffic

__all__ = ["Engine"]

_Middleware = TypeVar("_Middleware", bound=Middleware)


class Engine(EventEmitter):
    """Serves one application to any number of clients.

    Serve it by `listen`, by an `EngineIOResource`, or by passing requests to
    `handle_request`.

    Args:
        application: An `EngineIOProtocol` subclass, or a factory that builds such a
            protocol for each session; None instead of a protocol refuses the session.
        reactor: Where time comes from; by default the global reactor.
        cluster: What makes this engine one of a cluster on several machines, such as a
            `RedisCluster`. It joins when it starts to listen, and leaves at its end.
        options: See `EngineOptions`.

    Attributes:
        cluster: The engines of other processes that serve the same clients, together
            with this one; None while it is alone.
        is_ending: Whether all sessions are closing, and none is let in: a message to
            all of them is for nobody. Only `close`, `drain` and `reopen` set it.
        joins: What makes it one of them, if that is by a network; None otherwise.

    Raises:
        InvalidOption: The application is none, an option does not exist, or its value
            makes no sense.
    """

    EVENTS = frozenset(
        {
            "connection",
            "connection_error",
            "initial_headers",
            "headers",
            "flush",
            "drain",
        }
    )

    FREQUENT = frozenset({"initial_headers", "headers", "flush", "drain"})

    _log = Logger()

    def __init__(
        self,
        application: Application,
        *,
        reactor: AnyReactor | None = None,
        cluster: Joins | None = None,
        **options: Unpack[EngineArguments],
    ) -> None:
        super().__init__()
        self.application = factory_of(application)
        self.options = EngineOptions.from_mapping(options)
        check_enabled(self.options.transports)
        self.body_limits = BodyLimits(
            self.options.max_http_buffer_size,
            self.options.max_buffered_chunks,
            self.options.http_request_body_timeout,
        )
        self.clock = reactor_or_global(reactor)
        self.timers = TimerWheel(
            self.clock,
            resolution_for(self.options.ping_interval, self.options.ping_timeout),
            "the heartbeat of a session",
            steady_seconds(self.clock),
        )
        self.buffers = Buffers(
            self.options.max_buffered_bytes, self.options.max_total_buffered_bytes
        )
        self.statistics: Statistics | None = None
        self._ports = Ports()
        self.cluster: Cluster | None = None
        self.joins: Joins | None = None
        self._leaves = False
        self.is_ending = False
        self._registry = SessionRegistry(self.options.node_name)
        self.websockets = EngineWebSocketFactory(self)
        self._handshakes = Handshakes(self, self._registry, self.websockets)
        self._dispatcher = Dispatcher(self, self._registry, self._handshakes)
        if self.options.cors is not None:
            self.use(CorsMiddleware(self.options.cors))
        if cluster is not None:
            check_joins(cluster).attach(self)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The open sessions by id; read-only, and always up to date."""
        return self._registry.sessions

    @property
    def is_open(self) -> bool:
        """Whether new sessions are let in: until `drain` or `close`."""
        return self._handshakes.accepting

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What is asked for sessions that are not here; None by default.

        An `EngineIOSite` has the same attribute for connections.
        """
        return self._dispatcher.elsewhere

    @elsewhere.setter
    def elsewhere(self, elsewhere: Elsewhere | None) -> None:
        self._dispatcher.elsewhere = elsewhere

    def open_session(
        self,
        transport: ICarriesSession,
        request: HandshakeRequest,
        *,
        revision: int = 4,
        session_class: type[Session] = Session,
    ) -> Session:
        """Open a session on a transport of your own.

        The limits on sessions count, and the application's protocol is built for it as
        for any other; ``allow_request``, ``generate_id`` and middlewares, which are
        about HTTP requests, are not asked.

        Args:
            transport: Carries the session's packets: `IPacketTransport`, and
                ``attach(session)``, which is called before anything is sent. It tells
                the session what the peer does, by the methods of `IPacketReceiver`.
            request: What the client said to get here: ``session.request``.
            revision: The revision of the protocol, 3 or 4.
            session_class: The class of the session: `Session`, or a subclass.

        Returns:
            The session; the open packet was sent.

        Raises:
            Refusal: The session may not be opened; it has the HTTP status that would be
                the answer.
            InvalidOption: The transport has the name of one that gets the requests of
                its sessions, and cannot take any.
        """
        return self._handshakes.open_session(
            transport, request, revision, session_class
        )

    def handle_request(self, request: Request) -> None:
        """Serve one request: answer it now, later, or take its connection over."""
        self._dispatcher.receive(incoming(request))

    def serve_here(self, request: IncomingRequest) -> None:
        """Serve a request that `elsewhere` has taken, and could not have answered.

        Its session was on another node, and is gone with it.
        """
        self._dispatcher.serve_here(request)

    def body_begun(self, request: IncomingRequest) -> Upload:
        """Take a request whose body begins; the engine's own site calls this."""
        return self._dispatcher.begun(request)

    def use(self, middleware: _Middleware) -> _Middleware:
        """Add a middleware: it sees each request before the engine looks at it.

        Middlewares run in the order in which they were added, for plain requests and
        for those that become WebSockets. One may set headers, which go onto whatever
        answer the request gets; it may answer and finish the request, and then nothing
        else happens; or it may fail, which refuses the request with 400.

        Args:
            middleware: Called with the request; may return a Deferred or be a coroutine
                function. It has to be done within
                `txengineio.server.requests.hook_timeout.HOOK_TIMEOUT` seconds.

        Returns:
            The middleware: this works as a decorator.

        Raises:
            InvalidOption: It cannot be called.
        """
        if not callable(middleware):
            raise InvalidOption(
                "middleware", "a callable that takes a request", middleware
            )
        self._dispatcher.middlewares.append(middleware)
        return middleware

    def broadcast(
        self, message: str | Buffer, *, compress: bool = True, local: bool = False
    ) -> int:
        """Send a message to every open session; each process encodes it only once.

        In a `cluster` that is every session of all nodes. To the others it goes at most
        once: a node that hangs and takes nothing more misses it, which is counted and
        logged.

        Args:
            message: As for `Session.send`.
            compress: As for `Session.send`.
            local: Leave out the sessions of other nodes.

        Returns:
            The number of sessions of this engine that took it.
        """
        encoded = EncodedMessage(message)
        if self.cluster is not None and not local:
            self.cluster.broadcast(encoded.data, compress)
        if self.is_ending:
            return 0
        return sum(encoded.send_to(each, compress) for each in self._registry.all())

    def send(
        self, sid: str, message: str | Buffer, *, compress: bool = True
    ) -> Deferred[bool]:
        """Send a message to the session with an id, on whatever node it is.

        To a session of another node it goes at most once, and in order with what was
        sent and broadcast from here before. The outcome may be ignored; where a
        `Session` is at hand, `Session.send` does without a Deferred.

        Args:
            sid: The id of the session.
            message: As for `Session.send`.
            compress: As for `Session.send`.

        Returns:
            Fires with what `Session.send` returns: whether the session took it. That
            is False, too, if there is no such session, if its node takes nothing more,
            or ends, or has not answered after
            `txengineio.cluster.joined_engine.ORDER_TIMEOUT` seconds. It never fails.

        Raises:
            TypeError: The message is neither text nor bytes-like.
        """
        session = self._registry.find(sid)
        if session is not None:
            return succeed(session.send(message, compress=compress))
        data = message_data(message)
        if self.cluster is None:
            return succeed(False)
        return self.cluster.send(sid, data, compress)

    def close_session(self, sid: str, *, discard: bool = False) -> Deferred[bool]:
        """Close the session with an id, on whatever node it is.

        Args:
            sid: The id of the session.
            discard: As for `Session.close`.

        Returns:
            Fires with whether there was such a session, once it is told to close; it
            closes when it has got what was sent before. It never fails; see `send` for
            when the outcome is unknown.
        """
        session = self._registry.find(sid)
        if session is not None:
            session.close(discard=discard)
            return succeed(True)
        if self.cluster is None:
            return succeed(False)
        return self.cluster.close_session(sid, discard)

    def listen(
        self,
        endpoint: ServerEndpoint | IStreamServerEndpoint | str,
        path: str = DEFAULT_PATH,
    ) -> Deferred[ListeningPort]:
        """Serve the engine, and nothing else, on an endpoint.

        Before that, the engine joins its cluster. `close` and `drain` end that, too;
        if it has not joined by then, the Deferred fails with a `JoinFailed`.

        Args:
            endpoint: Where to listen: an endpoint, or what describes one to Twisted's
                ``serverFromString``, such as ``tcp:8080:interface=127.0.0.1``.
            path: The path to serve.

        Returns:
            Fires with the port; it fails as ``endpoint.listen`` and `join` do. `close`
            and `drain` stop it, if nobody has done so before.

        Raises:
            InvalidOption: The endpoint or the path makes no sense.
        """
        found = server_endpoint(self.clock, endpoint)
        site = engine_site(self, path, reactor=self.clock)
        self.reopen()
        listening: Deferred[Any]
        if self.joins is None:
            listening = found.listen(site)
        else:
            self._leaves = True
            listening = self.join().addCallback(lambda _: found.listen(site))
        return cast(Deferred[ListeningPort], listening.addCallback(self._listens))

    def join(self) -> Deferred[None]:
        """Join the cluster that the engine was made for, before clients can come.

        `listen` does so, and so do the services of this package. Whoever serves the
        engine otherwise calls this before, and `leave` at the end.

        Returns:
            Fires when this engine is one of the cluster, and knows all others; at once
            if it has none. It fails with a `JoinFailed`, whose text is one line, and
            with an `InvalidOption` about where this node listens for others.
        """
        return succeed(None) if self.joins is None else self.joins.join()

    def leave(self) -> Deferred[None]:
        """Leave the cluster; requests for others' sessions are refused from now on.

        Returns:
            Fires when the others know that; it never fails.
        """
        return succeed(None) if self.joins is None else self.joins.leave()

    async def _leave_if_listened(self) -> None:
        if self._leaves:
            self._leaves = False
            await self.leave()

    def _listens(self, port: IListeningPort) -> IListeningPort:
        kept = self._ports.opened(port)
        if not self.is_open:
            # Closed before the endpoint was ready.
            kept.stopListening()
        return kept

    def reopen(self) -> None:
        """Accept new sessions again after `close` or `drain`, as `listen` does."""
        self._handshakes.accepting = True
        self.is_ending = False

    def close(self) -> Deferred[None]:
        """Close every session at once; accept no new ones.

        The ports that `listen` has opened are closed.

        Returns:
            Fires when the ports and the sessions are gone, and so are the WebSockets.
        """
        self._handshakes.accepting = False
        stopping = self._ports.stop()
        self._drop_sessions()
        return Deferred.fromCoroutine(self._gone(stopping))

    async def _gone(self, stopping: Deferred[None]) -> None:
        await stopping
        await self.websockets.when_idle()
        await self._leave_if_listened()

    def drain(self, timeout: float, *, spread: float | None = None) -> Deferred[None]:
        """End every session once it has got what was sent to it; accept no new ones.

        Without ``spread``, what is sent to any of them from now on is dropped, such as
        word from ``connectionLost`` that another one has left.

        Clients that poll come for the rest on connections that may be new ones. So keep
        listening meanwhile; the ports that `listen` has opened are closed at the end.

        Args:
            timeout: Seconds after which the remaining sessions are dropped; 0 to drop
                all of them now.
            spread: How many sessions are ended in a second, so that their clients do
                not come back, to this server or to another, all at once; what is left
                after ``timeout`` seconds is dropped then. By default all are ended
                now.

        Returns:
            Fires when the sessions are gone and so are their connections and the ports,
            at the latest soon after ``timeout``; `close` and `abort_connections` cut it
            short.

        Raises:
            InvalidOption: ``timeout`` is no number of seconds, or ``spread`` is no
                number above 0.
        """
        check_wait("timeout", timeout)
        if spread is not None:
            check_rate("spread", spread, "sessions")
        self._handshakes.accepting = False
        return Deferred.fromCoroutine(self._drain(timeout, spread))

    async def _drain(self, timeout: float, spread: float | None) -> None:
        self.is_ending |= spread is None
        giving_up = self.clock.callLater(timeout, self._give_up, timeout)
        await close_all(self._registry.all(), spread, self.clock)
        await self.websockets.when_idle()
        if giving_up.active():
            giving_up.cancel()
        await self._ports.stop()
        await self._leave_if_listened()

    def _give_up(self, timeout: float) -> None:
        self._log.warn(
            "dropping {sessions} sessions and {connections} WebSockets that did not "
            "end within {timeout:g} s",
            sessions=len(self._registry),
            connections=len(self.websockets.connections),
            timeout=timeout,
        )
        self._drop_sessions()
        self.abort_connections()

    def _drop_sessions(self) -> None:
        self.is_ending = True
        drop_all(self._registry.all())

    def abort_connections(self) -> None:
        """Drop the WebSockets that are still there, whatever they have to say."""
        self.websockets.abort_all()

    def keep_statistics(self) -> Statistics:
        """Start counting; before, nothing is counted.

        Returns:
            The counts, each time the same object.
        """
        if self.statistics is None:
            self.statistics = Statistics()
            for session in self._registry.all():
                session.traffic = Traffic(self.clock.seconds())
        return self.statistics

    def session_ended(self, session: Session, reason: CloseReason) -> None:
        """Remove a session; only the session itself calls this."""
        self._registry.remove(session)
        if session.slot is not None:
            session.slot.leave()
        if self.statistics is not None:
            self.statistics.closes[reason] += 1
            self.statistics.settle(session.transport.name, session.traffic)
