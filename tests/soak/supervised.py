"""A server with workers, what is done to them, and what that comes to."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.history import Event, Fate
from tests.soak.ledger import APPLICATION, VARIABLE

__all__ = ["PING_INTERVAL", "SupervisedServer", "Worker"]

PING_INTERVAL = 5.0

_ROOT = Path(__file__).parents[2]
_RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
_URL = re.compile(r"served at http://127\.0\.0\.1:(\d+)/")
_WORKER = r"worker w(\d+) \(pid (\d+)\)"
_READY = re.compile(rf"{_WORKER} is ready: node (\w+)")
_DIED = re.compile(rf"{_WORKER} (?:has .*: killed|ended: \w+)$")
_LEFT = re.compile(rf"{_WORKER} has left")
_LEAVES = re.compile(r"^(\S+) .*\[w(\d+)\] Handing over to node (\w+)")
_ROLLED = re.compile(r"All workers are replaced|keeps its worker")
_PAUSE = 0.05
_LATE = 1.0
"""Seconds by which the log may tell later than clients notice."""

_DEADLINE = 60.0
_STAMP = "%Y-%m-%dT%H:%M:%S%z"


@dataclass(slots=True)
class Worker:
    """A process that has served.

    Attributes:
        slot: Its place.
        pid: Its id.
        node: The name that its sessions begin with.
        has_ended: Whether it is known to be gone.
        is_stopped: Whether it is stopped now.
        leaves_since: When it began to tell its sessions goodbye, or up to a second
            before; None if it did not.
    """

    slot: int
    pid: int
    node: str
    has_ended: bool = False
    is_stopped: bool = False
    leaves_since: float | None = None


class SupervisedServer:
    """``twistd engineio --workers``; its log tells what happens.

    Args:
        workers: How many.
        timeout: Seconds after which a worker that hangs is killed.
        folder: Where the ledger is, and the log.

    Attributes:
        port: Where it listens.
        workers: All that have served so far, by their nodes.
        fates: What has become of those to whom something has happened.
        outages: From when to when no worker served.
        ledger: The file that the application writes.
    """

    port: int

    def __init__(self, workers: int, timeout: float, folder: Path) -> None:
        self.workers: dict[str, Worker] = {}
        self.fates: dict[str, Fate] = {}
        self.outages: list[tuple[float, float]] = []
        self.ledger = folder / "ledger"
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._log = folder / "log"
        self._count = workers
        self._timeout = timeout
        self._read = 0
        self._text = ""
        self._rolls = False
        self._nobody_since: float | None = None

    async def start(self) -> None:
        environment = {
            **os.environ,
            VARIABLE: os.fspath(self.ledger),
            # The directory in which the workers find each other is made there.
            "TMPDIR": os.fspath(self._temporary),
        }
        command = [
            *(sys.executable, "-c", _RUN_TWISTD, "-n", "--pidfile=", "engineio"),
            *("--port", "0", "--app", APPLICATION, "--workers", str(self._count)),
            *("--worker-timeout", str(self._timeout), "--drain-timeout", "2"),
            *("--ping-interval", str(PING_INTERVAL), "--ping-timeout", "15"),
        ]
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=_ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self.until(lambda: f"{self._count} workers serve" in self._text)
        found = _URL.search(self._text)
        assert found is not None, self._text
        self.port = int(found[1])

    # --- what its log says ------------------------------------------------------------

    async def watch(self) -> None:
        """Read the log until this is cancelled."""
        while True:
            self.read_log()
            await asyncio.sleep(_PAUSE)

    def read_log(self) -> str:
        """Take in what has come to the log since; return all of it."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        text = whole.decode(errors="replace")
        self._text += text
        for line in text.splitlines():
            self._take(line)
        return self._text

    def _take(self, line: str) -> None:
        if found := _READY.search(line):
            node = found[3]
            self.workers[node] = Worker(int(found[1]), int(found[2]), node)
            self._look_who_serves()
        elif found := _LEAVES.search(line):
            self._leaves(int(found[2]), found[3], _moment_of(found[1]))
        elif found := _DIED.search(line):
            # One that had not begun to serve is nobody's.
            if worker := self._by_pid(int(found[2])):
                self._died(worker, time.monotonic() - _LATE)
        elif found := _LEFT.search(line):
            if worker := self._by_pid(int(found[2])):
                worker.has_ended = True
                since = worker.leaves_since or 0.0
                left = Fate(Event.RETIRED, since, has_left=True)
                self.fates.setdefault(worker.node, left)
        elif _ROLLED.search(line):
            self._rolls = False

    def _by_pid(self, pid: int) -> Worker | None:
        found = [each for each in self.workers.values() if each.pid == pid]
        return found[-1] if found else None

    def _leaves(self, slot: int, successor: str, since: float) -> None:
        """Note that a worker tells its sessions goodbye; it may be dead by now."""
        others = (each for each in self.workers.values() if each.slot == slot)
        *_, worker = (each for each in others if each.node != successor)
        worker.leaves_since = since
        known = self.fates.get(worker.node)
        if known is not None:
            since = min(since, known.since)
            self.fates[worker.node] = replace(known, since=since, has_left=True)

    def _died(self, worker: Worker, since: float) -> None:
        if worker.has_ended:
            return
        worker.has_ended = True
        self._look_who_serves()
        known = self.fates.get(worker.node)
        if known is None:
            known = _killed(worker, since, 0.0)
        self.fates[worker.node] = replace(known, dead=time.monotonic())

    def _look_who_serves(self) -> None:
        """Note from when to when nobody does."""
        now = time.monotonic()
        if any(not each.is_stopped for each in self.living()):
            if self._nobody_since is not None:
                self.outages.append((self._nobody_since, now))
                self._nobody_since = None
        elif self._nobody_since is None:
            self._nobody_since = now

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, of the log or otherwise."""
        deadline = time.monotonic() + _DEADLINE
        while not holds():
            assert time.monotonic() < deadline, self._text[-5000:]
            assert self._process.returncode is None, self._text[-5000:]
            await asyncio.sleep(_PAUSE)
            self.read_log()

    @property
    def is_settled(self) -> bool:
        """Whether one worker serves in each slot, and none is being replaced."""
        return not self._rolls and len(self.living()) == self._count

    def living(self) -> list[Worker]:
        """List the workers that serve, for all that is known."""
        return [each for each in self.workers.values() if not each.has_ended]

    # --- what is done to it -----------------------------------------------------------

    def kill(self, worker: Worker) -> None:
        """Kill a worker."""
        self._send(worker, signal.SIGKILL)
        self._died(worker, time.monotonic())

    async def stop_for(self, worker: Worker, seconds: float) -> None:
        """Stop a worker for a while; one that is too long it does not survive."""
        if seconds >= self._timeout:
            now = time.monotonic()
            self.fates[worker.node] = _killed(worker, now, now + self._timeout)
        self._send(worker, signal.SIGSTOP)
        worker.is_stopped = True
        self._look_who_serves()
        await asyncio.sleep(seconds)
        self._send(worker, signal.SIGCONT)
        worker.is_stopped = False
        self._look_who_serves()

    def _send(self, worker: Worker, number: signal.Signals) -> None:
        # One that has just ended has no id any more, or somebody else has it.
        if worker.pid in self.processes():
            os.kill(worker.pid, number)

    def replace(self, _worker: Worker) -> None:
        """Have a worker replaced, as all others."""
        self.roll()

    def roll(self) -> None:
        """Have all workers replaced, unless that is under way."""
        if self._rolls:
            return
        self._rolls = True
        self._process.send_signal(signal.SIGHUP)

    # --- what there is of it ----------------------------------------------------------

    def descriptors(self) -> dict[str, int]:
        """Count the open descriptors of the supervisor and of each slot's worker."""
        pids = {"supervisor": self._process.pid}
        pids |= {f"w{each.slot}": each.pid for each in self.living()}
        return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in pids.items()}

    def processes(self) -> set[int]:
        """List the supervisor and its children."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return {pid, *map(int, children.split())}

    async def end(self) -> list[str]:
        """Stop it; list what is wrong with how it ended, and what it leaves."""
        pids = self.processes()
        self._process.terminate()
        status = await asyncio.wait_for(self._process.wait(), _DEADLINE)
        problems = []
        if status not in (0, -signal.SIGTERM):
            problems.append(f"the supervisor ended with {status}")
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        if left:
            problems.append(f"{len(left)} processes are left")
        if names := os.listdir(self._temporary):
            problems.append(f"files are left: {names}")
        log = self.read_log()
        for word in ("Traceback", "Unhandled", "was lost"):
            if word in log:
                at = log.index(word)
                problems.append(log[max(0, at - 500) : at + 2500])
        return problems

    def destroy(self) -> None:
        """End whatever is left of it, at once."""
        if self._process.returncode is None:
            # The workers find out, and end by themselves.
            self._process.kill()


def _killed(worker: Worker, since: float, dead: float) -> Fate:
    """Return the fate of a worker, which may have been leaving already."""
    if worker.leaves_since is None:
        return Fate(Event.KILLED, since, dead)
    return Fate(Event.KILLED, min(since, worker.leaves_since), dead, has_left=True)


def _moment_of(stamp: str) -> float:
    """Return the time of a line in the log, on the clock of `Session`.

    The log has whole seconds.
    """
    ago = datetime.now(UTC) - datetime.strptime(stamp, _STAMP)
    return time.monotonic() - ago.total_seconds()
