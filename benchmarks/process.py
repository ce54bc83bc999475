"""A server process: pinned to a processor, asked for what it has used."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import clock_gettime_ns, monotonic, sleep
from typing import IO, Self

from benchmarks.load.loop import Address

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
# How often a process that is starting is asked whether it listens.
_START_PAUSE = 0.002
_LISTENING = "0A"
_NANOSECONDS = 1e9
_CPUCLOCK_SCHED = 2


class ServerFailed(Exception):
    """A server did not start, or ended by itself."""


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """Run on one processor for a while; child processes inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class ServerProcess:
    """A running server; as a context manager it ends with the block."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cpu: int,
        environment: Mapping[str, str],
        directory: Path,
        log: IO[str],
    ) -> None:
        with pinned(cpu):
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Return the process itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and wait for its end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)

    def wait_until_listening(self) -> Address:
        """Wait until the process listens, and return where.

        Raises:
            ServerFailed: It ended, or took too long.
        """
        deadline = monotonic() + _START_SECONDS
        while monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"ended with {self._process.returncode}")
            port = listening_port(self.pid)
            if port is not None:
                return Address("127.0.0.1", port)
            sleep(_START_PAUSE)
        raise ServerFailed(f"did not listen within {_START_SECONDS:g} s")

    def cpu_seconds(self) -> float:
        """Return the processor time of all threads, its workers' too, user and system.

        It is the kernel's own account in nanoseconds: the process's processor
        clocks, whose number `clock_getcpuclockid` makes of the process id.
        """
        clocks = ((~pid << 3) | _CPUCLOCK_SCHED for pid in self._processes())
        return sum(map(clock_gettime_ns, clocks)) / _NANOSECONDS

    def _processes(self) -> list[int]:
        """List the process and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]

    def memory_bytes(self) -> int:
        """Return the proportional set size."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise ServerFailed("no Pss in smaps_rollup")


def listening_port(pid: int) -> int | None:
    """Return the port of a listening IPv4 socket that the process has open.

    The kernel is asked, so no server has to announce its port in some way.
    """
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            sockets = {os.readlink(each.path) for each in descriptors}
        table = Path(f"/proc/{pid}/net/tcp").read_text()
    except OSError:
        # The process has just ended, or closed a descriptor meanwhile.
        return None
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rpartition(":")[2], 16)
    return None
