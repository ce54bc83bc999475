"""A slot: the place of a worker, which another process takes when one ends.

`_TABLE` has the events of a slot and its reactions; the processes themselves are in
`txengineio.twistd.supervisor.process`.

=============  ===================================================================
state          meaning
=============  ===================================================================
``EMPTY``      nothing was started
``STARTING``   a process loads; nobody serves
``SERVING``    a process serves
``REPLACING``  a process serves, and another one loads that is to take its place
``PAUSED``     the process has ended; another one is started later
``STOPPING``   nothing is started any more
=============  ===================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from txengineio.twistd.supervisor.control import Order
from txengineio.twistd.supervisor.process import WorkerProcess, WorkerState

__all__ = ["MAX_PAUSE", "STEADY", "Slot", "SlotState", "pause_after"]

STEADY: Final = 30.0
"""Seconds after which a worker has proved that it can serve."""

MAX_PAUSE: Final = 60.0
"""Seconds: the longest pause before a worker is started again."""

_GROWS: Final = 6
"""How often the pause doubles before it is the longest."""


class SlotState(Enum):
    """The states of a slot."""

    EMPTY = auto()
    STARTING = auto()
    SERVING = auto()
    REPLACING = auto()
    PAUSED = auto()
    STOPPING = auto()


class _Event(Enum):
    """The events of a slot."""

    START = auto()
    READY = auto()
    """The process that was starting serves."""
    FAILED = auto()
    """The process that was starting has ended."""
    LOST = auto()
    """The process that was serving has ended."""
    REPLACE = auto()
    STOP = auto()


_TABLE: Final = {
    (SlotState.EMPTY, _Event.START): (SlotState.STARTING, "_start"),
    (SlotState.EMPTY, _Event.STOP): (SlotState.STOPPING, "_stop"),
    (SlotState.STARTING, _Event.READY): (SlotState.SERVING, "_is_ready"),
    (SlotState.STARTING, _Event.FAILED): (SlotState.PAUSED, "_pause"),
    (SlotState.STARTING, _Event.STOP): (SlotState.STOPPING, "_stop"),
    (SlotState.SERVING, _Event.LOST): (SlotState.PAUSED, "_pause"),
    (SlotState.SERVING, _Event.REPLACE): (SlotState.REPLACING, "_start"),
    (SlotState.SERVING, _Event.STOP): (SlotState.STOPPING, "_stop"),
    (SlotState.REPLACING, _Event.READY): (SlotState.SERVING, "_exchange"),
    (SlotState.REPLACING, _Event.FAILED): (SlotState.SERVING, "_keep"),
    (SlotState.REPLACING, _Event.LOST): (SlotState.STARTING, "_count"),
    (SlotState.REPLACING, _Event.STOP): (SlotState.STOPPING, "_stop"),
    (SlotState.PAUSED, _Event.START): (SlotState.STARTING, "_start_again"),
    (SlotState.PAUSED, _Event.REPLACE): (SlotState.STARTING, "_start_again"),
    (SlotState.PAUSED, _Event.STOP): (SlotState.STOPPING, "_stop"),
}
"""The effect of each event on a slot; events that are not here have none."""


def pause_after(failures: int) -> float:
    """Return the seconds until a worker is started again.

    Args:
        failures: How many have ended in a row before this one without proving that they
            can serve.
    """
    if failures > _GROWS:
        return MAX_PAUSE
    return 2.0 ** (failures - 1) if failures else 0.0


class Slot:
    """The place of one worker.

    Args:
        number: Which one it is, from 0.
        spawn: Starts a process for a slot, which it is given; returns it.
        clock: For pauses.
        drain_timeout: Seconds that sessions have to end.
        changed: Called when the slot has lost a worker or got a new one.

    Attributes:
        state: What there is in it.
        restarts: How often it has got another process because one had ended by itself.
        failure: Why the process that was started last could not start; empty if it
            could.
    """

    _log = Logger()

    def __init__(
        self,
        number: int,
        spawn: Callable[[Slot], WorkerProcess],
        clock: Any,
        drain_timeout: float,
        changed: Callable[[], object],
    ) -> None:
        self.number = number
        self.state = SlotState.EMPTY
        self.restarts = 0
        self.failure = ""
        self._spawn = spawn
        self._clock = clock
        self._drain_timeout = drain_timeout
        self._changed = changed
        self._processes: list[WorkerProcess] = []
        # The one that serves, and the one that is starting.
        self._serving: WorkerProcess | None = None
        self._starting: WorkerProcess | None = None
        self._failures = 0
        self._has_served = False
        self._later: IDelayedCall | None = None
        self._replaced: Deferred[bool] | None = None
        self._replaces: WorkerProcess | None = None

    # --- what the supervisor wants ----------------------------------------------------

    @property
    def processes(self) -> list[WorkerProcess]:
        """The processes that have not ended, those that are leaving among them."""
        return list(self._processes)

    def start(self) -> None:
        """Start a worker, and another one each time that one ends."""
        self._happens(_Event.START)

    def replace(self) -> Deferred[bool]:
        """Start another process for the slot; then the one that serves leaves.

        Returns:
            Fires with True when the old process is gone, and with False if it stays
            because the new one could not start, or if the slot stops.
        """
        self._replaced = done = Deferred[bool]()
        self._happens(_Event.REPLACE)
        return done

    def stand_in(self, slots: list[int]) -> None:
        """Let the process that serves, if there is one, accept for other slots, too."""
        if self._serving is not None:
            self._serving.stand_in(slots)

    def stop(self) -> None:
        """Let all processes come to their end; start no more."""
        self._happens(_Event.STOP)

    def _happens(self, event: _Event) -> None:
        row = _TABLE.get((self.state, event))
        if row is not None:
            self.state, action = row
            getattr(self, action)()

    # --- what happens to its processes ------------------------------------------------

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Let it serve."""
        self._log.info(
            "{name} is ready: node {node}", name=worker.name, node=worker.node
        )
        self.failure = ""
        self._happens(_Event.READY)

    def worker_drained(self, worker: WorkerProcess) -> None:
        """Tell the supervisor, which waits until all are."""
        self._changed()

    def worker_ended(self, worker: WorkerProcess) -> None:
        """Act on the end of a process."""
        self._processes.remove(worker)
        if worker is self._starting:
            self._starting = None
            self.failure = worker.failure or (
                f"{worker.name} ended with {worker.end} before it was ready"
            )
            self._tell_failure()
            self._happens(_Event.FAILED)
        elif worker is self._serving:
            self._serving = None
            if self.state is not SlotState.STOPPING:
                self._log.error("{name} ended: {end}", name=worker.name, end=worker.end)
            self._lost(worker)
        else:
            self._log.info("{name} has left", name=worker.name)
        if worker is self._replaces:
            self._replaces = None
            self._answer(done=True)
        self._changed()

    def _tell_failure(self) -> None:
        # The first time, the supervisor ends, and says why; when it waits for a
        # replacement, it says it itself. When it stops, it kills those that still load,
        # which is no fault of theirs.
        is_told_by_slot = self._has_served and self._replaced is None
        if is_told_by_slot and self.state is not SlotState.STOPPING:
            self._log.error("{failure}", failure=self.failure)

    def _lost(self, worker: WorkerProcess) -> None:
        if self._clock.seconds() - worker.served_at >= STEADY:
            self._failures = 0
        self._happens(_Event.LOST)

    # --- what it does -----------------------------------------------------------------

    def _start_again(self) -> None:
        self._cancel_pause()
        self._count()
        self._start()

    def _start(self) -> None:
        self._starting = self._spawn(self)
        self._processes.append(self._starting)

    def _is_ready(self) -> None:
        self._serving, self._starting = self._starting, None
        self._has_served = True
        self._answer(done=True)
        self._changed()

    def _pause(self) -> None:
        pause = pause_after(self._failures)
        self._failures += 1
        if pause and self._has_served:
            self._log.warn(
                "slot {slot} gets another worker in {pause:g} s",
                slot=self.number,
                pause=pause,
            )
        self._later = self._clock.callLater(pause, self._restart)
        self._answer(done=False)

    def _restart(self) -> None:
        self._later = None
        self._happens(_Event.START)

    def _count(self) -> None:
        self.restarts += 1
        self._changed()

    def _exchange(self) -> None:
        """Let the new process have the place of the old one."""
        old, new = self._serving, self._starting
        self._serving, self._starting = new, None
        self._failures = 0
        self._replaces = old
        if old is not None and new is not None:
            old.leave(Order.RETIRE, new.node, self._drain_timeout)
        self._changed()

    def _keep(self) -> None:
        self._answer(done=False)

    def _stop(self) -> None:
        self._cancel_pause()
        self._answer(done=False)
        for worker in self.processes:
            worker.leave(Order.STOP, None, self._drain_timeout)

    def _answer(self, *, done: bool) -> None:
        waiting, self._replaced = self._replaced, None
        if waiting is not None:
            waiting.callback(done)

    def _cancel_pause(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    # --- what the supervisor asks -----------------------------------------------------

    @property
    def serves(self) -> bool:
        """Whether a process serves."""
        return self._serving is not None

    @property
    def is_vacant(self) -> bool:
        """Whether nobody accepts: no process serves, or the one that does hangs."""
        return self._serving is None or self._serving.seems_to_hang

    @property
    def is_drained(self) -> bool:
        """Whether no process is left that has something to do before it ends."""
        return all(each.state is WorkerState.DRAINED for each in self._processes)
