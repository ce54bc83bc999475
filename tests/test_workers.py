"""``twistd engineio --workers`` as processes: served by, killed, replaced, stopped."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import twisted
from tests.connection import Response, make_request, parse_response
from tests.examples import EXAMPLES
from tests.frames import CLOSE, TEXT, make_frame
from tests.interop.certificates import make_certificates
from tests.supervised import DEADLINE, PAUSE, Workers, assert_gone, running, until
from tests.test_plugin import (
    ANSWER_DEADLINE,
    POLLING,
    PROJECT,
    RUN_TWISTD,
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


AS_SYSTEMD = """\
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="a")"""

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


# --- all that works without workers ---------------------------------------------------


@pytest.mark.parametrize("reactor", ["select", "poll", "asyncio"])
def test_any_reactor(reactor: str, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", RUN_TWISTD, "-n", "--pidfile=", "-r", reactor),
            *("engineio", "--workers", "2", "--listen", f"unix:{path}:mode=600"),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )
    with process:
        try:
            assert process.stdout is not None
            begun = b""
            while b"2 workers serve" not in begun:
                line = process.stdout.readline()
                assert line, begun.decode()
                begun += line
            assert path.stat().st_mode & 0o777 == 0o600
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(DEADLINE)
                connection.connect(os.fspath(path))
                assert get(connection, POLLING).startswith("0{")
            process.terminate()
            process.wait(DEADLINE)
        finally:
            process.kill()
        assert process.stdout is not None
        output = process.stdout.read().decode()
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_a_socket_of_systemd() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        port, number = given.getsockname()[1], given.fileno()
        # As systemd starts it: the socket is descriptor 3.
        program = f"import os; os.dup2({number}, 3); {AS_SYSTEMD}; {RUN_TWISTD}"
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", program, "-n", "--pidfile="),
                *("engineio", "--workers", "2"),
                *("--listen", "systemd:domain=INET:index=0"),
            ],
            cwd=PROJECT,
            pass_fds=[number],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.settimeout(DEADLINE)
                assert get(connection, POLLING).startswith("0{")
            process.terminate()
            output, _ = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert b"Traceback" not in output, output.decode()


def python_for(user: str, environment: dict[str, str]) -> str | None:
    """Return a Python that a user may run, with all that is needed."""
    for each in (sys.executable, "/usr/bin/python3"):
        with suppress(OSError):
            tried = subprocess.run(
                [each, "-c", "import twisted.web, OpenSSL, txengineio.twistd"],
                cwd="/",
                env=environment,
                user=user,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            if not tried.returncode:
                return each
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_workers_run_as_the_user_that_twistd_becomes() -> None:
    user = pwd.getpwnam("nobody")
    packages = Path(twisted.__file__).parents[1]
    path = os.pathsep.join(map(str, (PROJECT, packages)))
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": "/tmp"}
    python = python_for("nobody", environment)
    if python is None:
        pytest.skip(f"the user nobody may not run Python, or not read {PROJECT}")
    process = subprocess.Popen(
        [
            *(python, "-c", RUN_TWISTD, "-n", "--pidfile="),
            *("--uid", str(user.pw_uid), "--gid", str(user.pw_gid)),
            *("engineio", "--workers", "2", "--listen", "tcp:0:interface=127.0.0.1"),
        ],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            output = ""
            while "2 workers serve" not in output:
                line = process.stdout.readline()
                assert line, output
                output += line
            pid = process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
            assert len(children.split()) == 2
            for each in (pid, *children.split()):
                assert Path(f"/proc/{each}").stat().st_uid == user.pw_uid
            served = re.search(r"http://127\.0\.0\.1:(\d+)/", output)
            assert served is not None, output
            with socket.create_connection(("127.0.0.1", int(served[1]))) as connection:
                connection.settimeout(ANSWER_DEADLINE)
                assert get(connection, POLLING).startswith("0{")
            process.terminate()
            output, _ = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert "Traceback" not in output


def test_in_the_background(tmp_path: Path) -> None:
    path, pid, log = (tmp_path / name for name in ("app.sock", "pid", "log"))
    twistd = [sys.executable, "-c", RUN_TWISTD, f"--pidfile={pid}", f"--logfile={log}"]
    listen = ["engineio", "--workers", "2", "--listen", f"unix:{path}"]

    def begin(*arguments: str) -> int:
        return subprocess.run(
            [*twistd, *listen, *arguments],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=DEADLINE,
            check=False,
        ).returncode

    with (tmp_path / "output").open("w+b") as output:
        assert begin() == 0, log.read_text("utf-8")
        # It had begun to serve before the command was over.
        supervisor = int(pid.read_text("ascii"))
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_DEADLINE)
            connection.connect(os.fspath(path))
            assert get(connection, POLLING).startswith("0{")
        os.kill(supervisor, signal.SIGTERM)
        until(lambda: not pid.exists(), lambda: log.read_text("utf-8"))
        assert_gone(supervisor)
        assert "[w1] Stopping with " in log.read_text("utf-8")
        # And says when it could not.
        status = begin("--app", "nowhere:Name")
        output.seek(0)
        assert b"--app nowhere:Name cannot be loaded" in output.read()
    assert status == 1
    # It is told a moment before the process that is in the background ends.
    until(
        lambda: not pid.exists() and not path.exists(), lambda: log.read_text("utf-8")
    )


def test_the_other_command_that_runs_plugins() -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "twisted", "--log-format=json"),
            *("engineio", "--workers", "2", "--port", "0"),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )
    with process:
        try:
            assert process.stdout is not None
            output = ""
            while "workers serve" not in output:
                line = process.stdout.readline().decode()
                assert line, output
                output += line
            process.terminate()
            rest, _ = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    # Each observer has what the workers have logged, fields and all.
    assert re.search(r'"count": 0\b[^\n]*"worker": 1', rest.decode()), rest.decode()


def test_websockets_say_what_they_say_without_workers(
    run: Callable[..., Workers],
) -> None:
    server = run()
    for _ in range(10):
        with server.connect() as websocket:
            open_websocket(websocket)
            websocket.sendall(make_frame(TEXT, b"4hello"))
            assert read_frame(websocket) == (TEXT, b"4hello")
    server.stopped()


class Secure:
    """Asks workers that do TLS: their connections cannot be moved."""

    def __init__(self, server: Workers, authority: str) -> None:
        server.logs("3 workers serve")
        found = re.search(r"served at https://127\.0\.0\.1:(\d+)/", server.output)
        assert found is not None
        self._port = int(found[1])
        self._context = ssl.create_default_context(cafile=authority)

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), DEADLINE)
        return self._context.wrap_socket(plain, server_hostname="127.0.0.1")

    def ask(self, target: str, body: bytes | None = None) -> str:
        """Ask on a connection of its own."""
        with self.connect() as connection:
            method = "GET" if body is None else "POST"
            connection.sendall(make_request(method, target, body))
            return answer_on(connection).text

    def open(self) -> str:
        sid = self.ask(POLLING).partition('"sid":"')[2].partition('"')[0]
        return f"{POLLING}&sid={sid}"


def answer_on(connection: socket.socket) -> Response:
    parsed = parse_response(receive(connection, parse_response))
    assert parsed is not None
    return parsed[0]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Workers, Secure]]:
    files = make_certificates(tmp_path)
    key = f"privateKey={files.server_key}:certKey={files.server}"
    with running("--listen", f"ssl:0:interface=127.0.0.1:{key}") as start:
        server = start()
        yield server, Secure(server, files.authority)


def test_sessions_over_tls_that_the_workers_do(
    secure: tuple[Workers, Secure],
) -> None:
    server, clients = secure
    session = clients.open()
    for number in range(20):
        assert clients.ask(session, b"4%d" % number) == "ok"
        assert clients.ask(session) == f"4{number}"
    assert "Traceback" not in server.stopped()


def test_a_worker_that_leaves_ends_no_poll_of_anothers_session(
    secure: tuple[Workers, Secure],
) -> None:
    server, clients = secure
    session = clients.open()
    with ExitStack() as stack:
        while True:
            # Whose session it opens tells where a connection is.
            connection = stack.enter_context(clients.connect())
            connection.sendall(make_request("GET", POLLING))
            opened = answer_on(connection).text.partition('"sid":"w')[2]
            if not session.partition("sid=w")[2].startswith(opened[0]):
                break
        connection.sendall(make_request("GET", session))
        pid = server.pid_of(int(opened[0]))
        os.kill(pid, signal.SIGTERM)
        answer = answer_on(connection)
    assert (answer.status, answer.text) == (200, "6")
    assert answer.header("Connection") == "close"
    assert_gone(pid)
    assert clients.ask(session, b"4hello") == "ok"
    assert clients.ask(session) == "4hello"
    assert "Traceback" not in server.stopped()


def test_a_certificate_that_is_not_there_is_told_before_anything_starts(
    tmp_path: Path,
) -> None:
    files = make_certificates(tmp_path)
    endpoint = f"ssl:0:privateKey={files.server_key}:certKey={tmp_path}/none.pem"
    status, output = fails("--listen", endpoint)
    assert status == 1
    assert len(output.strip().splitlines()) == 1
