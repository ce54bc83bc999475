"""The service that serves an engine: for ``.tac`` files, plugins, and our commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override

from txengineio.checks import check_rate, check_wait
from txengineio.errors import EngineIOError
from txengineio.net.endpoints import server_endpoint
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.web.resource import check_engine
from txengineio.server.web.site import DEFAULT_PATH, engine_site, path_segments
from txengineio.twistd.endpoints import CannotStart, cannot_listen, url_of
from txengineio.twistd.turning import Stopped, can_turn, turn_last, turn_until

__all__ = ["DEFAULT_DRAIN_TIMEOUT", "EngineIOService"]

DEFAULT_DRAIN_TIMEOUT: Final = 1.5
"""Seconds that stopping waits for sessions to end before it drops them."""

_GRACE: Final = 0.1
"""Seconds that the answers to parked polls get to leave the process."""

Endpoint = str | IStreamServerEndpoint
"""Where to listen, or a string that describes that to ``serverFromString``."""


class EngineIOService(Service):
    """Serves an engine while it runs, and brings its sessions to their end.

    For ``.tac`` files and plugins of your own, and below any ``MultiService``.
    ``/healthz`` is served beside the engine, unless the engine has the whole site.

    Args:
        engine: The engine; its reactor is the service's.
        endpoints: Where to listen: an endpoint, its description such as ``tcp:8080``,
            or several of them.
        path: The path to serve.
        beside: What the same site serves beside the engine, by names at its root.
        drain_timeout: Seconds that stopping may wait for sessions to end.
        drain_spread: How many of them are ended in a second; None for all at once.

    Attributes:
        engine: As given.
        site: What is served on the endpoints.

    Raises:
        InvalidOption: The engine is none; an endpoint, the path or a number makes no
            sense.
    """

    _log = Logger()

    program: str = "EngineIOService"
    """What errors begin with."""

    def __init__(
        self,
        engine: Engine,
        endpoints: Endpoint | Iterable[Endpoint],
        path: str = DEFAULT_PATH,
        *,
        beside: Mapping[bytes, Resource] | None = None,
        drain_timeout: float = DEFAULT_DRAIN_TIMEOUT,
        drain_spread: float | None = None,
    ) -> None:
        check_engine(engine)
        self.engine = engine
        if path_segments(path):
            beside = {b"healthz": HealthResource(engine), **(beside or {})}
        self.site = engine_site(engine, path, beside=beside, reactor=engine.clock)
        self._endpoints = [self._described(each) for each in _several(endpoints)]
        self._path = path
        # Not only when it stops, and has sessions to bring to their end.
        self._drain_timeout = check_wait("drain_timeout", drain_timeout)
        if drain_spread is not None:
            check_rate("drain_spread", drain_spread, "sessions")
        self._drain_spread = drain_spread
        self._ports: list[IListeningPort] = []
        self._listens = False
        self._joining: Deferred[None] | None = None

    def _described(self, endpoint: Endpoint) -> tuple[str, IStreamServerEndpoint]:
        found = server_endpoint(self.engine.clock, endpoint)
        name = endpoint if isinstance(endpoint, str) else type(endpoint).__name__
        return name, found

    @override
    def privilegedStartService(self) -> None:
        """Listen; ports below 1024 may still be had now.

        If the engine belongs to a cluster, it joins first; the reactor turns meanwhile.

        Raises:
            SystemExit: An endpoint cannot listen; its text says which and why. Or the
                cluster cannot be joined.
        """
        super().privilegedStartService()
        self.engine.reopen()
        self._listens = True
        if self.engine.joins is None:
            self._listen_to_clients()
        else:
            self._join(self.engine.join())

    def _join(self, joining: Deferred[None]) -> None:
        """Become one of a cluster, and listen then."""
        if not can_turn(self.engine.clock):
            self._joining = joining
            joining.addCallbacks(self._has_joined, self._not_joined)
            return
        try:
            turn_until(self.engine.clock, joining)
        except Stopped as signal:
            problem = f"{signal} came before this node had joined the cluster"
            raise CannotStart(f"{self.program}: {problem}") from signal
        except EngineIOError as error:
            raise CannotStart(f"{self.program}: {self._said_of(error)}") from error
        self._listen_to_clients()

    def _has_joined(self, _result: None) -> None:
        if self._joining is not None:
            self._joining = None
            self._listen_to_clients()

    def _not_joined(self, failure: Failure) -> None:
        if self._joining is None:
            # Stopped meanwhile.
            return
        self._joining = None
        text = "this node serves nobody, as it cannot join the cluster: {why}"
        self._log.failure(text, failure, why=self._said_of(failure.value))

    def _said_of(self, error: object) -> str:
        """Return the text of an error; a command line has other names for options."""
        return str(error)

    def _listen_to_clients(self) -> None:
        for description, endpoint in self._endpoints:
            self._listen(description, endpoint, self.site, self._served)

    def _listen(
        self,
        description: str,
        endpoint: IStreamServerEndpoint,
        site: Site,
        served: Callable[[IListeningPort, str], None],
    ) -> None:
        problems: list[Failure] = []
        at_once = True

        def opened(port: IListeningPort) -> None:
            if not self.running and not at_once:
                # Stopped before the endpoint was ready.
                port.stopListening()
                return
            self._ports.append(port)
            served(port, description)

        def failed(failure: Failure) -> None:
            if at_once:
                problems.append(failure)
            else:
                text = "cannot listen on {description}"
                self._log.failure(text, failure, description=description)

        endpoint.listen(site).addCallback(opened).addErrback(failed)
        at_once = False
        if problems:
            if self.engine.joins is not None and can_turn(self.engine.clock):
                turn_last(self.engine.clock, self.engine.leave())
            cannot_listen(self.program, description, problems[0].value)

    def _served(self, port: IListeningPort, description: str) -> None:
        self._log.info(
            "Engine.IO is served at {url} (transports: {transports})",
            url=url_of(port, description, f"{self._path.rstrip('/')}/"),
            transports=", ".join(self.engine.options.transports),
        )

    @override
    def startService(self) -> None:
        """Say what runs; listen first if that was not done before."""
        super().startService()
        if not self._listens:
            self.privilegedStartService()
        self._log.info("The application is {name}", name=self._application_name())

    def _application_name(self) -> str:
        application = self.engine.application
        runs = getattr(application, "protocol", None) or type(application)
        return f"{runs.__module__}.{runs.__qualname__}"

    @override
    def stopService(self) -> Deferred[None]:
        """Let no new session in, bring the others to their end, stop listening.

        Returns:
            Fires soon after the drain timeout, whatever the clients do.
        """
        super().stopService()
        joining, self._joining = self._joining, None
        if joining is not None:
            joining.cancel()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # Still listening: clients that poll come for the rest on new connections, and
        # load balancers see that this server takes no more.
        await self.drain()
        await self._stop_listening()
        await self.engine.leave()
        await self._flush_goodbyes()

    def drain(self) -> Deferred[None]:
        """Let no new session in, and bring the others to their end.

        Returns:
            Fires soon after the drain timeout.
        """
        if self.engine.is_open:
            self._log.info(
                "Stopping with {count} sessions open", count=len(self.engine.sessions)
            )
        return self.engine.drain(self._drain_timeout, spread=self._drain_spread)

    async def _flush_goodbyes(self) -> None:
        # Written bytes, such as goodbyes to parked polls, leave by the reactor.
        await deferLater(self.engine.clock, _GRACE)

    async def _stop_listening(self) -> None:
        self._listens = False
        ports, self._ports = self._ports, []
        await DeferredList([maybeDeferred(port.stopListening) for port in ports])


def _several(endpoints: Endpoint | Iterable[Endpoint]) -> list[Endpoint]:
    # Bytes are refused as an endpoint, not number by number.
    if isinstance(endpoints, Iterable) and not isinstance(endpoints, (str, bytes)):
        return list(endpoints)
    return [endpoints]
