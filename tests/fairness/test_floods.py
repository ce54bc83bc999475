"""While clients send what costs the most, everybody else is served.

The bounds are those of `docs/security.md`, which are for a core of its own: what is
measured is the server's processor time, however much of a core it gets.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fairness.floods import FLOODS, OPENING, handshake
from tests.interop.certificates import make_certificates

pytestmark = pytest.mark.socket

SLACK = 2
"""How many times slower a processor may be, and one whose caches others use, too."""

LATENESS = 0.05 * SLACK
WAIT = 0.1 * SLACK
CROWD_WAIT = 2.0 * SLACK

HERE = Path(__file__).parent


@contextmanager
def process(name: str, *arguments: object) -> Iterator[tuple[int, str]]:
    """Run a program; yields its process id, and what it says in its first line."""
    command = [sys.executable, str(HERE / name), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.pid, running.stdout.readline()
        finally:
            running.kill()


def clock_of(pid: int) -> int:
    """Return the clock of a process's processor time, as `clock_getcpuclockid` does.

    Elsewhere than on Linux that number is another one: there it is the time of day.
    """
    return (~pid << 3) | 2 if sys.platform == "linux" else time.CLOCK_MONOTONIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """A server, and what it is to others.

    Attributes:
        clock: The clock of its processor time.
        engine: The port of the engine.
        other: The port of the other service of its reactor.
        report: The port that tells how late a timer was.
        tls: How the engine is spoken to.
    """

    clock: int
    engine: int
    other: int
    report: int
    tls: ssl.SSLContext | None = None

    def handshake(self, request: bytes, expected: bytes) -> float:
        """Open a session; return what the server did meanwhile, in seconds."""

        def talk(connection: socket.socket) -> None:
            connection.sendall(request)
            received = b""
            while expected not in received:
                received += connection.recv(65_536)

        return self._timed(self.engine, talk, self.tls)

    def other_service(self) -> float:
        """Return what the server does until its other service answers, in seconds."""

        def talk(connection: socket.socket) -> None:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"

        return self._timed(self.other, talk)

    def lateness(self) -> float:
        """Return how late a timer was, at most."""
        with socket.create_connection(("127.0.0.1", self.report), 60) as connection:
            connection.sendall(b"?")
            return float(json.loads(connection.recv(100)))

    def _timed(
        self,
        port: int,
        talk: Callable[[socket.socket], None],
        tls: ssl.SSLContext | None = None,
    ) -> float:
        began = time.clock_gettime(self.clock)
        with ExitStack() as stack:
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), 60)
            )
            if tls is not None:
                connection = stack.enter_context(tls.wrap_socket(connection))
            talk(connection)
            return time.clock_gettime(self.clock) - began

    def ask(self, times: int) -> dict[str, float]:
        """Return how long each has waited, at most, and how late a timer was."""
        self.lateness()
        taken: dict[str, float] = {}
        for _ in range(times):
            for name, took in (
                ("polling", self.handshake(handshake("polling"), b"sid")),
                ("websocket", self.handshake(OPENING, b"sid")),
                ("other", self.other_service()),
            ):
                taken[name] = max(taken.get(name, 0.0), took)
            time.sleep(0.02)
        return {**taken, "timers": self.lateness()}


@contextmanager
def flooded(
    name: str,
    clients: int = 1,
    *,
    reactor: str = "epoll",
    site: str = "listen",
    pem: str | None = None,
) -> Iterator[Flooded]:
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    served = [reactor, site] if pem is None else [reactor, site, pem]
    with process("server.py", *served) as (pid, ports):
        engine, other, report = json.loads(ports)
        tls = () if pem is None else ("tls",)
        with process("flooder.py", engine, clients, name, *tls) as (_, said):
            assert said == "ready\n"
            yield Flooded(
                clock=clock_of(pid),
                engine=engine,
                other=other,
                report=report,
                tls=context,
            )


def assert_served(taken: dict[str, float], wait: float = WAIT) -> None:
    timers = taken.pop("timers")
    assert max(taken.values()) <= wait, taken
    assert timers <= (LATENESS if wait == WAIT else wait), timers


@pytest.mark.parametrize("name", FLOODS)
def test_one_client_keeps_nobody_waiting(name: str) -> None:
    with flooded(name) as server:
        assert_served(server.ask(20))


@pytest.mark.parametrize("name", ["pings", "fragments", "messages"])
@pytest.mark.parametrize("reactor", ["epoll", "asyncio"])
def test_nor_where_connections_stay_with_their_reactor(name: str, reactor: str) -> None:
    with flooded(name, reactor=reactor, site="resource") as server:
        assert_served(server.ask(20))


@pytest.mark.parametrize("name", ["pings", "messages"])
def test_nor_over_tls(name: str, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    pem = tmp_path / "both.pem"
    parts = (certificates.server_key, certificates.server)
    pem.write_text("".join(Path(part).read_text() for part in parts))
    with flooded(name, pem=str(pem)) as server:
        assert_served(server.ask(20))


@pytest.mark.parametrize("site", ["listen", "resource"])
@pytest.mark.parametrize("name", ["pings", "messages"])
def test_five_hundred_clients_keep_nobody_waiting_for_long(
    name: str, site: str
) -> None:
    with flooded(name, 500, site=site) as server:
        assert_served(server.ask(5), CROWD_WAIT)
