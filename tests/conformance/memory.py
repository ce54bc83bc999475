"""A server in memory: a real site and engine, connections without sockets, a clock.

Bytes go in and come out as over a network; nothing here knows how the server works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from typing_extensions import override

from tests.conformance.exchanges import (
    Headers,
    Response,
    parse_response,
    write_request,
)
from tests.conformance.forwarding import ForwardingEngine
from txengineio import (
    Engine,
    EngineIOProtocol,
    EngineIOResource,
    Session,
    SessionClosed,
)
from txengineio.server.web.site import engine_site

__all__ = ["STEP", "Connection", "Exchange", "Server"]

STEP = 0.005
"""Seconds by which the clock advances at a time."""


class _ServerEnd(StringTransport):
    """What the server holds of a connection."""

    def __init__(self, clock: Clock, port: int) -> None:
        super().__init__(
            IPv4Address("TCP", "127.0.0.1", 80),
            IPv4Address("TCP", "127.0.0.1", port),
            lenient=True,
        )
        self.protocol: Any = None
        self.lost = False
        self._clock = clock
        self._waiting = b""

    def receive(self, data: bytes) -> None:
        self._waiting += data
        self._deliver()

    def _deliver(self) -> None:
        if self.producerState == "producing" and self._waiting and not self.lost:
            data, self._waiting = self._waiting, b""
            self.protocol.dataReceived(data)

    @override
    def write(self, data: bytes) -> None:
        if not self.disconnecting and not self.lost:
            super().write(data)

    @override
    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._clock.callLater(0, self._deliver)

    @override
    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self._clock.callLater(0, self.lose, ConnectionDone())

    def lose(self, reason: Exception) -> None:
        if not self.lost:
            self.lost = self.disconnecting = True
            self.protocol.connectionLost(Failure(reason))

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass


class Connection:
    """A client's connection to the server.

    Attributes:
        received: All that has come from the server and was not taken.
    """

    def __init__(self, server: Server, factory: Any, port: int) -> None:
        self._server = server
        self._end = end = _ServerEnd(server.clock, port)
        end.protocol = factory.buildProtocol(end.getPeer())
        end.protocol.makeConnection(end)

    @property
    def received(self) -> bytes:
        self._server.catch_up()
        data: bytes = self._end.value()
        return data

    @received.setter
    def received(self, left: bytes) -> None:
        self._end.clear()
        self._end.io.write(left)

    @property
    def lost(self) -> bool:
        """Whether the server has ended the connection, or `abort` has."""
        self._server.catch_up()
        return self._end.lost

    @property
    def aborted(self) -> bool:
        """Whether the server has reset the connection."""
        self._server.catch_up()
        return self._end.disconnected

    def send(self, data: bytes) -> None:
        if not self._end.lost:
            self._end.receive(data)
        self._server.settle()

    def abort(self) -> None:
        """Be gone, from one moment to the next."""
        self._end.lose(ConnectionLost())
        self._server.settle()


class Exchange:
    """A request, and what answers it."""

    def __init__(self, connection: Connection, method: str = "GET") -> None:
        self.connection = connection
        self._method = method
        self._response: Response | None = None

    @property
    def answered(self) -> bool:
        if self._response is None:
            self._response, self.connection.received = parse_response(
                self.connection.received, to_head=self._method == "HEAD"
            )
        return self._response is not None

    @property
    def pending(self) -> bool:
        """Whether it waits: neither answered nor cut off."""
        return not self.answered and not self.connection.lost

    @property
    def cut_off(self) -> bool:
        return not self.answered and self.connection.lost

    @property
    def response(self) -> Response:
        assert self.answered, "no answer yet"
        assert self._response is not None
        return self._response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def text(self) -> str:
        return self.response.text


class _Application(EngineIOProtocol):
    """Records what its session does; echoes if it is told to."""

    def __init__(self, records: _Applications) -> None:
        self._records = records

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self._records.messages.append(message)
        if self._records.echo:
            self.session.send(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        closed = reason.value
        assert isinstance(closed, SessionClosed)
        message = getattr(closed.description, "message", None)
        self._records.closed.append((closed.reason.value, message))


class _Applications(Factory):
    """Builds the applications of one server; they share its records."""

    noisy = False

    def __init__(self, echo: bool) -> None:
        self.echo = echo
        self.messages: list[str | bytes] = []
        self.closed: list[tuple[str, str | None]] = []

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        return _Application(self)


class _Root(Resource):
    """The root of a site; what it has not is not found."""

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        # Twisted's own answer warns that it is deprecated.
        return notFound()


class _QuietSite(Site):
    """A site as in any web server made with Twisted, but for the access log."""

    noisy = False

    @override
    def log(self, request: Request) -> None:
        pass


class Server:
    """A server in memory.

    Args:
        echo: Whether the application sends back what it receives.
        on_connection: Called with each new session, in the connection event.
        plain_site: Whether the engine is a resource in an ordinary site, beside others,
            instead of listening on its own; by default tests run with both.
        options: The engine's.

    Attributes:
        engine: The engine.
        errors: What the connection_error event was called with.
        sessions: All sessions that there ever were, oldest first.
        connections: All connections that there ever were, oldest first.
    """

    plain_by_default = False
    is_forwarded = False
    """Whether requests come by way of another node; `conftest` sets it."""

    def __init__(
        self,
        *,
        echo: bool = False,
        on_connection: Callable[[Session], object] | None = None,
        plain_site: bool | None = None,
        **options: Any,
    ) -> None:
        self.clock = MemoryReactorClock()
        # Some code takes a time of zero for no time at all.
        self.clock.advance(1000)
        self._application = _Applications(echo)
        self.engine = Engine(self._application, reactor=self.clock, **options)
        self.sessions: list[Session] = []
        self.errors: list[Any] = []
        self.engine.on("connection", self.sessions.append)
        self.engine.on("connection_error", self.errors.append)
        if on_connection is not None:
            self.engine.on("connection", on_connection)
        self.root = _Root()
        self.root.putChild(b"engine.io", EngineIOResource(self.engine))
        self.site: Any = _QuietSite(self.root, reactor=self.clock)
        if not (self.plain_by_default if plain_site is None else plain_site):
            self.listen()
        self.connections: list[Connection] = []

    @property
    def messages(self) -> list[str | bytes]:
        """What the application received, whoever sent it."""
        self.catch_up()
        return self._application.messages

    @property
    def closed(self) -> list[tuple[str, str | None]]:
        """Reason, and message of the description, of each session that has ended."""
        self.catch_up()
        return self._application.closed

    @property
    def session(self) -> Session:
        """The only session."""
        (session,) = self.sessions
        return session

    @property
    def context(self) -> dict[str, Any]:
        """The context of the only connection_error event."""
        (error,) = self.errors
        context: dict[str, Any] = error.context
        return context

    def listen(self) -> None:
        """Let the engine listen on its own, again if it has been closed."""
        self.engine.listen(TCP4ServerEndpoint(self.clock, 80))
        self.site = self.clock.tcpServers[-1][1]
        if self.is_forwarded:
            near = ForwardingEngine(self.engine, self.clock)
            self.site = engine_site(near, reactor=self.clock)

    # --- time -------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Let arrive what is under way between nodes."""
        if self.is_forwarded:
            self.settle()

    def settle(self) -> None:
        """Let happen what is due now."""
        for _ in range(100):
            calls = self.clock.getDelayedCalls()
            if not any(call.getTime() <= self.clock.seconds() for call in calls):
                return
            self.clock.advance(0)
        raise AssertionError("there is always more to do")

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        steps = max(1, round(seconds / STEP))
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            self.settle()

    # --- connections ------------------------------------------------------------------

    def connect(self, factory: Any = None) -> Connection:
        """Connect to the site, or to another one."""
        port = 40000 + len(self.connections)
        connection = Connection(self, factory or self.site, port)
        self.connections.append(connection)
        return connection

    def request(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        connection: Connection | None = None,
    ) -> Exchange:
        """Send a request; a target that is only a query goes to the engine."""
        if target.startswith("?"):
            target = f"/engine.io/{target}"
        exchange = Exchange(connection or self.connect(), method)
        exchange.connection.send(write_request(method, target, headers, body))
        return exchange

    def get(self, target: str, headers: Headers = ()) -> Exchange:
        return self.request("GET", target, headers)
