"""A real server of Redis for one test, which keeps nothing when it ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import redis

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK
from tests.ports import reserved_port

__all__ = ["DEADLINE", "RedisServer", "require_redis"]

DEADLINE = 30.0
PACKAGE = "Debian's package redis-server"


def require_redis(require_program: RequireProgram) -> str:
    """Return the path of redis-server."""
    return require_program("redis-server", PACKAGE)


class RedisServer:
    """A server on the loopback interface; it ends with the ``with`` block.

    One that is used without such a block has to be closed.

    Args:
        program: The path of redis-server.
        folder: Where it runs.
        options: Its command line; by default it keeps nothing.
        password: What clients must say.

    Attributes:
        port: Its port, which stays the same, and its own.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        options: Sequence[str] = ("--save", ""),
        password: str | None = None,
    ) -> None:
        self._stack = ExitStack()
        self.port = self._stack.enter_context(reserved_port())
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
        process = self._process = subprocess.Popen(
            [
                *(self._program, *self._options),
                *("--port", str(self.port), "--bind", LOOPBACK),
                *("--dir", str(self._folder)),
            ],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        if not self._answers(process):
            self.kill()
            pytest.fail("redis-server does not start")

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + DEADLINE
        with self.client() as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    client.ping()
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
                else:
                    return True
        return False

    def kill(self) -> None:
        """End it at once; all that it knows is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
