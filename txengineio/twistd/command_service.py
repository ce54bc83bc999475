"""The service of twistd's commands: more is served, and the process is its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override

from txengineio.cluster.forwarding.releasing import release
from txengineio.cluster.workers import Workers
from txengineio.errors import InvalidOption
from txengineio.observing.packet_log import PacketLog
from txengineio.server.engine import Engine
from txengineio.server.web.site import EngineIOSite
from txengineio.twistd.cluster_flags import said_of
from txengineio.twistd.endpoints import CannotStart, url_of
from txengineio.twistd.service import DEFAULT_DRAIN_TIMEOUT, EngineIOService
from txengineio.twistd.signals import STOP_SIGNALS, caught
from txengineio.twistd.supervisor.control import WorkerSettings

__all__ = ["GC_THRESHOLD", "CommandService", "Place", "Words"]

GC_THRESHOLD: Final = 5_000
"""New objects after which the garbage collector looks at them.

Python's own 700, or 2,000, are those of some hundred sessions. While thousands come and
stay, each of them would be looked at again and again, though hardly anything here is
garbage that only a collector finds.
"""


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
    """The words for what the service serves, in logs and errors.

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


class CommandService(EngineIOService):
    """Serves an engine, and what a command line asks for beside it, in a process.

    A second signal to stop drops everything at once. When the service starts, the
    garbage collector is told to ignore what is loaded by then, and to run less often.

    Args:
        engine: The engine.
        endpoints: Where to listen, each with the description that errors name.
        path: The path to serve.
        beside: What the same site serves beside the engine.
        others: What is served elsewhere.
        drain_timeout: Seconds that stopping may wait for sessions to end.
        drain_spread: How many of them are ended in a second; None for all at once.
        workers: The engine's node among the processes of this machine.
        words: The words for what it serves, in logs and errors.
        packet_log: Logs packets while it runs.
        worker: The place of this process among the workers of a supervisor, which logs
            where they listen; None if it is no worker.

    Attributes:
        others: What is served elsewhere.
        words: As given.
        worker: As given.
    """

    def __init__(  # noqa: PLR0913 - the command line's parts, each used once
        self,
        engine: Engine,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        path: str,
        *,
        beside: Mapping[bytes, Resource] | None = None,
        others: Sequence[Place] = (),
        drain_timeout: float = DEFAULT_DRAIN_TIMEOUT,
        drain_spread: float | None = None,
        workers: Workers | None = None,
        words: Words | None = None,
        packet_log: PacketLog | None = None,
        worker: WorkerSettings | None = None,
    ) -> None:
        super().__init__(
            engine,
            [],
            path,
            beside=beside,
            drain_timeout=drain_timeout,
            drain_spread=drain_spread,
        )
        self._endpoints = [*endpoints]
        self.others = others
        self._workers = workers
        self._packet_log = packet_log
        self.words = words or Words()
        self.program = self.words.program
        self.worker = worker

    @override
    def privilegedStartService(self) -> None:
        if self._workers is not None and self._shares_address:
            # As soon as this worker listens for other machines, which is before it has
            # joined, they may connect to it for any worker of this machine.
            self._meet(self._workers, is_open=False)
        super().privilegedStartService()
        for place in self.others:
            self._listen(
                place.description, place.endpoint, place.site, self._tell_of(place)
            )

    @override
    def _served(self, port: IListeningPort, description: str) -> None:
        self._tell(
            "{protocol} is served at {url} (transports: {transports})",
            protocol=self.words.protocol,
            url=url_of(port, description, f"{self._path.rstrip('/')}/"),
            transports=", ".join(self.engine.options.transports),
        )
        for text, path in self.words.pages:
            self._tell("{text}: {url}", text=text, url=url_of(port, description, path))

    def _tell_of(self, place: Place) -> Callable[[IListeningPort, str], None]:
        def served(port: IListeningPort, description: str) -> None:
            url = url_of(port, description, place.path)
            self._tell("{purpose}: {url}", purpose=place.purpose, url=url)

        return served

    def _tell(self, line: str, **fields: str) -> None:
        """Log where something is, unless the supervisor does so for all workers."""
        if self.worker is None:
            self._log.info(line, **fields)

    @override
    def startService(self) -> None:
        super().startService()
        if self._packet_log is not None:
            self._packet_log.start()
        if self._workers is not None and not self._shares_address:
            self._meet(self._workers)
        _spare_collector()

    @property
    def _shares_address(self) -> bool:
        """Whether the workers of this machine have one address for other machines."""
        return self.worker is not None and self.engine.joins is not None

    @override
    def _said_of(self, error: object) -> str:
        return said_of(error)

    @override
    def _application_name(self) -> str:
        return self.words.application or super()._application_name()

    def _meet(self, workers: Workers, *, is_open: bool = True) -> None:
        """Let the others of this machine know of this node, before a client can come.

        Args:
            workers: This node among them.
            is_open: Whether they may send new sessions here.

        Raises:
            SystemExit: That does not work; the text says why.
        """
        sites = [self.site, *(place.site for place in self.others)]
        for site in sites:
            if isinstance(site, EngineIOSite):
                workers.serve(site)
        try:
            workers.start(is_open=is_open)
        except (InvalidOption, OSError) as error:
            raise CannotStart(
                f"{self.program}: cannot join as node {workers.node}: {error}"
            ) from error
        self._log.info(
            "Node {node} has found {count} others",
            node=workers.node,
            count=len(workers.peers()),
        )

    @override
    async def _stop(self) -> None:
        with caught(self.engine.clock, STOP_SIGNALS, self._dropped_by):
            await self.drain()
        await self._stop_listening()
        if self._workers is not None and self.engine.joins is None:
            # Otherwise it does so when it leaves, together with the rest.
            await release(self._workers.forwarders(), self.engine.clock)
        await self.engine.leave()
        if self._workers is not None:
            # What was said when sessions ended, too.
            await self._workers.flush()
            self._workers.stop()
        await self._flush_goodbyes()
        if self._packet_log is not None:
            self._packet_log.stop()

    async def retire(self, successor: str) -> None:
        """Leave new sessions to another worker, and bring the open ones to their end.

        Args:
            successor: The node of that worker, which listens on the same sockets.
        """
        self._log.info(
            "Handing over to node {node}, with {count} sessions open",
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
    """Spare the garbage collector the objects that stay, with CPython."""
    if not hasattr(gc, "freeze") or not hasattr(gc, "set_threshold"):
        # PyPy's collector has neither setting, and does not look at everything each
        # time.
        return
    # Modules stay for good: looking at them again in each full collection would stop
    # everything for some 15 ms. Another collection now takes longer, and finds next to
    # nothing.
    gc.freeze()
    young, *others = gc.get_threshold()
    # A higher threshold, or 0 for never, was set on purpose.
    if 0 < young < GC_THRESHOLD:
        gc.set_threshold(GC_THRESHOLD, *others)
