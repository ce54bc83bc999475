"""``twistd engineio --workers`` as processes: served by, killed, replaced, stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.connection import make_request
from tests.examples import EXAMPLES
from tests.frames import CLOSE, TEXT, make_frame
from tests.supervised import DEADLINE, PAUSE, Workers, assert_gone, running
from tests.test_plugin import (
    POLLING,
    PROJECT,
    WEBSOCKET,
    command,
    get,
    open_websocket,
    read_frame,
    receive,
)
from tests.wiring import opening_headers

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]

APP = """
import time
from txengineio import EngineIOProtocol

class App(EngineIOProtocol):
    def messageReceived(self, message):
        if message == "hang":
            while True:
                time.sleep(0.1)
        self.session.send(f"{message} VERSION")
"""


@pytest.fixture
def run() -> Iterator[Callable[..., Workers]]:
    with running() as start:
        yield start


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application ``app_of_workers:App``."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(PROJECT))))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    path = tmp_path / "app_of_workers.py"
    path.write_text(APP.replace("VERSION", "one"), "utf-8")
    return path


def test_a_session_is_served_whichever_worker_its_requests_come_to(
    run: Callable[..., Workers],
) -> None:
    server = run()
    directory = server.directory()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(list(directory.iterdir())) == 3
    pids = server.pids()
    assert len(pids) == 3
    sessions = [server.open_on(slot) for slot in range(3)]
    for session in sessions * 10:
        assert server.say(session) == "hello"
    # The clients of all are told goodbye.
    with server.connect() as websocket:
        open_websocket(websocket)
        server.process.send_signal(signal.SIGTERM)
        assert read_frame(websocket) == (CLOSE, b"")
        websocket.sendall(make_frame(CLOSE))
    output = server.stopped()
    assert_gone(*pids)
    assert not directory.exists()
    assert "Traceback" not in output
    assert "[w0] The application is txengineio.twistd.options.EchoProtocol" in output
    assert "3 workers serve" in output


def test_one_worker_is_a_server_as_well(run: Callable[..., Workers]) -> None:
    server = run("--workers", "1")
    assert len(server.pids()) == 1
    assert server.say(server.open()) == "hello"
    assert "Traceback" not in server.stopped()


def test_members_of_the_example_are_on_all_workers(
    run: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(EXAMPLES), str(PROJECT))))
    server = run("--app", "workers_chat:Chat")
    members: dict[str, socket.socket] = {}
    for _ in range(200):
        connection = server.connect()
        connection.sendall(make_request("GET", WEBSOCKET, None, opening_headers()))
        greeting = receive(connection, lambda data: data.endswith(b"is your name?"))
        found = re.search(rb"4worker (w\d\w+), \d+ members", greeting)
        assert found is not None, greeting
        worker = found[1].decode()
        if members.setdefault(worker, connection) is not connection:
            connection.close()
        if len(members) == 3:
            break
    assert {worker[:2] for worker in members} == {"w0", "w1", "w2"}
    ada, *others = members.values()
    for said, heard in [(b"Ada", b"Ada has joined"), (b"hi", b"Ada says: hi")]:
        ada.sendall(make_frame(TEXT, b"4" + said))
        for member in members.values():
            assert read_frame(member) == (TEXT, b"4" + heard)
    ada.close()
    for member in others:
        assert read_frame(member) == (TEXT, b"4Ada has left")
        member.close()
    server.stopped()


# --- what cannot start ----------------------------------------------------------------


def fails(*arguments: str) -> tuple[int, str]:
    finished = subprocess.run(
        command("--workers", "2", *arguments),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


def assert_told_once(output: str, problem: str) -> None:
    """Assert that the last line, and no other, tells of a problem."""
    lines = output.strip().splitlines()
    problem = f"twistd engineio: {problem}"
    assert [line for line in lines if problem in line] == lines[-1:], output
    assert "Traceback" not in output


def test_an_application_that_is_not_there_is_told_in_one_line() -> None:
    status, output = fails("--port", "0", "--app", "nowhere.at_all:Name")
    assert status == 1
    assert_told_once(output, "--app nowhere.at_all:Name cannot be loaded")


def test_a_port_that_is_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = fails("--port", str(taken.getsockname()[1]))
    assert status == 1
    assert_told_once(output, "cannot listen on tcp:")
    assert output.rstrip().endswith("Address already in use")


def test_a_second_server_on_the_same_port_is_refused(
    run: Callable[..., Workers],
) -> None:
    server = run()
    status, output = fails("--port", str(server.port))
    assert status == 1
    assert output.rstrip().endswith("Address already in use")
    assert server.say(server.open()) == "hello"


def test_what_ends_without_a_word_is_told_in_one_line(app: Path) -> None:
    app.write_text("import os; os._exit(7)", "utf-8")
    status, output = fails("--port", "0", "--app", "app_of_workers:App")
    assert status == 1
    assert_told_once(output, "worker w")
    assert output.rstrip().endswith("ended with status 7 before it was ready")


# --- workers that end -----------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(
    run: Callable[..., Workers],
) -> None:
    server = run()
    lost, kept = server.open_on(0), server.open_on(1)
    killed = server.pid_of(0)
    with server.connect() as websocket:
        open_websocket(websocket)
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        assert server.say(kept) == "hello"
        server.logs(f"worker w0 (pid {killed}) ended: SIGKILL")
        server.open_on(0)
        assert time.monotonic() - began < 20
    assert server.ask(lost)[0] == 400
    assert server.say(kept) == "hello"
    assert len(server.pids()) == 3
    server.stopped()


def test_the_others_answer_at_once_while_a_slot_has_no_worker(
    run: Callable[..., Workers],
) -> None:
    server = run()
    for times in (1, 2):
        killed = server.pid_of(0)
        os.kill(killed, signal.SIGKILL)
        server.logs(f"(pid {killed}) ended: SIGKILL")
        if times == 1:
            server.logs("is ready: node w0", 2)
    # The next one is started after a second. One in three of these would wait for it.
    sessions = [server.open() for _ in range(30)]
    assert server.read().count("is ready: node w0") == 2
    assert {session.partition("sid=")[2][:2] for session in sessions} == {"w1", "w2"}
    for session in sessions:
        assert server.say(session) == "hello"
    # Then it has its share again.
    server.open_on(0)
    assert "Traceback" not in server.stopped()


def test_a_worker_that_is_stopped_is_killed_and_replaced(
    run: Callable[..., Workers],
) -> None:
    server = run("--worker-timeout", "2")
    kept = server.open_on(1)
    stopped = server.pid_of(0)
    os.kill(stopped, signal.SIGSTOP)
    server.logs(f"worker w0 (pid {stopped}) has given no sign of life for 2 s: killed")
    assert_gone(stopped)
    server.open_on(0)
    assert server.say(kept) == "hello"
    server.stopped()


def test_a_worker_that_hangs_says_where(app: Path, run: Callable[..., Workers]) -> None:
    server = run("--worker-timeout", "2", "--app", "app_of_workers:App")
    session = server.open_on(2)
    hangs = server.pid_of(2)
    with server.connect() as connection:
        connection.sendall(make_request("POST", session, b"4hang"))
        server.logs("[w2]   File")
        assert_gone(hangs)
    server.open_on(2)
    output = server.stopped()
    assert re.search(r'\[w2\]   File "\S+app_of_workers.py", line \d+ in mess', output)


def test_nothing_is_left_when_the_supervisor_is_killed(
    run: Callable[..., Workers],
) -> None:
    server = run("--drain-timeout", "0.5")
    directory = server.directory()
    pids = server.pids()
    with server.connect() as websocket:
        open_websocket(websocket)
        server.process.kill()
        assert read_frame(websocket) == (CLOSE, b"")
    assert_gone(*pids)
    assert not directory.exists()
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_a_second_signal_drops_everything(run: Callable[..., Workers]) -> None:
    server = run("--drain-timeout", "300")
    with server.connect() as websocket:
        open_websocket(websocket)
        server.process.send_signal(signal.SIGTERM)
        # It answers no close frame.
        assert read_frame(websocket) == (CLOSE, b"")
        assert server.process.poll() is None
        status, seconds = server.stop(signal.SIGTERM)
    assert status in (0, -signal.SIGTERM)
    assert seconds < DEADLINE
    assert "SIGTERM again: " in server.output


# --- replacing all --------------------------------------------------------------------


def test_new_code_is_served_and_nobody_is_refused(
    app: Path, run: Callable[..., Workers]
) -> None:
    server = run("--app", "app_of_workers:App")
    old = server.pids()
    session = server.open()
    assert server.say(session) == "hello one"
    app.write_text(APP.replace("VERSION", "two"), "utf-8")
    server.process.send_signal(signal.SIGHUP)
    refused = 0
    while "All workers are replaced" not in server.read():
        # Sessions may end, but each can be opened.
        status, _ = server.ask(POLLING)
        refused += status != 200
        time.sleep(PAUSE)
    assert refused == 0
    assert_gone(*old)
    assert len(server.pids()) == 3
    assert server.say(server.open()) == "hello two"
    assert server.ask(session)[0] == 400
    assert "Traceback" not in server.stopped()


def test_code_that_is_broken_changes_nothing(
    app: Path, run: Callable[..., Workers]
) -> None:
    server = run("--app", "app_of_workers:App")
    old = server.pids()
    session = server.open()
    app.write_text("class App(", "utf-8")
    server.process.send_signal(signal.SIGHUP)
    server.logs("slot 0 keeps its worker, and so do those after it: twistd engineio: ")
    assert set(server.pids()) == set(old)
    assert server.say(session) == "hello one"
    server.stopped()


def test_a_connection_that_is_kept_goes_to_the_successor(
    run: Callable[..., Workers],
) -> None:
    server = run("--workers", "1", "--drain-timeout", "5")
    with server.connect() as kept, server.connect() as websocket:
        first = get(kept, POLLING)
        open_websocket(websocket)
        server.process.send_signal(signal.SIGHUP)
        # The old worker waits for the answer to this, and is there until it comes.
        assert read_frame(websocket) == (CLOSE, b"")
        second = get(kept, POLLING)
        websocket.sendall(make_frame(CLOSE))
        assert '"sid":"w0a-' in first
        assert '"sid":"w0b-' in second
    server.logs("All workers are replaced")
    server.stopped()
