"""The command line, with a terminal in memory, and once as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from tests.client.network import World, result_of
from txengineio import __version__
from txengineio.client import cli
from txengineio.client.cli_options import ConnectOptions
from txengineio.client.connect import connect
from txengineio.testing import RecordingApplication

ROOT = Path(__file__).parents[2]
URL = "http://server.example"


class Shell:
    """A command, and the terminal that it runs in."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, world: World, *arguments: str
    ) -> None:
        self.world = world
        self.said: list[str] = []
        self.terminal: Any = None
        self.transport: Any = StringTransportWithDisconnection()
        # The command line has no option for a network in memory.
        monkeypatch.setattr(cli, "connect", self._connect)
        self.done: Deferred[int] = cli.run(
            world.clock, list(arguments), say=self.said.append, attach=self._attach
        )
        world.network.flush()

    def _connect(self, url: str, factory: Any, **options: Any) -> Any:
        return connect(url, factory, endpoints=self.world.network, **options)

    def _attach(self, protocol: Any) -> None:
        self.terminal = self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    def type(self, text: bytes) -> None:
        self.terminal.dataReceived(text)
        self.world.advance(0.5)

    def end(self) -> None:
        self.terminal.readConnectionLost()
        self.world.advance(5)

    @property
    def printed(self) -> bytes:
        printed: bytes = self.transport.value()
        return printed


@pytest.fixture
def world() -> World:
    def echo(protocol: Any, message: str | bytes) -> None:
        if message == "!close":
            protocol.session.close()
        protocol.session.send(message)

    return World(RecordingApplication(on_message=echo))


def test_lines_are_sent_and_messages_printed(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    shell.type("hello\nwörld\n".encode())
    world.application.only.session.send(b"\1\2")
    shell.type(b"last")
    shell.end()
    assert shell.printed == "hello\nwörld\nbAQI=\nlast\n".encode()
    assert result_of(shell.done) == 0
    assert shell.said[0].startswith("connected by polling, session ")
    assert shell.said[1:] == ["moved to websocket", "closed: forced close"]
    world.assert_nothing_left()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_comes_with_the_open_packet_is_printed(
    monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    world = World(initial_packet="welcome")
    shell = Shell(monkeypatch, world, "connect", "--transport", transport, URL)
    shell.end()
    assert shell.printed == b"welcome\n"


def test_messages_wait_for_a_reader_that_is_slow(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    session = world.application.only.session
    shell.transport.producer.pauseProducing()
    for number in range(50):
        session.send(f"{number}")
        world.advance(0.1)
    assert shell.printed == b""
    shell.transport.producer.resumeProducing()
    world.advance(0.5)
    assert shell.printed.split() == [b"%d" % number for number in range(50)]
    shell.end()
    assert result_of(shell.done) == 0


def test_messages_of_a_session_that_has_ended_are_still_printed(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    output = shell.transport.producer
    output.pauseProducing()
    world.application.only.session.send("last words")
    world.application.only.session.close()
    world.advance(0.5)
    assert shell.said[-1] == "closed: transport close"
    assert not shell.transport.disconnecting
    output.resumeProducing()
    assert shell.printed == b"last words\n"
    assert result_of(shell.done) == 3


def test_output_that_was_full_can_be_closed(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    lose_connection = shell.transport.loseConnection
    # As of standard output, which resumes its producer when it should close.
    shell.transport.loseConnection = lambda: (
        lose_connection() if shell.transport.producer is None else None
    )
    shell.end()
    assert result_of(shell.done) == 0


def test_packets_are_shown(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    arguments = ["connect", "--debug-packets", "-t", "websocket", URL]
    shell = Shell(monkeypatch, world, *arguments)
    shell.type(b"hello\n")
    shell.end()
    assert result_of(shell.done) == 0
    sid = world.application.only.session.id[:6]
    # The server's end is in this process, too.
    lines = [line for line in shell.said if "with 192." not in line]
    assert f"session {sid}… on websocket -> message 'hello'" in lines
    assert f"session {sid}… on websocket <- message 'hello'" in lines
    assert f"session {sid}… on websocket is over: forced close" in lines
    count = len(shell.said)
    world.open()
    assert len(shell.said) == count


def test_binary_goes_both_ways(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    arguments = ["connect", URL, "-b", "-t", "websocket", "-H", "X-A: b"]
    shell = Shell(monkeypatch, world, *arguments)
    shell.type(b"\xff\xfe\n")
    shell.end()
    assert world.application.only.messages == [b"\xff\xfe"]
    assert shell.printed == b"\xff\xfe\n"


def test_a_line_that_is_no_text_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", "--transport", "polling", URL)
    shell.type(b"\xff\nok\n")
    shell.end()
    assert world.application.only.messages == ["ok"]
    assert any(line.startswith("not sent") for line in shell.said)


def test_a_session_that_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    shell.type(b"!close\n")
    assert result_of(shell.done) == 3
    assert shell.said[-1] == "closed: transport close"
    shell.type(b"too late\n")


def test_why_a_session_failed_is_said(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL, "-t", "polling")
    for wire in world.network.open_connections:
        wire.lose()
    world.network.flush()
    assert result_of(shell.done) == 3
    assert "xhr poll error" in shell.said[-1]


def test_output_that_nobody_reads_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    # As of standard output, whose end is the last that is heard of it.
    shell.transport.loseConnection = lambda: None
    shell.terminal.writeConnectionLost()
    world.advance(5)
    assert result_of(shell.done) == 0


def test_a_terminal_that_is_gone_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", URL)
    shell.transport.protocol = None
    shell.transport.loseConnection = lambda: None
    shell.terminal.connectionLost(Failure(ConnectionDone()))
    world.advance(5)
    assert result_of(shell.done) == 0


def test_a_server_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(allow_request=lambda _request: "no entry")
    shell = Shell(monkeypatch, world, "connect", URL)
    assert result_of(shell.done) == 1
    assert "no entry" in shell.said[0]


CONNECT = "connect"
WRONG = [
    ([], "there is no command"),
    (["disconnect"], "Unknown command: disconnect"),
    (["--colour"], "there is no flag --colour"),
    ([CONNECT], "there is no URL; an example is http://127.0.0.1:8080"),
    ([CONNECT, "--unknown", URL], "there is no flag --unknown"),
    ([CONNECT, "--time-out", "2", URL], "did you mean --timeout?"),
    ([CONNECT, URL, "--linger"], "--linger needs a value, SECONDS"),
    ([CONNECT, "--binary=yes", URL], "--binary takes no value"),
    ([CONNECT, "-x", URL], "there is no flag -x"),
    ([CONNECT, URL, "http://other"], "there is more than one URL: 'http://other'"),
    ([CONNECT, "-H", "nothing", URL], "--header must be a header such as"),
    ([CONNECT, "-H", ": x", URL], "--header must be a header such as"),
    ([CONNECT, "-H", "A B: x", URL], "not 'A B: x'"),
    ([CONNECT, "-H", "A: x\ny", URL], r"not 'A: x\ny'"),
    ([CONNECT, "-t", "pigeon", URL], "--transport must be polling or websocket, not"),
    ([CONNECT, "-t", "", URL], "--transport must be polling or websocket, not ''"),
    ([CONNECT, "-r", "x", URL], "--revision must be 3 or 4, not 'x'"),
    ([CONNECT, "-r", "7", URL], "--revision must be 3 or 4, not '7'"),
    ([CONNECT, "--timeout", "-2", URL], "--timeout must be a positive, finite number"),
    ([CONNECT, "--timeout", "0", URL], "--timeout must be a positive, finite number"),
    ([CONNECT, "--timeout", "soon", URL], "--timeout must be a number of seconds, not"),
    ([CONNECT, "--linger", "-1", URL], "--linger must be a number of seconds, 0 or"),
    ([CONNECT, "--linger", "nan", URL], "--linger must be a number of seconds, 0 or"),
    (
        [CONNECT, "--linger", "x", URL],
        "--linger must be a number of seconds, 0 or more",
    ),
    ([CONNECT, "--path", "relative", URL], "--path must be a path that begins with"),
    ([CONNECT, "--path", "/a?b", URL], "--path must be a path without query"),
    ([CONNECT, "--path", "/a/", f"{URL}/b/"], "--path must be '/b/', as the URL says"),
    ([CONNECT, "ftp://server"], "the URL must be an http:, https:, ws: or wss: URL"),
    ([CONNECT, "localhost:8080"], "the URL must be an http:, https:, ws: or wss: URL"),
    ([CONNECT, ""], "the URL must be an http:, https:, ws: or wss: URL, not ''"),
    ([CONNECT, "http://"], "the URL must be an http:, https:, ws: or wss: URL"),
    ([CONNECT, f"{URL}:99999"], "whose port is a whole number from 1 to 65535"),
    ([CONNECT, f"{URL}:0"], "whose port is a whole number from 1 to 65535"),
    ([CONNECT, f"{URL}:x"], "whose port is a whole number from 1 to 65535"),
    ([CONNECT, "http://me:pw@server"], "without user and fragment"),
    ([CONNECT, f"{URL}#part"], "without user and fragment"),
    ([CONNECT, f"{URL}/?EIO=3"], "the URL must be"),
]


@pytest.mark.parametrize(("arguments", "problem"), WRONG)
def test_wrong_command_lines(arguments: list[str], problem: str) -> None:
    said: list[str] = []
    assert result_of(cli.run(Clock(), arguments, say=said.append)) == 2
    (line,) = said
    program = "python -m txengineio"
    if arguments[:1] == [CONNECT]:
        program += " connect"
    assert line.startswith(f"{program}: ")
    assert line.endswith(f"; see {program} --help")
    assert problem in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ([], "Usage: python -m txengineio connect [options] URL\n"),
        ([CONNECT], "Usage: python -m txengineio connect [options] URL\n"),
    ],
)
def test_help_and_version(
    command: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("--help", "--version"):
        with pytest.raises(SystemExit) as raised:
            cli.run(Clock(), [*command, flag])
        assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(usage)
    assert shown.count("python -m txengineio connect [options] URL") == 1
    assert "``" not in shown
    assert shown.endswith(f"\ntxengineio {__version__}\n")


def test_help_tells_every_default() -> None:
    for flag in ConnectOptions.flags():
        assert ("[default: " in flag.description) is bool(flag.value)


def test_more_lines_than_the_server_takes_wait(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    shell = Shell(monkeypatch, world, "connect", "-t", "polling", URL)
    shell.terminal.dataReceived(b"1\n2\n3\n")
    assert shell.terminal.paused
    world.network.flush()
    shell.end()
    assert world.application.only.messages == ["1", "2", "3"]


@pytest.mark.socket
def test_the_module_runs() -> None:
    command = [sys.executable, "-m", "txengineio", "connect", "http://127.0.0.1:1"]
    run = subprocess.run(
        command, cwd=ROOT, input=b"", capture_output=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert run.stdout == b""
    assert b"not connected: the connection was refused" in run.stderr
