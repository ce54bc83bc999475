"""HTTP requests made with curl."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Curl", "Running"]

DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP response, with what curl says about how it came.

    Attributes:
        status: The status code.
        headers: The header fields in lower case; of a repeated one the last value.
        body: The body, decoded.
        connections: How many connections were opened for it: 0 or 1.
        version: What the status line begins with.
    """

    status: int
    headers: dict[str, str]
    body: str
    connections: int
    version: str

    @classmethod
    def read(cls, head: Path, body: Path, connections: int) -> Answer:
        """Read what curl has written to files."""
        # There may be interim responses (100) before the final one.
        last = head.read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1]
        status_line, *fields = last.split("\r\n")
        version, status, *_ = status_line.split(" ")
        pairs = [field.partition(":") for field in fields]
        return cls(
            status=int(status),
            headers={name.lower(): value.strip() for name, _, value in pairs},
            body=body.read_bytes().decode() if body.exists() else "",
            connections=connections,
            version=version,
        )


class Running:
    """A curl process, and the folder that its answers go to."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def exit_code(self) -> int:
        """Wait for the process to end."""
        return self._process.wait(DEADLINE)

    def answers(self) -> list[Answer]:
        """Wait for the process to end, and return what it has got."""
        output, errors = self._process.communicate(timeout=DEADLINE)
        assert self._process.returncode == 0, errors.decode()
        reports: list[dict[str, Any]] = [
            json.loads(line) for line in output.splitlines()
        ]
        return [
            Answer.read(
                self._folder / f"head{number}",
                self._folder / f"body{number}",
                report["num_connects"],
            )
            for number, report in enumerate(reports)
        ]


@dataclass(frozen=True, slots=True)
class Curl:
    """Makes requests of one server.

    Attributes:
        program: The path of curl.
        url: The server's origin.
        options: Options for all requests.
    """

    program: str
    url: str
    options: tuple[str, ...] = ()

    @contextmanager
    def running(self, *requests: tuple[str, ...]) -> Iterator[Running]:
        """Make requests in the background, one after the other: (target, option …)."""
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                self._command(folder, requests),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            with process:
                try:
                    yield Running(process, Path(folder))
                finally:
                    process.kill()

    def requests(self, *requests: tuple[str, ...]) -> list[Answer]:
        """Make requests, one after the other: (target, option …)."""
        with self.running(*requests) as running:
            return running.answers()

    def request(self, target: str, *options: str) -> Answer:
        """Make one request."""
        return self.requests((target, *options))[0]

    def _command(self, folder: str, requests: tuple[tuple[str, ...], ...]) -> list[str]:
        command = [self.program]
        for number, (target, *options) in enumerate(requests):
            command += [
                *(["--next"] if number else []),
                *("--silent", "--show-error", "--max-time", str(DEADLINE)),
                *("--dump-header", f"{folder}/head{number}"),
                *("--output", f"{folder}/body{number}"),
                *("--write-out", "%{json}\n"),
                *self.options,
                *options,
                self.url + target,
            ]
        return command
