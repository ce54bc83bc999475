"""What works without ``--workers`` works with it: reactors, systemd, users, TLS."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import twisted
from tests.connection import Response, make_request, parse_response
from tests.frames import TEXT, make_frame
from tests.interop.certificates import make_certificates
from tests.supervised import DEADLINE, Workers, assert_gone, running, until
from tests.test_plugin import (
    ANSWER_DEADLINE,
    POLLING,
    PROJECT,
    RUN_TWISTD,
    get,
    open_websocket,
    read_frame,
    receive,
)
from tests.test_workers import fails, run

__all__ = ["run"]

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]

AS_SYSTEMD = """\
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="a")"""


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
