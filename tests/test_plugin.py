"""``twistd engineio`` as a process: started, used, stopped, and told nonsense."""

from __future__ import annotations

import re
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from tests.connection import make_request, parse_response
from tests.frames import CLOSE, TEXT, make_frame, parse_frames
from tests.interop.certificates import make_certificates
from tests.wiring import opening_headers

PROJECT = Path(__file__).parents[1]
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
START_DEADLINE = 90.0
ANSWER_DEADLINE = 30.0
STOP_LIMIT = 4.5
"""Seconds; without the limit for stopping, who answers no close frame has five."""

URL = re.compile(r"served at https?://127\.0\.0\.1:(\d+)/engine\.io/")

POLLING = "/engine.io/?EIO=4&transport=polling"
WEBSOCKET = "/engine.io/?EIO=4&transport=websocket"


def test_twisted_finds_the_plugin() -> None:
    (maker,) = (
        each for each in getPlugins(IServiceMaker) if each.tapname == "engineio"
    )
    assert "Engine.IO" in maker.description
    assert maker.options is not None
    assert callable(maker.makeService)


ASK_FOR_OPTIONS = """
import gc, sys
from twisted.plugins.txengineio_plugin import engineio
if sys.argv[1] == "off":
    gc.disable()
for _ in range(2):
    # Python 3.12 starts with some objects that are frozen.
    before = gc.get_freeze_count()
    assert engineio.options.__name__ == "Options"
    print(gc.isenabled(), gc.get_freeze_count() > before)
    gc.unfreeze()
"""

ASK_WITHOUT_FREEZE = """
import gc
for name in ("freeze", "unfreeze", "get_freeze_count"):
    delattr(gc, name)
from twisted.plugins.txengineio_plugin import engineio
assert engineio.options.__name__ == "Options"
print(gc.isenabled())
"""


def test_the_plugin_loads_where_the_collector_freezes_nothing() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK_WITHOUT_FREEZE],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_DEADLINE,
    )
    assert asked.stdout == "True\n", asked.stderr


@pytest.mark.parametrize(
    ("collector", "expected"),
    [("on", "True True\nTrue False\n"), ("off", "False False\nFalse False\n")],
)
def test_the_collector_rests_while_the_plugin_loads(
    collector: str, expected: str
) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK_FOR_OPTIONS, collector],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_DEADLINE,
    )
    assert asked.stdout == expected, asked.stderr


def command(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        RUN_TWISTD,
        "-n",
        "--pidfile=",
        "engineio",
        *arguments,
    ]


# --- nonsense -------------------------------------------------------------------------


def assert_one_line(problem: str, *arguments: str) -> None:
    """Run it; assert that it fails with one line about the problem."""
    finished = subprocess.run(
        command(*arguments),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=START_DEADLINE,
        check=False,
    )
    output = finished.stdout + finished.stderr
    assert finished.returncode == 1, output
    assert "Traceback" not in output
    lines = output.strip().splitlines()
    assert [line for line in lines if problem in line] == lines[-1:], output
    # What comes before is the log of a twistd that was about to start.
    assert len(lines) == 1 or all("UnixAppLogger" in line for line in lines[:-1])


@pytest.mark.socket
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--port", "many"], "--port must be a whole number"),
        (["--listen", "nonsense:1"], "--listen must be an endpoint such as"),
        (
            ["--app", "nowhere.at_all:Name"],
            "--app nowhere.at_all:Name cannot be loaded",
        ),
        (["--ping-interval", "soon"], "soon"),
        (["--ping-timeout", "-1"], "--ping-timeout must be a positive"),
        (["--colour", "red"], "colour"),
    ],
)
def test_nonsense_is_refused_with_one_line(arguments: list[str], problem: str) -> None:
    assert_one_line(problem, *arguments)


@pytest.mark.socket
def test_a_port_that_is_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line("cannot listen on tcp:", "--port", str(port))


@pytest.mark.socket
def test_in_the_background_it_fails_at_once_as_well(tmp_path: Path) -> None:
    arguments = command("--listen", "unix:/nonexistent/app.sock")
    arguments[arguments.index("-n")] = f"--logfile={tmp_path}/log"
    with (tmp_path / "output").open("w+b") as output:
        status = subprocess.run(
            arguments,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=START_DEADLINE,
            check=False,
        ).returncode
        output.seek(0)
        assert b"cannot listen on unix:/nonexistent/app.s" in output.read()
    assert status == 1
    line = "cannot listen on unix:/nonexistent/app.sock: No such file or directory"
    # The command is over a moment before the process that is in the background.
    deadline = time.monotonic() + ANSWER_DEADLINE
    log = ""
    while not log.rstrip().endswith(line) and time.monotonic() < deadline:
        log = (tmp_path / "log").read_text("utf-8")
        time.sleep(0.05)
    assert log.rstrip().endswith(line)
    assert "Traceback" not in log


# --- a server that runs ---------------------------------------------------------------


def error_of(*arguments: str) -> str:
    """Run a command that must fail at once; return the one line that says why."""
    ended = subprocess.run(
        command(*arguments),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    said = [line for line in ended.stdout.splitlines() if "#error]" in line]
    assert len(said) == 1, ended.stdout
    return said[0]


class Running:
    """A process; ended with the test, whatever happens."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        where = () if "--listen" in arguments else ("--port", "0")
        self.process = subprocess.Popen(
            command(*where, *arguments),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # So that no line waits in a buffer that the selector does not see.
            bufsize=0,
        )
        self.port = self._find_port()

    def _find_port(self) -> int:
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_DEADLINE
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(max(deadline - time.monotonic(), 0)):
                line = self.process.stdout.readline().decode()
                self.lines.append(line)
                if found := URL.search(line):
                    return int(found[1])
                if not line:
                    break
        raise AssertionError("".join(self.lines))

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(ANSWER_DEADLINE)
        return connection

    def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds that it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(START_DEADLINE)
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().decode().splitlines(keepends=True)
        return status, time.monotonic() - begin

    @property
    def output(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(*arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        assert each.process.stdout is not None
        each.process.stdout.close()


def receive(
    connection: socket.socket, is_enough: Callable[[bytes], object], begin: bytes = b""
) -> bytes:
    data = begin
    while not is_enough(data):
        received = connection.recv(65536)
        assert received, f"closed after {data!r}"
        data += received
    return data


def get(connection: socket.socket, target: str) -> str:
    connection.sendall(make_request("GET", target))
    parsed = parse_response(receive(connection, parse_response))
    assert parsed is not None
    return parsed[0].text


def open_websocket(connection: socket.socket) -> bytes:
    """Open a WebSocket and read its open packet; return what came behind it."""
    connection.sendall(make_request("GET", WEBSOCKET, None, opening_headers()))
    data = receive(connection, lambda data: b"}" in data)
    head, _, frames = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    ((opcode, payload),), size = parse_frames(frames)
    assert opcode == TEXT
    assert payload.startswith(b"0{")
    return frames[size:]


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    data = receive(connection, lambda data: parse_frames(data)[0])
    (frame,), _ = parse_frames(data)
    return frame


@pytest.mark.socket
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_clients_and_ends_when_told_to(
    number: signal.Signals, run: Callable[..., Running]
) -> None:
    server = run()
    polling, websocket, silent, idle = (server.connect() for _ in range(4))
    sid = get(polling, POLLING).partition('"sid":"')[2].partition('"')[0]
    open_websocket(websocket)
    websocket.sendall(make_frame(TEXT, b"4hello"))
    assert read_frame(websocket) == (TEXT, b"4hello")
    # One that answers no close frame, and one that never sent a request.
    open_websocket(silent)
    polling.sendall(make_request("GET", f"{POLLING}&sid={sid}"))
    # The server has the poll when it answers something that was sent later.
    with server.connect() as other:
        assert get(other, POLLING).startswith("0{")

    server.process.send_signal(number)
    begin = time.monotonic()
    answer = parse_response(receive(polling, parse_response))
    assert answer is not None
    assert answer[0].text == "1"
    assert read_frame(websocket) == (CLOSE, b"")
    websocket.sendall(make_frame(CLOSE))
    status = server.process.wait(START_DEADLINE)
    assert time.monotonic() - begin < STOP_LIMIT
    assert status in (0, -number)
    assert server.process.stdout is not None
    output = server.output + server.process.stdout.read().decode()
    assert "Traceback" not in output
    assert "Stopping with 4 sessions open" in output
    assert "The application is txengineio.twistd.options.EchoProtocol" in output
    # Nobody can come in with what the log says.
    assert sid not in output
    for connection in (polling, websocket, silent, idle):
        connection.close()


@pytest.mark.socket
def test_it_ends_without_clients_as_well(run: Callable[..., Running]) -> None:
    server = run("--app", "tests.twistd.test_options:APPLICATION")
    # Before it answers, its reactor may not have seen to the signals yet.
    with server.connect() as connection:
        assert "Engine.IO is served at /engine.io/" in get(connection, "/")
    status, seconds = server.stop(signal.SIGTERM)
    assert status in (0, -signal.SIGTERM)
    assert seconds < STOP_LIMIT
    assert "Stopping with 0 sessions open" in server.output


@pytest.mark.socket
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux")
def test_two_of_them_serve_a_session_together(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    nodes = tmp_path / "nodes"
    one, two = (
        run("--node-name", name, "--node-directory", str(nodes)) for name in "ab"
    )
    assert nodes.stat().st_mode & 0o777 == 0o700
    with two.connect() as connection:
        sid = get(connection, POLLING).partition('"sid":"')[2].partition('"')[0]
    assert sid.startswith("b-")
    session = f"{POLLING}&sid={sid}"
    with one.connect() as connection:
        connection.sendall(make_request("POST", session, b"4hello"))
        assert receive(connection, parse_response).endswith(b"ok")
        assert get(connection, session) == "4hello"
    assert one.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)
    assert two.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)
    assert "Node b has found 1 others" in two.output
    assert "Traceback" not in one.output + two.output
    assert list(nodes.iterdir()) == []


@pytest.mark.socket
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux")
def test_two_of_them_serve_a_session_together_that_comes_by_tls(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    files = make_certificates(tmp_path)
    flags = ["--node-directory", str(tmp_path / "nodes"), "--listen"]
    flags += [
        f"ssl:0:interface=127.0.0.1:privateKey={files.server_key}:certKey={files.server}"
    ]
    one, two = (run("--node-name", name, *flags) for name in "ab")
    context = ssl.create_default_context(cafile=files.authority)

    def connect(server: Running) -> ssl.SSLSocket:
        return context.wrap_socket(server.connect(), server_hostname="localhost")

    with connect(two) as connection:
        sid = get(connection, POLLING).partition('"sid":"')[2].partition('"')[0]
    session = f"{POLLING}&sid={sid}"
    with connect(one) as connection:
        connection.sendall(make_request("POST", session, b"4hello"))
        assert receive(connection, parse_response).endswith(b"ok")
        assert get(connection, session) == "4hello"
    assert one.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)
    assert two.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)
    assert "Traceback" not in one.output + two.output


@pytest.mark.socket
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux")
def test_a_directory_that_is_open_to_others_is_told_in_one_line(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    flags = ["--node-name", "a", "--node-directory", str(tmp_path)]
    finished = subprocess.run(
        command("--port", "0", *flags),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=START_DEADLINE,
        check=False,
    )
    assert finished.returncode == 1
    output = finished.stdout + finished.stderr
    assert "Traceback" not in output
    last = output.strip().splitlines()[-1]
    assert "twistd engineio: cannot join as node a: directory must be" in last
    assert "nobody else has access" in last
