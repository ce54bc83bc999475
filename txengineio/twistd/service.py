"""The service of twistd's commands: it listens, and it ends well."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
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
from txengineio.twistd.endpoints import CannotStart, cannot_listen, url_of
from txengineio.twistd.signals import STOP_SIGNALS, caught
from txengineio.twistd.supervisor.control import WorkerSettings

__all__ = [
    "DEFAULT_DRAIN_TIMEOUT",
    "GC_THRESHOLD",
    "EngineIOService",
    "Place",
    "Words",
]

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
        worker: What this process is among the workers of a supervisor, which says in
            their place where they listen; None if it is no worker.

    Attributes:
        site: What is served on the endpoints.
        others: What is served elsewhere.
        words: How it speaks of what it serves.
        worker: As given.
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
        worker: WorkerSettings | None = None,
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
        self.worker = worker
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
            self._tell(
                "{protocol} is served at {url} (transports: {transports})",
                protocol=self.words.protocol,
                url=url_of(port, description, f"{self._path.rstrip('/')}/"),
                transports=", ".join(self.engine.options.transports),
            )
            for text, path in self.words.pages:
                self._tell(
                    "{text}: {url}", text=text, url=url_of(port, description, path)
                )
        for place in self.others:
            port = self._listen(place.description, place.endpoint, place.site)
            self._tell(
                "{purpose}: {url}",
                purpose=place.purpose,
                url=url_of(port, place.description, place.path),
            )

    def _tell(self, line: str, **fields: str) -> None:
        """Say where something is, unless the supervisor says it for all workers."""
        if self.worker is None:
            self._log.info(line, **fields)

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
        signals = STOP_SIGNALS if self._owns_process else ()
        with caught(self._reactor, signals, self._dropped_by):
            # Still listening: who polls comes for the rest on a new connection, and
            # load balancers see that there is nothing more to be had here.
            await self.drain()
        await self._stop_listening()
        if self._workers is not None:
            self._workers.stop()
        # What was written, goodbyes to parked polls among it, leaves by the reactor.
        await deferLater(self._reactor, _GRACE)
        if self._packet_log is not None:
            self._packet_log.stop()

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

    async def _stop_listening(self) -> None:
        ports, self._ports = self._ports, []
        await DeferredList([maybeDeferred(port.stopListening) for port in ports])

    async def retire(self, successor: str) -> None:
        """Leave what is new to another worker, and bring the sessions to their end.

        Args:
            successor: The node of that worker, which listens on the same sockets.
        """
        self._log.info(
            "Leaving to node {node}, with {count} sessions open",
            node=successor,
            count=len(self.engine.sessions),
        )
        await self._stop_listening()
        if self._workers is not None:
            self._workers.retire(successor)
        await self.drain()

    def abort(self) -> None:
        """Drop all sessions, and all connections."""
        self.engine.close()
        self.engine.abort_connections()

    def _dropped_by(self, name: str) -> None:
        self._log.warn(
            "{signal} again: {sessions} sessions are dropped",
            signal=name,
            sessions=len(self.engine.sessions),
        )
        self.abort()


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
