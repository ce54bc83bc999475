"""Workers in memory: their processes do what the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.twistd.supervisor.control import (
    ORDERS,
    REPORTS,
    Assignment,
    Report,
    WorkerSettings,
    line_of,
)
from txengineio.twistd.supervisor.process import WorkerProcess


def assignment(slot: int = 0, node: str = "w0a", timeout: float = 10.0) -> Assignment:
    return Assignment(
        settings=WorkerSettings(
            slot=slot, workers=2, node=node, directory="/nodes", restarts=[0, 0]
        ),
        command="module:Options",
        arguments=["--workers", "2"],
        sockets=[[5, 6]],
        reactor="twisted.internet.selectreactor",
        path=["/path"],
        folder="/folder",
        timeout=timeout,
    )


def state_of(thing: Any) -> Any:
    """The state, of which a type checker remembers nothing."""
    return thing.state


class Process:
    """The transport of a worker, and the process behind it."""

    pid = 1234

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.assignment: Any = None
        self.sockets: Sequence[Sequence[int]] = ()
        self.orders: list[str] = []
        self.closed: list[int] = []
        self.has_ended = False
        worker.makeConnection(self)

    def writeToChild(self, number: int, data: bytes) -> None:  # noqa: N802
        assert number == ORDERS
        if ORDERS in self.closed or self.has_ended:
            raise KeyError(number)
        self.orders += data.decode().splitlines()

    def closeChildFD(self, number: int) -> None:  # noqa: N802
        self.closed.append(number)

    def signalProcess(self, name: str) -> None:  # noqa: N802
        if self.has_ended:
            raise ProcessExitedAlready
        assert name == "KILL"
        self.dies()

    def reports(self, report: Report, value: Any = None) -> None:
        self.worker.childDataReceived(REPORTS, line_of(report, value))

    def ends(self, status: int = 0) -> None:
        self._is_over(ProcessTerminated(status) if status else ProcessDone(0))

    def dies(self) -> None:
        self.is_ended_by(9)

    def is_ended_by(self, signal: int) -> None:
        self._is_over(ProcessTerminated(None, signal))

    def _is_over(self, reason: Exception) -> None:
        self.has_ended = True
        self.worker.processExited(Failure(reason))
        self.worker.processEnded(Failure(reason))

    @property
    def last_order(self) -> str:
        return self.orders[-1]


class Owner:
    """Remembers what it was told of workers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def worker_ready(self, worker: WorkerProcess) -> None:
        self.told.append("ready")

    def worker_drained(self, worker: WorkerProcess) -> None:
        self.told.append("drained")

    def worker_ended(self, worker: WorkerProcess) -> None:
        self.told.append(worker.end)


class TurningReactor(MemoryReactorClock):
    """Turns when it is asked to: a function sees to what happens meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Callable[[], object]] = []
        self._left = 200

    @override
    def iterate(self, delay: float = 0.0) -> None:
        if self.turns:
            self.turns.pop(0)()
        self._left -= 1
        assert self._left, "it would turn forever"
        self.advance(delay)

    def callFromThread(  # noqa: N802 - Twisted's name
        self, callable: Any, *args: Any, **kwargs: Any
    ) -> None:
        self.callLater(0, callable, *args, **kwargs)


@implementer(ILogObserver)
class Log:
    """What is logged while it listens."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)

    def __enter__(self) -> Log:
        globalLogPublisher.addObserver(self)
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self)

    @property
    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
