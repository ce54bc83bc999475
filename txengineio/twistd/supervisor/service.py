"""The service of the supervisor: sockets, slots, and the signals for them."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from pathlib import Path
from shutil import rmtree
from string import ascii_lowercase
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.process import reapAllProcesses
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.twistd.endpoints import CannotStart, cannot_listen, url_of
from txengineio.twistd.signals import STOP_SIGNALS, caught
from txengineio.twistd.supervisor.control import (
    ORDERS,
    Assignment,
    Order,
    WorkerSettings,
)
from txengineio.twistd.supervisor.logs import label_of
from txengineio.twistd.supervisor.process import TICKS, WorkerProcess, WorkerState
from txengineio.twistd.supervisor.process import spawn as spawn_process
from txengineio.twistd.supervisor.slots import Slot
from txengineio.twistd.supervisor.sockets import Binder

__all__ = ["Launch", "Listening", "SupervisorService", "SupervisorState", "generation"]

_NOBODY: Final = Factory()
"""A factory for ports here, where nothing is accepted."""

_TURN: Final = 0.05
"""Seconds that the reactor may wait at a time while the workers start."""

_GENERATIONS: Final = 26 + 26**2 + 26**3
"""How many names of up to three letters there are."""

_LAST_TURNS: Final = 100
"""How often it turns for workers that are killed because one could not start."""


class SupervisorState(Enum):
    """The states of the supervisor, in their order."""

    IDLE = auto()
    STARTING = auto()
    RUNNING = auto()
    STOPPING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the workers listen.

    Attributes:
        description: The endpoint as it was asked for; errors name it so.
        endpoint: The endpoint, which listens by the `Binder`.
        lines: What is there, for the log: a text each, and a path.
    """

    description: str
    endpoint: IStreamServerEndpoint
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The settings that all workers are started with.

    Attributes:
        program: What errors begin with.
        command: The class of the command line, as ``module:name``.
        arguments: The command line.
        folder: The directory that the command line was given in.
        workers: How many there are.
        timeout: Seconds without a sign of life after which one is killed.
        drain_timeout: Seconds that sessions have to end.
        machine: The name of this machine among others, which the names of its nodes
            begin with; empty if it is alone.
    """

    program: str
    command: str
    arguments: list[str]
    folder: str
    workers: int
    timeout: float
    drain_timeout: float
    machine: str = ""


class SupervisorService(Service):
    """Runs the workers of a server.

    It binds the sockets, keeps a process in each slot, replaces all of them one after
    the other on SIGHUP, and lets them drain when it stops.

    Args:
        launch: The settings that the workers are started with.
        binder: What the endpoints listen by.
        listening: Where the workers listen.
        reactor: The reactor.
        spawn: Starts a process; takes what `process.spawn` does.

    Attributes:
        state: Where it is in its life.
        slots: The places of the workers.
    """

    _log = Logger()

    def __init__(
        self,
        launch: Launch,
        binder: Binder,
        listening: Sequence[Listening],
        reactor: Any,
        spawn: Callable[..., object] = spawn_process,
    ) -> None:
        self.state = SupervisorState.IDLE
        self._launch = launch
        self._binder = binder
        self._listening = listening
        self._reactor = reactor
        self._spawn_process = spawn
        self._started = 0
        self._lines: list[tuple[str, str]] = []
        self._listens = False
        self._directory = ""
        self._folder = ""
        self._restarts = [0] * launch.workers
        self._has_to_roll = False
        self._is_rolling = False
        self._all_ended: Deferred[None] | None = None
        self._signals = ExitStack()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor
        self.slots = [
            Slot(number, self._spawn, reactor, launch.drain_timeout, self._changed)
            for number in range(launch.workers)
        ]

    # --- starting ---------------------------------------------------------------------

    @override
    def privilegedStartService(self) -> None:
        """Bind the sockets; ports below 1024 may still be had now.

        Raises:
            SystemExit: An endpoint cannot listen; the text says which and why.
        """
        super().privilegedStartService()
        self._listens = True
        for each in self._listening:
            outcome: list[IListeningPort | Failure] = []
            each.endpoint.listen(_NOBODY).addBoth(outcome.append)
            port = outcome[0] if outcome else Failure(TimeoutError("not at once"))
            if isinstance(port, Failure):
                self._binder.close()
                cannot_listen(self._launch.program, each.description, port.value)
            self._lines += [
                (text, url_of(port, each.description, path))
                for text, path in each.lines
            ]

    @override
    def startService(self) -> None:
        """Start the workers, and wait until all serve.

        Raises:
            SystemExit: One of them cannot start; the text says why.
        """
        super().startService()
        if not self._listens:
            self.privilegedStartService()
        self.state = SupervisorState.STARTING
        self._directory = tempfile.mkdtemp(prefix="engineio-")
        # Asked once: later, the folder may have been removed.
        self._folder = str(Path.cwd())
        self._signals.enter_context(
            caught(self._reactor, [signal.SIGHUP], lambda _name: self.roll())
        )
        problem = self._start_all()
        if problem is not None:
            self._give_up()
            raise CannotStart(problem)
        self.state = SupervisorState.RUNNING
        # When the reactor runs: from then on signals end this process in good order.
        self._reactor.callWhenRunning(self._say_where)

    def _say_where(self) -> None:
        for text, url in self._lines:
            self._log.info("{text} {url}", text=text, url=url)
        self._log.info("{count} workers serve", count=len(self.slots))

    def _start_all(self) -> str | None:
        """Start the workers; return why that has failed, or None.

        The reactor does not run yet, and turns here instead: the program that has
        started this process learns from its end whether that worked.
        """
        told: list[str] = []
        with caught(self._reactor, STOP_SIGNALS, told.append):
            self._ticking.start(self._launch.timeout / TICKS, now=False)
            for slot in self.slots:
                slot.start()
            while not all(slot.serves for slot in self.slots):
                self._turn()
                for slot in self.slots:
                    if slot.failure:
                        return self._named(slot.failure)
                if told:
                    return f"{self._launch.program}: {told[0]} came before it served"
        return None

    def _named(self, problem: str) -> str:
        """Name the program in front of the problem, as the service of a worker does."""
        program = f"{self._launch.program}: "
        return problem if problem.startswith(program) else f"{program}{problem}"

    def _turn(self) -> None:
        """Let the reactor handle pending events."""
        self._reactor.iterate(_TURN)
        # Before it runs, it does not learn of a process that has ended.
        reapAllProcesses()

    def _give_up(self) -> None:
        """End everything that was started."""
        for slot in self.slots:
            slot.stop()
            for worker in slot.processes:
                worker.kill()
        for _ in range(_LAST_TURNS):
            if not self._processes:
                break
            self._turn()
        self._clean_up()
        # Ports close in a turn of the reactor.
        self._turn()

    def _spawn(self, slot: Slot) -> WorkerProcess:
        """Start a process for a slot."""
        self._started += 1
        sockets = self._binder.descriptors()
        numbers = count(ORDERS + 1)
        launch = self._launch
        assignment = Assignment(
            settings=WorkerSettings(
                slot=slot.number,
                workers=launch.workers,
                node=f"{launch.machine}{label_of(slot.number)}"
                f"{generation(self._started)}",
                directory=self._directory,
                restarts=[each.restarts for each in self.slots],
            ),
            command=launch.command,
            arguments=launch.arguments,
            sockets=[[next(numbers) for _ in place] for place in sockets],
            reactor=type(self._reactor).__module__,
            path=sys.path,
            folder=self._folder,
            timeout=launch.timeout,
        )
        worker = WorkerProcess(assignment, slot, self._reactor)
        try:
            self._spawn_process(
                self._reactor, worker, assignment, sockets, launch.folder
            )
        except Exception as problem:
            # Whatever it is, the slot must hear that it has no process.
            worker.could_not_start(problem)
        return worker

    # --- while it runs ----------------------------------------------------------------

    @property
    def _processes(self) -> list[WorkerProcess]:
        return [worker for slot in self.slots for worker in slot.processes]

    def _tick(self) -> None:
        for worker in self._processes:
            worker.tick(self._launch.timeout / TICKS)
        self._let_stand_in()

    def _changed(self) -> None:
        """Act on a change in a slot."""
        restarts = [slot.restarts for slot in self.slots]
        if restarts != self._restarts:
            self._restarts = restarts
            for worker in self._processes:
                worker.order(Order.RESTARTS, restarts)
        self._let_stand_in()
        if self.state is SupervisorState.STOPPING and all(
            slot.is_drained for slot in self.slots
        ):
            for worker in self._processes:
                worker.dismiss()
            if not self._processes and self._all_ended is not None:
                waiting, self._all_ended = self._all_ended, None
                waiting.callback(None)

    def _let_stand_in(self) -> None:
        """Let the workers that serve accept for the slots where nobody does."""
        if self.state is SupervisorState.STARTING:
            # The start may still fail.
            return
        vacant = [slot.number for slot in self.slots if slot.is_vacant]
        for slot in self.slots:
            slot.stand_in(vacant)

    def roll(self) -> None:
        """Replace the workers, one after the other, as after a change of the code.

        During a replacement, do it once more afterwards: later changes are served, too.
        """
        if self.state is not SupervisorState.RUNNING:
            self._log.info("SIGHUP: no worker is replaced while they start or stop")
            return
        self._has_to_roll = True
        if not self._is_rolling:
            rolled = Deferred.fromCoroutine(self._roll())
            rolled.addErrback(lambda why: self._log.failure("SIGHUP failed", why))

    async def _roll(self) -> None:
        self._is_rolling = True
        try:
            while self._has_to_roll and self.state is SupervisorState.RUNNING:
                self._has_to_roll = False
                self._log.info("SIGHUP: each worker is replaced")
                if await self._replace_all():
                    self._log.info("All workers are replaced")
        finally:
            self._is_rolling = False

    async def _replace_all(self) -> bool:
        for slot in self.slots:
            if not await slot.replace():
                if self.state is SupervisorState.RUNNING:
                    self._log.error(
                        "slot {slot} keeps its worker, and so do those after it: "
                        "{failure}",
                        slot=slot.number,
                        failure=slot.failure,
                    )
                return False
        return True

    # --- stopping ---------------------------------------------------------------------

    @override
    def stopService(self) -> Deferred[None]:
        """Let all workers drain, and end.

        Returns:
            Fires soon after the drain timeout, whatever the clients do.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.state = SupervisorState.STOPPING
        self._log.info("Stopping {count} workers", count=len(self._processes))
        self._all_ended = ended = Deferred[None]()
        with caught(self._reactor, STOP_SIGNALS, self._abort):
            for slot in self.slots:
                slot.stop()
            self._changed()
            await ended
        await self._clean_up()

    def _abort(self, name: str) -> None:
        self._log.warn(
            "{signal} again: {count} workers drop everything",
            signal=name,
            count=len(self._processes),
        )
        for worker in self._processes:
            if worker.state is not WorkerState.DRAINED:
                worker.abort()

    def _clean_up(self) -> Deferred[Any]:
        if self._ticking.running:
            self._ticking.stop()
        self._signals.close()
        rmtree(self._directory, ignore_errors=True)
        return self._binder.close()


def generation(number: int) -> str:
    """Return the letters for a number from 1 on: a, b … z, aa, ab … zzz, a and so on.

    Names are short; nobody remembers the first ones by then.
    """
    letters = ""
    number = 1 + (number - 1) % _GENERATIONS
    while number:
        number, last = divmod(number - 1, len(ascii_lowercase))
        letters = ascii_lowercase[last] + letters
    return letters
