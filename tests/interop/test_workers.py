"""Clients of others at ``twistd engineio --workers 3``, directly and behind proxies."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK
from tests.interop.round_robin import ENGINE, PROXIES, check, running_in_front
from tests.interop.servers import HERE, PYTHON_CLIENT
from tests.interop.test_proxies import POLLING, Proxy
from tests.supervised import DEADLINE, PAUSE, Workers, running, until

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]

DIRECTLY = "directly"
FRONTS = [DIRECTLY, *PROXIES]
ROLLS = 10
CLIENTS = 8


def flags(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        yield f"--{name.replace('_', '-')}"
        yield str(value)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    app = ("--app", "tests.interop.twistd_app:APPLICATION")
    with running(*app, "--allow-eio3", *flags(ENGINE)) as start:
        server = start()
        yield server
        assert "Traceback" not in server.stopped()


@pytest.fixture(scope="module", params=FRONTS)
def front(
    request: pytest.FixtureRequest,
    require_program: RequireProgram,
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("front")
    if request.param == DIRECTLY:
        yield Proxy(workers.port, DIRECTLY, folder)
        return
    servers = [workers.port]
    with running_in_front(request.param, require_program, servers, folder) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client(node: str, front: Proxy, mode: str) -> None:
    check(front, [node, HERE / "node" / "session.mjs"], mode)


@pytest.mark.parametrize("mode", ["polling", "upgrade"])
def test_javascript_client_of_revision_3(node: str, front: Proxy, mode: str) -> None:
    check(front, [node, HERE / "node" / "session.mjs", "engine.io-client-3"], mode)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(front: Proxy, mode: str) -> None:
    check(front, [*PYTHON_CLIENT], mode, client="asyncio", connection={})


# --- clients that go on, whatever happens to the workers ------------------------------


class Client(threading.Thread):
    """Opens sessions, one after the other, and numbers what it sends in each.

    Args:
        port: Where the server is.
        name: What its messages begin with.
        keeps: Whether all of its requests go by one connection, for all sessions.

    Attributes:
        sessions: The ids of its sessions, and how each has ended for it.
        wrong: What should not have happened.
        echoes: How many of its messages have come back.
        cut_off: How often a connection ended before it had a session.
        gap: The longest time in which it could not get a message back, in seconds.
    """

    def __init__(self, port: int, name: str, *, keeps: bool = False) -> None:
        super().__init__()
        self.port = port
        self.prefix = name
        self.sessions: dict[str, str] = {}
        self.wrong: list[str] = []
        self.echoes = 0
        self.gap = 0.0
        self.cut_off = 0
        self.over = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._keeps = keeps

    @override
    def run(self) -> None:
        """Be a client until it is over."""
        try:
            last = time.monotonic()
            while not self.over.is_set():
                last = self._session(last)
        except Exception as problem:
            self.wrong.append(repr(problem))
        finally:
            if self._connection is not None:
                self._connection.close()

    def ask(self, target: str, body: str | None = None) -> tuple[int, str]:
        """Ask on a new connection, or on the one that is kept."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                LOOPBACK, self.port, timeout=DEADLINE
            )
            self._connection.connect()
            # So that it never makes another one by itself.
            self._connection.auto_open = 0
        try:
            self._connection.request("GET" if body is None else "POST", target, body)
            answer = self._connection.getresponse()
            status, text = answer.status, answer.read().decode()
        except Exception:
            self._connection.close()
            self._connection = None
            raise
        if not self._keeps:
            self._connection.close()
            self._connection = None
        return status, text

    def _session(self, last: float) -> float:
        """Be in a session until it ends; return when the last echo came."""
        try:
            status, text = self.ask(POLLING)
        except (ConnectionResetError, http.client.RemoteDisconnected):
            # A worker that was killed had it.
            self.cut_off += 1
            return last
        if status != 200:
            self.wrong.append(f"refused: {status} {text}")
            time.sleep(PAUSE)
            return last
        sid: str = json.loads(text[1:])["sid"]
        number = 0
        while not self.over.is_set():
            said = f"4{self.prefix} {sid} {number}"
            end = self._exchange(f"{POLLING}&sid={sid}", said)
            if end is not None:
                self.sessions[sid] = end
                return last
            number += 1
            self.echoes += 1
            self.gap = max(self.gap, time.monotonic() - last)
            last = time.monotonic()
        self.sessions[sid] = "open"
        return last

    def _exchange(self, session: str, said: str) -> str | None:
        """Send a message and get it back; return how the session has ended, if so."""
        try:
            status, text = self.ask(session, said)
            if status == 200:
                status, text = self.ask(session)
        except (ConnectionResetError, http.client.RemoteDisconnected):
            return "cut off"
        if status != 200:
            return f"{status} {json.loads(text)['code']}"
        packets = text.split("\x1e")
        if packets[-1] == "1":
            return "closed"
        if packets not in ([said], [said, "6"], ["6"]):
            self.wrong.append(f"{said!r} came back as {packets}")
        return None


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Tells how often each session has opened and ended, as the workers say."""
    file = tmp_path / "sessions"
    monkeypatch.setenv("SESSIONS", os.fspath(file))

    def count() -> tuple[Counter[str], Counter[str]]:
        opened: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for line in file.read_text("ascii").splitlines():
            what, _, sid = line.partition(" ")
            (opened if what == "opened" else ended)[sid] += 1
        return opened, ended

    return count


@pytest.fixture
def crowd() -> Iterator[Callable[[Workers], list[Client]]]:
    clients: list[Client] = []

    def begin(server: Workers) -> list[Client]:
        for number in range(CLIENTS):
            keeps = number % 2 == 0
            clients.append(Client(server.port, f"client{number}", keeps=keeps))
            clients[-1].start()
        return clients

    yield begin
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(DEADLINE)


def finish(clients: list[Client]) -> None:
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(DEADLINE)
        assert not client.is_alive()


def until_all_have_echoes(clients: list[Client]) -> None:
    """Wait until each client has had some more of its messages back."""
    before = [client.echoes for client in clients]
    until(
        lambda: all(
            client.echoes > last + 2
            for client, last in zip(clients, before, strict=True)
        ),
        lambda: "some clients do not come back",
    )


def assert_others_notice_nothing(
    node: str, clients: list[Client], kills: int = 1
) -> None:
    """Check that the end of a process has ended its own sessions only.

    A request for a session of another one may have been in that process, about to be
    handed over; then nobody knows its outcome.
    """
    ends = [each for client in clients for each in client.sessions.items()]
    lost = [sid for sid, end in ends if end != "open" and not sid.startswith(node)]
    assert len(lost) <= 2 * kills, lost


COUNTED = ("--app", "tests.interop.twistd_app:COUNTED")


@pytest.mark.timeout(900)
def test_nobody_is_refused_while_workers_are_replaced_ten_times(
    counted: Callable[[], Any], crowd: Callable[[Workers], list[Client]]
) -> None:
    with running("--workers", "2", "--drain-timeout", "1", *COUNTED) as start:
        server = start()
        clients = crowd(server)
        for number in range(1, ROLLS + 1):
            server.process.send_signal(signal.SIGHUP)
            server.logs("All workers are replaced", number)
        finish(clients)
        output = server.stopped()
    assert [problem for client in clients for problem in client.wrong] == []
    assert "Traceback" not in output
    opened, ended = counted()
    # Each session has ended, and once.
    assert set(opened.values()) == {1}
    assert ended == opened
    seen = [sid for client in clients for sid in client.sessions]
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(opened)
    ends = Counter(end for client in clients for end in client.sessions.values())
    assert [client.cut_off for client in clients] == [0] * CLIENTS
    # Nothing was cut off: each client was told, or asked in vain for what had ended.
    assert set(ends) <= {"closed", "400 1", "open"}
    assert sum(client.echoes for client in clients) > ROLLS * CLIENTS


def test_clients_of_a_killed_worker_are_back_soon_and_no_other_notices(
    counted: Callable[[], Any], crowd: Callable[[Workers], list[Client]]
) -> None:
    with running(*COUNTED) as start:
        server = start()
        clients = crowd(server)
        until(lambda: all(each.echoes > 10 for each in clients), lambda: "no echoes")
        for times in (1, 2):
            os.kill(server.pid_of(0), signal.SIGKILL)
            server.logs("ended: SIGKILL", times)
            until_all_have_echoes(clients)
            if times == 2:
                # They did not wait for the next one, which is started after a second.
                assert server.read().count("is ready: node w0") == times
            server.logs("is ready: node w0", times + 1)
        finish(clients)
        server.stopped()
    assert [problem for client in clients for problem in client.wrong] == []
    assert_others_notice_nothing("w0", clients, kills=2)
    assert max(client.gap for client in clients) < DEADLINE / 4
    opened, ended = counted()
    assert set(opened.values()) == set(ended.values()) == {1}


def test_clients_of_a_stopped_worker_are_back_after_it_was_killed(
    counted: Callable[[], Any], crowd: Callable[[Workers], list[Client]]
) -> None:
    with running("--worker-timeout", "2", *COUNTED) as start:
        server = start()
        clients = crowd(server)
        until(lambda: all(each.echoes > 10 for each in clients), lambda: "no echoes")
        stopped = server.pid_of(1)
        began = time.monotonic()
        os.kill(stopped, signal.SIGSTOP)
        server.logs(f"worker w1 (pid {stopped}) has given no sign of life for 2 s")
        # 2 seconds, and what the rounds of the supervisor add; and a busy machine. By
        # default it would be 30.
        assert time.monotonic() - began < 20
        server.logs("is ready: node w1", 2)
        until_all_have_echoes(clients)
        finish(clients)
        server.stopped()
    assert_others_notice_nothing("w1b-", clients)
