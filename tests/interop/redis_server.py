"""A real server of Redis for one test, which keeps nothing when it ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from socket import create_server
from types import TracebackType
from typing import Any, Self

import pytest
import redis

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK

__all__ = ["DEADLINE", "RedisServer", "free_port", "require_redis"]

DEADLINE = 30.0
PACKAGE = "Debian's package redis-server"


def require_redis(require_program: RequireProgram) -> str:
    """Return the path of redis-server."""
    return require_program("redis-server", PACKAGE)


def free_port() -> int:
    with create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A server on the loopback interface; it ends with the ``with`` block.

    Args:
        program: The path of redis-server.
        folder: Where it runs.
        options: Its command line; by default it keeps nothing.
        password: What clients must say.

    Attributes:
        port: Its port, which stays the same.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        options: Sequence[str] = ("--save", ""),
        password: str | None = None,
    ) -> None:
        self.port = 0
        self._program = program
        self._folder = folder
        self._options = list(options)
        self._password = password
        if password is not None:
            self._options += ["--requirepass", password]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a new client of it."""
        return redis.Redis(host=LOOPBACK, port=self.port, password=self._password)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        for _ in range(5):
            port = self.port or free_port()
            process = self._process = subprocess.Popen(
                [
                    *(self._program, *self._options),
                    *("--port", str(port), "--bind", LOOPBACK),
                    *("--dir", str(self._folder)),
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            if self._answers(process, port):
                self.port = port
                return
            # Somebody else has got the port in between.
            self.kill()
        pytest.fail("redis-server does not start")

    def _answers(self, process: subprocess.Popen[bytes], port: int) -> bool:
        deadline = time.monotonic() + DEADLINE
        with redis.Redis(host=LOOPBACK, port=port, password=self._password) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    info: Any = client.info()
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
                else:
                    # Not one that listens there by chance.
                    return bool(info["process_id"] == process.pid)
        return False

    def kill(self) -> None:
        """End it at once; all that it knows is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
