"""Supervisors with their workers, as processes."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.connection import make_request, parse_response
from tests.test_plugin import POLLING, Running, get, receive

__all__ = ["DEADLINE", "PAUSE", "Workers", "assert_gone", "running", "until"]

DEADLINE: Final = 60.0
PAUSE: Final = 0.05


class Workers(Running):
    """A supervisor and its workers; ended with the test, whatever happens."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("--workers", "3", *arguments)

    def pids(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return [int(each) for each in children.split()]

    def pid_of(self, slot: int) -> int:
        for pid in self.pids():
            if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0w%d\0" % slot):
                return pid
        raise AssertionError(f"nobody has slot {slot}")

    def directory(self) -> Path:
        """Where the workers find each other."""
        pid = self.pids()[0]
        held = set()
        for each in Path(f"/proc/{pid}/fd").iterdir():
            # It may have closed one meanwhile.
            with suppress(FileNotFoundError):
                held.add(os.readlink(each))
        for line in Path(f"/proc/{pid}/net/unix").read_text("ascii").splitlines():
            # There may be other supervisors, of tests that run at the same time.
            inode, _, path = line.partition("/")
            found = re.search(r"^(\S*/engineio-\w+)/\.?w\d\w+$", f"/{path}")
            if found and f"socket:[{inode.split()[-1]}]" in held:
                return Path(found[1])
        raise AssertionError("the workers have no directory")

    def open(self) -> str:
        """Open a session; return its target."""
        with self.connect() as connection:
            sid = get(connection, POLLING).partition('"sid":"')[2].partition('"')[0]
        return f"{POLLING}&sid={sid}"

    def open_on(self, slot: int) -> str:
        """Open a session on a worker; its place may just have none."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            # What waited for a worker that has just ended is reset.
            with suppress(ConnectionError):
                session = self.open()
                # In a cluster, the name of the machine comes before.
                if re.search(rf"sid=\w*?w{slot}[a-z]+-", session):
                    return session
        raise AssertionError(f"slot {slot} gets no session")

    def ask(self, target: str, body: bytes | None = None) -> tuple[int, str]:
        method = "GET" if body is None else "POST"
        with self.connect() as connection:
            connection.sendall(make_request(method, target, body))
            parsed = parse_response(receive(connection, parse_response))
        assert parsed is not None
        return parsed[0].status, parsed[0].text

    def say(self, session: str, text: str = "hello") -> str:
        """Send a message; return the answer."""
        assert self.ask(session, f"4{text}".encode()) == (200, "ok")
        status, answer = self.ask(session)
        assert status == 200
        return answer.removeprefix("4")

    def read(self) -> str:
        """Return the log, as far as it has come."""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        while data := self.process.stdout.read():
            self.lines.append(data.decode())
        os.set_blocking(self.process.stdout.fileno(), True)
        return self.output

    def logs(self, text: str, times: int = 1) -> None:
        """Wait until the log says something for the so-many-th time."""
        until(
            lambda: self.read().count(text) >= times,
            lambda: f"not {times} times {text!r} in:\n{self.output}",
        )

    def stopped(self) -> str:
        """Stop it; return the log."""
        self.read()
        status, _ = self.stop(signal.SIGTERM)
        assert status in (0, -signal.SIGTERM)
        return self.output


def until(holds: Callable[[], object], problem: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, problem()
        time.sleep(PAUSE)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").split()[2] == "Z"
    except OSError:
        return True


def assert_gone(*pids: int) -> None:
    until(lambda: all(map(is_gone, pids)), lambda: f"not all of {pids} are gone")


@contextmanager
def running(*arguments: str) -> Iterator[Callable[..., Workers]]:
    """Give what starts supervisors; they end, whatever happens.

    Args:
        arguments: What is on the command line of each.
    """
    started: list[Workers] = []

    def start(*more: str) -> Workers:
        started.append(Workers(*arguments, *more))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            # The workers of one that is killed end by themselves.
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()
            assert each.process.stdout is not None
            each.process.stdout.close()
