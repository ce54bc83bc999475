"""Server processes for the tests, and the client processes that talk to them."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from typing_extensions import override

from tests.interop.launch import LOOPBACK, Launch

__all__ = [
    "HERE",
    "IS_REFERENCE",
    "PYTHON_CLIENT",
    "ROOT",
    "RUNNING",
    "Results",
    "ServerProcess",
    "port_is_free",
    "run_client",
    "running_server",
    "unlike_reference",
]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PYTHON_CLIENT = (sys.executable, "-m", "tests.interop.python_client")
START_DEADLINE = 90.0
STOP_DEADLINE = 60.0
CLIENT_DEADLINE = 115.0

IS_REFERENCE = os.environ.get("TXENGINEIO_INTEROP_SERVER") == "reference"
unlike_reference = pytest.mark.skipif(
    IS_REFERENCE, reason="the reference server does otherwise"
)

RUNNING: list[ServerProcess] = []
"""The servers that run now: what they logged is shown with a test that fails."""


class ServerProcess:
    """A server in a process of its own.

    With ``TXENGINEIO_INTEROP_SERVER=reference`` in the environment it is the reference
    server instead of ours: what the tests expect can so be checked against that.

    Attributes:
        launch: What the server is started with.
        port: The TCP port; None for a Unix socket, and before `start`.

    Args:
        launch: What the server is started with.
        command: Another program; it takes the launch as its last argument, as ours.
    """

    def __init__(
        self, launch: Launch, command: Sequence[str | Path] | None = None
    ) -> None:
        self.launch = launch
        self._command = command or _command()
        self.port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's origin."""
        scheme = "http" if self.launch.tls is None else "https"
        return f"{scheme}://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The number of the process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it listens."""
        self._log = self._log or tempfile.TemporaryFile()  # noqa: SIM115 - until close
        self._process = subprocess.Popen(
            [*self._command, self.launch.to_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        RUNNING.append(self)
        line = self._first_line()
        if not line:
            self.kill()
            pytest.fail(f"the server did not start:\n{self.log()}", pytrace=False)
        self.port = json.loads(line)["port"]

    def restart(self) -> None:
        """Start again, on the same port, after `kill`."""
        assert self.port is not None
        self.launch = replace(self.launch, port=self.port)
        deadline = time.monotonic() + START_DEADLINE
        while not port_is_free(self.port):
            # Another process may have been given it for a connection of its own.
            assert time.monotonic() < deadline, f"port {self.port} is in use"
            time.sleep(0.1)
        self.start()

    def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return (
                self._process.stdout.readline()
                if selector.select(START_DEADLINE)
                else b""
            )

    def log(self) -> str:
        """Return what the server has logged."""
        assert self._log is not None
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def kill(self) -> None:
        """End the process without letting it clean up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._forget()

    def stop(self) -> None:
        """End the process as an operator would; then as `join`."""
        assert self._process is not None
        self._process.terminate()
        self.join()

    def join(self) -> None:
        """Wait for the process to end, and look at how it did.

        It must end in time and with exit code 0, and must not have logged a traceback.
        """
        assert self._process is not None
        try:
            status = self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"the server did not stop:\n{self.log()}", pytrace=False)
        self._forget()
        log = self.log()
        if status or "Traceback" in log or "Unhandled" in log:
            pytest.fail(f"the server ended with status {status}:\n{log}", pytrace=False)

    def _forget(self) -> None:
        assert self._process is not None
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        RUNNING.remove(self)

    def close(self) -> None:
        """Drop the log; the process has ended."""
        if self._log is not None:
            self._log.close()


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _command() -> list[str]:
    if IS_REFERENCE:
        return ["node", str(HERE / "node" / "reference.mjs")]
    return [sys.executable, "-m", "tests.interop.serve"]


@contextmanager
def running_server(
    launch: Launch | None = None, command: Sequence[str | Path] | None = None
) -> Iterator[ServerProcess]:
    """Run a server; it is stopped, and how it ended is checked, at the end."""
    server = ServerProcess(launch or Launch(), command)
    try:
        server.start()
        try:
            yield server
        finally:
            if server in RUNNING:
                server.stop()
    finally:
        server.close()


class Results(dict[str, Any]):
    """What the scenarios of a client program have found, by their names."""

    @override
    def __getitem__(self, scenario: str) -> Any:
        facts = super().__getitem__(scenario)
        if "failed" in facts:
            pytest.fail(f"{scenario}: {json.dumps(facts, indent=1)}", pytrace=False)
        return facts


def run_client(command: Sequence[str | Path], **arguments: Any) -> Results:
    """Run a program that reads its arguments and prints results, both as JSON."""
    process = subprocess.run(
        command,
        cwd=ROOT,
        input=json.dumps(arguments).encode(),
        capture_output=True,
        timeout=CLIENT_DEADLINE,
        check=False,
    )
    output, errors = process.stdout.decode(), process.stderr.decode()
    if process.returncode:
        pytest.fail(
            f"{command} ended with status {process.returncode}:\n{output}\n{errors}",
            pytrace=False,
        )
    return Results(json.loads(output))
