"""An engine and its clients in memory, on one clock: only the network is not real."""

from __future__ import annotations

from typing import Any, Self, TypeVar, cast, overload

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from typing_extensions import Unpack

from txengineio.application import Application, BuildsProtocols, EngineIOProtocol
from txengineio.client.connect import connect
from txengineio.client.options import ClientArguments
from txengineio.errors import InvalidOption
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineArguments
from txengineio.server.session import Session
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.server.web.site import DEFAULT_PATH, engine_site
from txengineio.testing.client import MemoryClient
from txengineio.testing.leaks import SessionWatch
from txengineio.testing.network import MemoryNetwork
from txengineio.testing.recording import RecordingProtocol

__all__ = ["MemoryEngine"]

_URL = "http://server.example"

_TINY = 1e-6
"""Seconds by which the clock goes beyond what is due, whatever floats make of it."""

_Protocol = TypeVar("_Protocol", bound=EngineIOProtocol)


class MemoryEngine:
    """An engine, its clients, and the network between them.

    The engine, the site, and the code of the clients are the real ones; connections are
    in memory, and time passes only when `advance` is called. As a context manager it
    calls `close` at the end, unless the block has failed.

    Args:
        application: What would be given to `Engine`; or an engine that is there, whose
            reactor has to be a ``Clock``.
        site: What serves the engine, if it is beside other resources: a site of
            twisted.web, whose reactor has to be the engine's.
        path: Where the engine is.
        options: As for `Engine`; none with an engine that is there.

    Attributes:
        clock: Everybody's time.
        engine: The engine.
        network: What lies between.
        clients: Those that `connect` has made.

    Raises:
        InvalidOption: The application is none, an option does not exist, or the engine
            has another reactor.
    """

    def __init__(
        self,
        application: Application | Engine,
        *,
        site: BuildsProtocols | IProtocolFactory | None = None,
        path: str = DEFAULT_PATH,
        **options: Unpack[EngineArguments],
    ) -> None:
        self.engine = _engine_of(application, options)
        self.clock = cast(Clock, self.engine.clock)
        if site is None:
            site = engine_site(self.engine, path, reactor=self.clock)
        self.network = MemoryNetwork(cast(IProtocolFactory, site))
        self.clients: list[MemoryClient[Any]] = []
        self._path = path
        self._sessions: dict[str, Session] = {}
        self._watch = SessionWatch(self.clock)
        self._watch.start()
        self.engine.on("connection", self._opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is None:
            self.close()
        else:
            self._watch.stop()

    def _opened(self, session: Session) -> None:
        self._sessions[session.id] = session

    def server_session(self, sid: str) -> Session:
        """Return the server's session of an id, even if it is over.

        Raises:
            KeyError: There was none.
        """
        return self._sessions[sid]

    # --- clients ----------------------------------------------------------------------

    @overload
    def connect(
        self, *, address: str | None = None, **options: Unpack[ClientArguments]
    ) -> MemoryClient[RecordingProtocol]: ...

    @overload
    def connect(
        self,
        factory: type[_Protocol],
        *,
        address: str | None = None,
        **options: Unpack[ClientArguments],
    ) -> MemoryClient[_Protocol]: ...

    @overload
    def connect(
        self,
        factory: BuildsProtocols | IProtocolFactory,
        *,
        address: str | None = None,
        **options: Unpack[ClientArguments],
    ) -> MemoryClient[EngineIOProtocol]: ...

    def connect(
        self,
        factory: Application = RecordingProtocol,
        *,
        address: str | None = None,
        **options: Unpack[ClientArguments],
    ) -> MemoryClient[Any]:
        """Open a session; as usual it polls, and moves to WebSocket, which takes 0.1 s.

        Args:
            factory: As for ``txengineio.connect``; by default the client records what
                it gets (``client.messages``).
            address: The client's; by default one that no other client has.
            options: As for ``txengineio.connect``: ``transports=["websocket"]`` for a
                session that begins there, ``upgrade=False`` for one that keeps polling.

        Returns:
            The client, with its session open and its upgrade, if any, done.

        Raises:
            ConnectFailed: The session could not be opened.
            AssertionError: It is not open yet, since the server waits for something.
        """
        client = self.start_connecting(factory, address=address, **options)
        client.finish_upgrade()
        return client

    def start_connecting(
        self,
        factory: Application = RecordingProtocol,
        *,
        address: str | None = None,
        **options: Unpack[ClientArguments],
    ) -> MemoryClient[Any]:
        """Begin to open a session, which a server may refuse, or let wait.

        Args:
            factory: As for `connect`.
            address: As for `connect`.
            options: As for `connect`.

        Returns:
            The client; its ``is_connecting`` tells how far it is.
        """
        client: MemoryClient[Any] = MemoryClient(self, self.network.endpoints(address))
        self.clients.append(client)
        options.setdefault("endpoints", client.endpoints)
        client.begin(
            connect(_URL, factory, reactor=self.clock, path=self._path, **options)
        )
        self.flush()
        if client.is_connecting:
            # The open packet of revision 3 follows its answer a moment later.
            self.advance(OPEN_PACKET_DELAY)
        return client

    # --- time -------------------------------------------------------------------------

    def flush(self) -> None:
        """Let everything arrive that is under way, without time passing."""
        while self.network.flush() or self._next_due() <= self.clock.seconds():
            self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due meanwhile, in its order."""
        end = self.clock.seconds() + seconds
        self.flush()
        while (due := self._next_due()) <= end:
            self.clock.advance(max(due - self.clock.seconds(), _TINY))
            self.flush()
        self.clock.advance(max(end - self.clock.seconds(), 0))
        self.flush()

    def _next_due(self) -> float:
        calls = self.clock.getDelayedCalls()
        return min((call.getTime() for call in calls), default=float("inf"))

    # --- the end ----------------------------------------------------------------------

    def close(self) -> None:
        """Close the clients, then the engine; check that nothing is left.

        Clients that are cut off, or do not read, are dropped.

        Raises:
            LeakedSessions: A session goes on, on either side.
            AssertionError: Calls are left on the clock: what was scheduled is to be
                cancelled, and services are to be stopped, before this.
        """
        for client in self.clients:
            disturbed = client.endpoints.is_disturbed
            if client.is_connecting:
                client.connecting.cancel()
            elif client.has_session:
                client.session.close(discard=disturbed)
            if disturbed:
                client.endpoints.drop()
        self.flush()
        self.engine.close()
        self.flush()
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        """Check that all is closed; connections that are merely idle do not count.

        Raises:
            LeakedSessions: A session goes on, on either side.
            AssertionError: Calls are left on the clock.
        """
        self._watch.stop()
        self.flush()
        self._watch.check()
        for connection in self.network.open_connections:
            # Either side keeps them for a while, for what may come.
            connection.lose()
        self.flush()
        calls = self.clock.getDelayedCalls()
        if calls:
            listed = "\n".join(f"  {call}" for call in calls)
            raise AssertionError(f"calls are left on the clock:\n{listed}")


def _engine_of(application: Application | Engine, options: EngineArguments) -> Engine:
    if not isinstance(application, Engine):
        return Engine(application, reactor=Clock(), **options)
    if options:
        raise InvalidOption(
            "options", "none, since the engine is there already", dict(options)
        )
    if not isinstance(application.clock, Clock):
        raise InvalidOption(
            "the engine's reactor", "a twisted.internet.task.Clock", application.clock
        )
    return application
