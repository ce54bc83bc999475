"""``twistd socketio`` as a process: started, used, stopped, and told nonsense."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Timer
from typing import Any

import pytest
import requests
import socketio
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from tests.blocking_client import blocking_client
from tests.examples import DEADLINE, read

PROJECT = Path(__file__).parents[1]
RUN_TWISTD = (
    f"import sys; sys.path.insert(0, {str(PROJECT)!r}); "
    "from twisted.scripts.twistd import run; run()"
)
URL = re.compile(r"Socket\.IO is served at (http://[\d.:]+)/socket\.io/")
PROGRAM = """
from txengineio.socketio import AsyncServer, Server, ThreadedServer

def served(kind):
    sio = kind(ping_interval=7.0)

    @sio.event
    def connect(sid, environ, auth):
        pass

    @sio.event
    def echo(sid, value):
        return value

    @sio.event
    async def later(sid, value):
        return value

    return sio
"""
KINDS = {"Server": (), "ThreadedServer": (), "AsyncServer": ("--reactor", "asyncio")}


def test_twisted_finds_the_plugin() -> None:
    (maker,) = (
        each for each in getPlugins(IServiceMaker) if each.tapname == "socketio"
    )
    assert "Socket.IO" in maker.description
    assert maker.options is not None
    assert callable(maker.makeService)


def command(*arguments: str, reactor: tuple[str, ...] = ()) -> list[str]:
    twistd = [sys.executable, "-c", RUN_TWISTD, "-n", "--pidfile=", *reactor]
    return [*twistd, "socketio", "--port", "0", *arguments]


@contextmanager
def running(
    folder: Path, *arguments: str, reactor: tuple[str, ...] = ()
) -> Iterator[str]:
    """Run a server; it has to end well when it is told to."""
    process = subprocess.Popen(
        command(*arguments, reactor=reactor),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # One that hangs ends the pipe that is read from.
    watchdog = Timer(2 * DEADLINE, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        log = ""
        for line in process.stdout:
            log += line
            found = URL.search(log)
            if found is not None and "The application is" in log:
                break
        else:
            raise AssertionError(log)
        yield found[1]
        process.send_signal(signal.SIGTERM)
        log += process.stdout.read()
        assert process.wait() in (0, -signal.SIGTERM), log
        assert "Stopping with " in log
        assert "Traceback" not in log, log
    finally:
        watchdog.cancel()
        watchdog.join()
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in KINDS:
        text = f"{PROGRAM}\nsio = served({kind})\n"
        (tmp_path / f"{kind.lower()}.py").write_text(text, "utf-8")
    return tmp_path


@contextmanager
def new_client() -> Iterator[socketio.Client]:
    """Make a client; its connections are closed in the end."""
    with requests.Session() as http:
        http.trust_env = False
        client = blocking_client(http_session=http)
        yield client
        client.disconnect()


@pytest.mark.socket
def test_without_an_application_people_can_chat(tmp_path: Path) -> None:
    heard: Queue[Any] = Queue()
    with running(tmp_path) as url, new_client() as ada, new_client() as grace:
        assert "<title>txengineio: Socket.IO</title>" in read(f"{url}/")
        assert read(f"{url}/healthz")
        ada.on("said", heard.put)
        ada.connect(url, auth={"name": "Ada"})
        assert ada.call("join", "")["people"] == ["Ada"]
        grace.connect(url, auth={"name": "Grace"})
        assert grace.call("join", "")["people"] == ["Ada", "Grace"]
        assert grace.call("say", "hello")
        assert heard.get(timeout=DEADLINE) == {"name": "Grace", "text": "hello"}


@pytest.mark.socket
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_server_runs(kind: str, folder: Path) -> None:
    app = f"{kind.lower()}:sio"
    arguments = ["--app", app, "--ping-timeout", "9"]
    with (
        running(folder, *arguments, reactor=KINDS[kind]) as url,
        new_client() as client,
    ):
        client.connect(url, transports=["websocket"])
        assert client.call("echo", b"\x00") == b"\x00"
        if kind != "ThreadedServer":
            assert client.call("later", [1]) == [1]
        assert client.eio.ping_interval == 7.0
        assert client.eio.ping_timeout == 9.0


@pytest.mark.socket
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux")
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_server_runs_in_workers(kind: str, folder: Path) -> None:
    arguments = ["--app", f"{kind.lower()}:sio", "--workers", "2"]
    with running(folder, *arguments, reactor=KINDS[kind]) as url:
        for _ in range(3):
            # Each request comes to any of them.
            with new_client() as client:
                client.connect(url, transports=["polling"])
                assert client.call("echo", b"\x00") == b"\x00"


@pytest.mark.socket
def test_the_wrong_reactor_is_told_in_one_line(folder: Path) -> None:
    finished = subprocess.run(
        command("--app", "asyncserver:sio"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert finished.returncode == 1
    (line,) = (finished.stdout + finished.stderr).splitlines()
    assert "--app asyncserver:sio is an AsyncServer, which the reactor" in line
    assert "use twistd --reactor asyncio" in line
