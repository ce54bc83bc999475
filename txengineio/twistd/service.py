"""The service of twistd's commands: it listens, and it ends well."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override

from txengineio.cluster.workers import Workers
from txengineio.errors import InvalidOption
from txengineio.observing.packet_log import PacketLog
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.web.site import EngineIOSite, engine_site, path_segments
from txengineio.twistd.endpoints import CannotStart, cannot_listen

__all__ = ["DEFAULT_DRAIN_TIMEOUT", "GC_THRESHOLD", "EngineIOService", "Place", "Words"]

DEFAULT_DRAIN_TIMEOUT: Final = 1.5
"""Seconds that stopping waits for sessions to end before it drops them."""

GC_THRESHOLD: Final = 5_000
"""New objects after which the garbage collector looks at them.

Python's own 700, or 2,000, are those of some hundred sessions. While thousands come and
stay, each of them would be looked at again and again, though hardly anything here is
garbage that only a collector finds.
"""

_GRACE: Final = 0.1
"""Seconds that the answers to parked polls get to leave the process."""

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is served beside the engine.

    Attributes:
        purpose: What is served, for the log.
        description: The endpoint as it was asked for; errors name it so.
        endpoint: Where to listen.
        site: What is served.
        path: Where people find it there.
    """

    purpose: str
    description: str
    endpoint: IStreamServerEndpoint
    site: Site
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How the service speaks of what it serves.

    Attributes:
        program: What errors begin with.
        protocol: What is served.
        application: What answers the clients; by default the engine's application.
        pages: What people find on the same site: a line for the log, and a path.
    """

    program: str = "twistd engineio"
    protocol: str = "Engine.IO"
    application: str | None = None
    pages: Sequence[tuple[str, str]] = ()


class EngineIOService(Service):
    """Serves an engine while it runs.

    Args:
        engine: The engine.
        endpoints: Where to listen, each with the description that errors name.
        path: The path to serve.
        reactor: The reactor.
        beside: What the same site serves beside the engine.
        others: What is served elsewhere.
        drain_timeout: Seconds that stopping may wait for sessions to end.
        drain_spread: How many of them are ended in a second; None for all at once.
        owns_process: Whether nothing else matters in the process: a second signal to
            stop drops everything at once, and the garbage collector is told to leave
            alone what is loaded when the service starts, and not to look at the rest
            that often.
        workers: The node that the engine is among the processes of this machine.
        words: How it speaks of what it serves.
        packet_log: Logs packets while it runs.

    Attributes:
        site: What is served on the endpoints.
        others: What is served elsewhere.
        words: How it speaks of what it serves.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 - the command line's parts, each used once
        self,
        engine: Engine,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        path: str,
        reactor: Any,
        *,
        beside: Mapping[bytes, Resource] | None = None,
        others: Sequence[Place] = (),
        drain_timeout: float = DEFAULT_DRAIN_TIMEOUT,
        drain_spread: float | None = None,
        owns_process: bool = False,
        workers: Workers | None = None,
        words: Words | None = None,
        packet_log: PacketLog | None = None,
    ) -> None:
        self.engine = engine
        if path_segments(path):
            beside = {b"healthz": HealthResource(engine), **(beside or {})}
        self.site = engine_site(engine, path, beside=beside, reactor=reactor)
        self._endpoints = endpoints
        self._path = path
        self.others = others
        self._reactor = reactor
        self._drain_timeout = drain_timeout
        self._drain_spread = drain_spread
        self._owns_process = owns_process
        self._workers = workers
        self._packet_log = packet_log
        self.words = words or Words()
        self._ports: list[IListeningPort] = []
        self._listens = False

    @override
    def privilegedStartService(self) -> None:
        """Listen; ports below 1024 may still be had now.

        Raises:
            SystemExit: An endpoint cannot listen; its text says which and why.
        """
        super().privilegedStartService()
        self._listens = True
        for description, endpoint in self._endpoints:
            port = self._listen(description, endpoint, self.site)
            self._log.info(
                "{protocol} is served at {url} (transports: {transports})",
                protocol=self.words.protocol,
                url=_url(port, description, f"{self._path.rstrip('/')}/"),
                transports=", ".join(self.engine.options.transports),
            )
            for text, path in self.words.pages:
                self._log.info(
                    "{text}: {url}", text=text, url=_url(port, description, path)
                )
        for place in self.others:
            port = self._listen(place.description, place.endpoint, place.site)
            self._log.info(
                "{purpose}: {url}",
                purpose=place.purpose,
                url=_url(port, place.description, place.path),
            )

    def _listen(
        self, description: str, endpoint: IStreamServerEndpoint, site: Site
    ) -> IListeningPort:
        outcome: list[IListeningPort | Failure] = []
        endpoint.listen(site).addBoth(outcome.append)
        # Nothing that describes an endpoint needs more time than the call.
        port = outcome[0] if outcome else Failure(TimeoutError("not at once"))
        if isinstance(port, Failure):
            cannot_listen(self.words.program, description, port.value)
        self._ports.append(port)
        return port

    @override
    def startService(self) -> None:
        """Say what runs; listen first if that was not done before."""
        super().startService()
        if not self._listens:
            self.privilegedStartService()
        if self._packet_log is not None:
            self._packet_log.start()
        if self._workers is not None:
            self._join(self._workers)
        self._log.info(
            "The application is {name}",
            name=self.words.application or _name_of(self.engine.application),
        )
        if self._owns_process:
            _spare_collector()

    def _join(self, workers: Workers) -> None:
        """Let the others know of this node, before a client can come to it.

        Raises:
            SystemExit: That does not work; the text says why.
        """
        sites = [self.site, *(place.site for place in self.others)]
        for site in sites:
            if isinstance(site, EngineIOSite):
                workers.serve(site)
        try:
            workers.start()
        except (InvalidOption, OSError) as error:
            raise CannotStart(
                f"{self.words.program}: cannot join as node {workers.node}: {error}"
            ) from error
        self._log.info(
            "Node {node} has found {count} others",
            node=workers.node,
            count=len(workers.peers()),
        )

    @override
    def stopService(self) -> Deferred[None]:
        """Let no new session in, bring the others to their end, stop listening.

        Returns:
            Fires soon after the drain timeout, whatever the clients do.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        ports, self._ports = self._ports, []
        self._log.info(
            "Stopping with {count} sessions open", count=len(self.engine.sessions)
        )
        with self._second_signal_aborts():
            # Still listening: who polls comes for the rest on a new connection, and
            # load balancers see that there is nothing more to be had here.
            await self.engine.drain(self._drain_timeout, spread=self._drain_spread)
        await DeferredList([maybeDeferred(port.stopListening) for port in ports])
        if self._workers is not None:
            self._workers.stop()
        # What was written, goodbyes to parked polls among it, leaves by the reactor.
        await deferLater(self._reactor, _GRACE)
        if self._packet_log is not None:
            self._packet_log.stop()

    @contextmanager
    def _second_signal_aborts(self) -> Iterator[None]:
        if not self._owns_process:
            yield
            return

        def caught(number: int, _frame: object) -> None:
            self._reactor.callFromThread(self._abort, signal.Signals(number).name)

        before = {each: signal.signal(each, caught) for each in _STOP_SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _abort(self, name: str) -> None:
        self._log.warn(
            "{signal} again: {sessions} sessions are dropped",
            signal=name,
            sessions=len(self.engine.sessions),
        )
        self.engine.close()
        self.engine.abort_connections()


def _spare_collector() -> None:
    """Keep the garbage collector from what stays, where it is that of CPython."""
    if not hasattr(gc, "freeze") or not hasattr(gc, "set_threshold"):
        # PyPy's collector has neither, and does not look at everything each time.
        return
    # Modules stay for good: to look at them again in each full collection would stop
    # everything for some 15 ms. To look once more now takes longer, and finds next to
    # nothing.
    gc.freeze()
    young, *others = gc.get_threshold()
    # A threshold that is higher, or 0 for never, was chosen by somebody.
    if 0 < young < GC_THRESHOLD:
        gc.set_threshold(GC_THRESHOLD, *others)


def _name_of(application: object) -> str:
    runs = getattr(application, "protocol", None) or type(application)
    return f"{runs.__module__}.{runs.__qualname__}"


def _url(port: IListeningPort, description: str, path: str) -> str:
    """Return where a client connects: a URL, or the path of a Unix socket."""
    address: Any = port.getHost()
    host = getattr(address, "host", None)
    if host is None:
        return f"{description} ({path})"
    scheme = "https" if description.startswith(("ssl:", "tls:")) else "http"
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{address.port}{path}"
