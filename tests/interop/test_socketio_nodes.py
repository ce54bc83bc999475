"""Socket.IO in several processes: their clients meet, by whatever server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.servers import HERE, ROOT, run_client
from tests.interop.socketio_serve import KINDS

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]

DEADLINE = 60.0
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
SERVED = re.compile(r"served at (http://127\.0\.0\.1:\d+)/socket\.io/")


@contextmanager
def twistd(kind: str, log: Path, *flags: str, **environment: str) -> Iterator[str]:
    """Run ``twistd socketio``; yield its origin. It must end well at the end."""
    reactor = ["--reactor", "asyncio"] if kind == "AsyncServer" else []
    app = ["--app", "tests.interop.socketio_nodes_app:sio", "--port", "0"]
    command = ["-n", "--pidfile=", *reactor, "socketio", *app, *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN_TWISTD, *command],
            cwd=ROOT,
            env={**os.environ, "SOCKETIO_KIND": kind, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _origin(process, log)
        process.send_signal(signal.SIGTERM)
        status = process.wait(DEADLINE)
    finally:
        if process.poll() is None:
            # Its workers end with it.
            process.kill()
            process.wait()
    assert status in (0, -signal.SIGTERM), log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def _origin(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < deadline:
        found = SERVED.search(log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"it does not serve:\n{log.read_text()}", pytrace=False)


def check(node: str, urls: Sequence[str], mode: str, *, binary: bool = True) -> None:
    facts = run_client(
        [node, HERE / "node" / "socketio_nodes.mjs"],
        urls=list(urls),
        mode=mode,
        binary=binary,
    )
    nine = {"bytes": [9]} if binary else 9
    # Two processes tell the second one, and nobody promises which is heard first.
    facts["room"][1].sort()
    assert dict(facts) == {
        "processes": 3,
        "all": [[], [["all", {"bytes": [0, 255]}]], [["all", {"bytes": [0, 255]}]]],
        "room": [
            [["from three"], ["alone"]],
            [["from one"], ["from three"]],
            [],
        ],
        "leave": [[["one is left"]], [], []],
        "close": [[], [], []],
        "asked": [{"bytes": [7]}, nine],
        "asked_itself": ["me", nine],
        "kicked": "io server disconnect",
        "told": "server disconnect",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_workers_of_one_port(kind: str, node: str, tmp_path: Path) -> None:
    with twistd(kind, tmp_path / "log", "--workers", "3") as url:
        for mode in ("polling", "upgrade"):
            check(node, [url], mode)


def test_processes_with_ports_of_their_own(node: str, tmp_path: Path) -> None:
    kind = "Server"
    folder = tmp_path / "nodes"
    folder.mkdir(mode=0o700)
    flags = ["--node-directory", str(folder), "--node-name"]
    with (
        twistd(kind, tmp_path / "a", *flags, "a") as one,
        twistd(kind, tmp_path / "b", *flags, "b") as two,
        twistd(kind, tmp_path / "c", *flags, "c") as three,
    ):
        check(node, [one, two, three], "upgrade")


@pytest.mark.parametrize("kind", ["Server", "AsyncServer"])
def test_machines_that_find_each_other_by_redis(
    kind: str, node: str, require_program: RequireProgram, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of 32 characters or more", "ascii")
    secret.chmod(0o600)
    with RedisServer(require_redis(require_program), tmp_path) as redis:
        flags = [
            *("--cluster", redis.url, "--cluster-secret-file", str(secret)),
            *("--cluster-listen", "tcp:0:interface=127.0.0.1", "--node-name"),
        ]
        with (
            twistd(kind, tmp_path / "a", *flags, "a") as one,
            twistd(kind, tmp_path / "b", *flags, "b") as two,
            twistd(kind, tmp_path / "c", *flags, "c") as three,
        ):
            check(node, [one, two, three], "upgrade")
