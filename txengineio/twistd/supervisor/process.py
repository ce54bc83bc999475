"""A worker, as its supervisor sees it: a process that reports, and is given orders."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from itertools import chain
from typing import Any, Final, Protocol

from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.twistd.supervisor.control import (
    ORDERS,
    REPORTS,
    Assignment,
    Lines,
    Order,
    Report,
    line_of,
    message_in,
)
from txengineio.twistd.supervisor.logs import label_of, publish, publish_output

__all__ = ["TICKS", "OwnsWorkers", "WorkerProcess", "WorkerState", "end_of", "spawn"]

_PROGRAM: Final = f"{__name__.rpartition('.')[0]}.worker"
"""The module that a worker runs."""

TICKS: Final = 5
"""How often a worker should report within its time-out."""

_MISSED: Final = 2
"""Ticks without a report after which a worker seems to hang."""

START_TIMEOUT: Final = 120.0
"""Seconds that a worker may take until it serves; applications load a lot."""

_LATE: Final = 5.0
"""Seconds, beyond those for its sessions, after which a leaving worker is killed."""

_ABORT_TIMEOUT: Final = 2.0
"""Seconds that a worker has to end when it is told to drop everything."""

_PIPES_TIMEOUT: Final = 1.0
"""Seconds that pipes are read after a worker has ended: others may have them open."""


class WorkerState(Enum):
    """The states of a worker's life, in their order."""

    STARTING = auto()
    SERVING = auto()
    LEAVING = auto()
    DRAINED = auto()
    ENDED = auto()


_REPORTED: Final[dict[tuple[WorkerState, str], WorkerState]] = {
    (WorkerState.STARTING, Report.READY): WorkerState.SERVING,
    (WorkerState.LEAVING, Report.DRAINED): WorkerState.DRAINED,
}
"""The state that each report leads to; late reports change nothing."""


class OwnsWorkers(Protocol):
    """What a worker reports its life to."""

    def worker_ready(self, worker: WorkerProcess) -> None:
        """It serves."""

    def worker_drained(self, worker: WorkerProcess) -> None:
        """It has no sessions left, and waits."""

    def worker_ended(self, worker: WorkerProcess) -> None:
        """The process is gone."""


class WorkerProcess(ProcessProtocol):
    """A worker.

    Args:
        assignment: What it is.
        owner: What it reports its life to.
        clock: For deadlines.

    Attributes:
        state: Where it is in its life.
        slot: The number of its slot.
        node: The name of its node.
        name: What the log calls it.
        served_at: When it began to serve.
        failure: Why it could not start; None if it did, or has not said.
        end: How the process has ended; empty as long as it has not.
    """

    _log = Logger()
    transport: Any

    def __init__(self, assignment: Assignment, owner: OwnsWorkers, clock: Any) -> None:
        self.state = WorkerState.STARTING
        self.node = assignment.settings.node
        self.served_at = 0.0
        self.failure: str | None = None
        self.end = ""
        self.slot = assignment.settings.slot
        self.name = f"worker {label_of(self.slot)}"
        self._assignment = assignment
        self._owner = owner
        self._clock = clock
        self._lines = {number: Lines() for number in (1, 2, REPORTS)}
        self._silent = 0
        self._stands_in_for: list[int] = []
        self._deadline: IDelayedCall | None = None

    @override
    def connectionMade(self) -> None:
        """Tell the process what it is."""
        self.name = f"worker {label_of(self.slot)} (pid {self.transport.pid})"
        self.order(Order.ASSIGNMENT, self._assignment.to_value())

    def could_not_start(self, problem: Exception) -> None:
        """Report, a little later, that there is no process: none could be made."""
        self.state = WorkerState.ENDED
        self.failure = f"{self.name} cannot be started: {problem}"
        self._clock.callLater(0, self._owner.worker_ended, self)

    # --- orders -----------------------------------------------------------------------

    def order(self, order: Order, value: Any = None) -> None:
        """Give an order, if the process is still there."""
        if self.state is WorkerState.ENDED:
            return
        # The pipe may be gone before the process is.
        with suppress(KeyError):
            self.transport.writeToChild(ORDERS, line_of(order, value))

    def stand_in(self, slots: list[int]) -> None:
        """Let it accept for these other slots, and for no more."""
        if slots != self._stands_in_for:
            self._stands_in_for = slots
            self.order(Order.STAND_IN, slots)

    def leave(self, order: Order, value: Any, drain_timeout: float) -> None:
        """Let it end in the time that it needs, but not much longer.

        Args:
            order: `Order.RETIRE` or `Order.STOP`.
            value: What goes with the order.
            drain_timeout: Seconds that its sessions have.
        """
        if self.state is WorkerState.STARTING:
            # It has no clients to say goodbye to.
            self.state = WorkerState.LEAVING
            self.kill()
        elif self.state is WorkerState.SERVING:
            self.state = WorkerState.LEAVING
            self.order(order, value)
            self._kill_in(drain_timeout + _LATE)

    def abort(self) -> None:
        """Let it drop everything and end."""
        self.order(Order.ABORT)
        self._kill_in(_ABORT_TIMEOUT)

    def dismiss(self) -> None:
        """Let it end; nothing is left for it to do."""
        if self.state is WorkerState.ENDED:
            return
        self.transport.closeChildFD(ORDERS)
        self._kill_in(_LATE)

    def kill(self) -> None:
        """End it at once."""
        if self.state is WorkerState.ENDED:
            return
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def _kill_in(self, seconds: float) -> None:
        if self.state is WorkerState.ENDED:
            return
        self._cancel_deadline()
        self._deadline = self._clock.callLater(seconds, self._too_late, seconds)

    def _too_late(self, seconds: float) -> None:
        self._deadline = None
        if self.failure is None:
            # Otherwise it has said what is wrong.
            self._log.error(
                "{name} has not ended within {seconds:g} s: killed",
                name=self.name,
                seconds=seconds,
            )
        self.kill()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # --- reports ----------------------------------------------------------------------

    @override
    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Read the reports of the process."""
        for line in self._lines[childFD].received(data):
            self._said(childFD, line)

    def _said(self, descriptor: int, line: bytes) -> None:
        if descriptor != REPORTS:
            publish_output(self.slot, line)
            return
        word, value = message_in(line)
        self._silent = 0
        if word == Report.LOG:
            publish(self.slot, value)
        elif word == Report.FAILED:
            self.failure = json.loads(value)
            self._kill_in(_ABORT_TIMEOUT)
        elif (self.state, word) in _REPORTED:
            self.state = _REPORTED[self.state, word]
            self._has_moved()

    def _has_moved(self) -> None:
        if self.state is WorkerState.SERVING:
            self.served_at = self._clock.seconds()
            self._owner.worker_ready(self)
        else:
            # From now on it waits for the others.
            self._cancel_deadline()
            self._owner.worker_drained(self)

    def tick(self, seconds: float) -> None:
        """Count the time without a report; kill the process when it is too long.

        It is counted here, not measured: after a pause of the whole machine, or of the
        supervisor alone, the workers have time to report.

        Args:
            seconds: How often this is called.
        """
        self._silent += 1
        limit = TICKS
        if self.state is WorkerState.STARTING:
            limit = int(START_TIMEOUT / seconds)
        if self._silent == limit + 1:
            self._log.error(
                "{name} has given no sign of life for {seconds:g} s: killed",
                name=self.name,
                seconds=limit * seconds,
            )
            self.kill()

    @property
    def seems_to_hang(self) -> bool:
        """Whether it has not reported for a while, but may still do so."""
        return self._silent > _MISSED

    # --- the end ----------------------------------------------------------------------

    @override
    def processExited(self, reason: Failure) -> None:
        """Wait for the last words, but not for other processes with the same pipes."""
        self._cancel_deadline()
        self._close(0, ORDERS)
        self._deadline = self._clock.callLater(_PIPES_TIMEOUT, self._stop_reading)

    def _stop_reading(self) -> None:
        self._deadline = None
        self._close(*self._lines)

    def _close(self, *pipes: int) -> None:
        for number in pipes:
            self.transport.closeChildFD(number)

    @override
    def processEnded(self, reason: Failure) -> None:
        """Report that the process is gone; all its reports have been read."""
        self._cancel_deadline()
        for number, lines in self._lines.items():
            # Half a report says nothing: the process was killed as it wrote.
            if number != REPORTS and (rest := lines.rest()):
                publish_output(self.slot, rest)
        self.end = end_of(reason)
        self.state = WorkerState.ENDED
        self._owner.worker_ended(self)


def end_of(reason: Failure) -> str:
    """Return how a process has ended, in words."""
    error: Any = reason.value
    if not isinstance(error, ProcessTerminated):
        return "status 0"
    if error.signal is None:
        return f"status {error.exitCode}"
    try:
        return signal.Signals(error.signal).name
    except ValueError:
        # Most of the real-time signals have no name.
        return f"signal {error.signal}"


def spawn(
    reactor: Any,
    worker: WorkerProcess,
    assignment: Assignment,
    sockets: Sequence[Sequence[int]],
    folder: str,
) -> None:
    """Start the process of a worker.

    Args:
        reactor: The reactor.
        worker: The worker.
        assignment: What it is told; it says under which numbers it has the sockets.
        sockets: The same sockets, by their numbers here.
        folder: Where the process starts: the current directory of the command line.
    """
    pipes: dict[int, int | str] = {0: "w", 1: "r", 2: "r", REPORTS: "r", ORDERS: "w"}
    inherited = zip(chain(*assignment.sockets), chain(*sockets), strict=True)
    program = sys.executable
    reactor.spawnProcess(
        worker,
        program,
        [program, "-m", _PROGRAM, label_of(worker.slot)],
        env=None,
        path=folder,
        childFDs={**pipes, **dict(inherited)},
    )
