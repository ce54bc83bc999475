"""What docs/deployment.md says, done with real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.connection import make_request, parse_response
from tests.frames import parse_frames
from tests.test_plugin import receive
from tests.wiring import opening_headers

PROJECT = Path(__file__).parents[1]
GUIDE = (PROJECT / "docs" / "deployment.md").read_text("utf-8")
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
DEADLINE = 60.0
POLLING = "/engine.io/?EIO=4&transport=polling"
WEBSOCKET = "/engine.io/?EIO=4&transport=websocket"


def unit(name: str) -> str:
    match = re.search(rf"```ini\n# /etc/systemd/system/{name}\n(.*?)```", GUIDE, re.S)
    assert match is not None
    return match[1]


def exec_start() -> list[str]:
    """The command line of the service, without the program."""
    match = re.search(r"^ExecStart=(\S+)((?:.*\\\n)*.*)$", unit("chat.service"), re.M)
    assert match is not None
    return match[2].replace("\\\n", " ").split()


def test_systemd_finds_no_fault_with_the_units(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    program = require_program("systemd-analyze", "the Debian package systemd")
    for name in ("chat.socket", "chat.service"):
        # Programs have to be there.
        text = re.sub(r"/srv/chat/.venv/bin/twistd", sys.executable, unit(name))
        text = text.replace("/srv/chat", str(tmp_path))
        (tmp_path / name).write_text(text)
    verified = subprocess.run(
        [program, "verify", "--man=no", tmp_path / "chat.service"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    # Units of the machine itself may have faults of their own.
    assert "chat." not in verified.stderr
    assert str(tmp_path) not in verified.stderr


class Server:
    """A process, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""
        self._watchdog = threading.Timer(2 * DEADLINE, process.kill)
        self._watchdog.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, f"no {pattern!r} in:\n{self.output}"
            self.output += line
            if match := re.search(pattern, line):
                return match

    def end(self) -> int:
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.output += self.process.stdout.read()
            self.process.stdout.close()
        status = self.process.wait(DEADLINE)
        self._watchdog.cancel()
        return status


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def run(
        *command: str, descriptor: int | None = None, env: Mapping[str, str] = {}
    ) -> Server:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **env},
            pass_fds=() if descriptor is None else (descriptor,),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        servers.append(Server(process))
        return servers[-1]

    yield run
    for server in servers:
        if server.process.poll() is None:
            server.process.terminate()
        server.end()
        assert "Traceback" not in server.output
        assert "Unhandled" not in server.output


def twistd(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        RUN_TWISTD,
        "-n",
        "--pidfile=",
        "engineio",
        *arguments,
    ]


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.socket
def test_the_command_of_the_unit_takes_the_socket_of_systemd(start: Start) -> None:
    arguments = exec_start()
    index = arguments.index("--app")
    arguments[index : index + 2] = ["--app", "txengineio.twistd.options:EchoProtocol"]
    index = arguments.index("--metrics-listen")
    arguments[index + 1] = "tcp:0:interface=127.0.0.1"
    # The session of this test never comes back.
    arguments += ["--drain-timeout", "0.1"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        descriptor = listening.fileno()
        # As systemd starts it: the socket is descriptor 3.
        program = (
            f"import os; os.dup2({descriptor}, 3); "
            f"os.environ['LISTEN_PID'] = str(os.getpid()); {RUN_TWISTD}"
        )
        server = start(
            *(sys.executable, "-c", program, *arguments),
            descriptor=descriptor,
            env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "chat.socket"},
        )
        metrics = server.wait_for(r"Metrics: (\S+)")[1]
        server.wait_for("The application is")

        assert get(f"http://127.0.0.1:{port}{POLLING}")[1].startswith('0{"sid":"')
        assert get(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        _, text = get(metrics)
        assert 'engineio_sessions{revision="4",transport="polling"} 1.0' in text
        assert "process_cpu_seconds_total" in text
        # An application's server has nothing else.
        assert get(f"http://127.0.0.1:{port}/")[0] == 501
        assert get(f"http://127.0.0.1:{port}/metrics")[0] == 501


def connect(port: int, target: str, **headers: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), DEADLINE)
    connection.sendall(make_request("GET", target, None, headers))
    return connection


@pytest.mark.socket
def test_a_server_that_stops_says_so_and_a_second_signal_ends_it(start: Start) -> None:
    server = start(*twistd("--port", "0", "--drain-timeout", "600"))
    port = int(server.wait_for(r"served at http://127\.0\.0\.1:(\d+)/")[1])
    server.wait_for("The application is")
    health = connect(port, "/healthz")
    assert receive(health, parse_response).endswith(b"ok\n")
    with connect(port, WEBSOCKET, **opening_headers()) as websocket:
        # It answers no close frame: the server would wait for it.
        received = b""
        while b'"sid"' not in received:
            received += websocket.recv(4096)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("Stopping with 1 sessions open")
        assert parse_frames(websocket.recv(4096))[0] == [(8, b"")]

        assert get(f"http://127.0.0.1:{port}/healthz") == (503, "draining\n")
        assert get(f"http://127.0.0.1:{port}{POLLING}")[0] == 503
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("SIGTERM again: 0 sessions are dropped")
        # It would wait for its client for ten minutes.
        status = server.end()
    health.close()
    assert status in (0, -signal.SIGTERM)


@pytest.mark.socket
def test_a_log_in_json_has_fields(start: Start) -> None:
    server = start(
        *(sys.executable, "-m", "twisted", "--log-format=json"),
        *("engineio", "--port", "0", "--max-http-buffer-size", "100"),
    )
    url = server.wait_for(r'"url": "(http://[^"]+)"')[1]
    base = url.removesuffix("/")
    sid = json.loads(get(f"{base}/?EIO=4&transport=polling")[1][1:])["sid"]
    session = f"{base}/?EIO=4&transport=polling&sid={sid}"
    request = urllib.request.Request(session, data=b"nonsense", method="POST")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=DEADLINE)
    raised.value.close()

    line = server.wait_for(r'"reason"')

    event = json.loads(line.string.strip("\x1e\n"))
    assert event["session"] == sid[:6]
    assert event["transport"] == "polling"
    assert event["reason"] == "parse error"
    assert sid not in server.output
