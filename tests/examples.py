"""Running the examples, and a client that talks to them."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any, Protocol

import engineio
import pytest
import requests

__all__ = [
    "DEADLINE",
    "EXAMPLES",
    "RunExample",
    "connected",
    "converse",
    "read",
    "run_example",
]

EXAMPLES = Path(__file__).parents[1] / "examples"
DEADLINE = 60.0


class RunExample(Protocol):
    def __call__(self, name: str, *arguments: str, says: str = ...) -> str: ...


@pytest.fixture
def run_example() -> Iterator[RunExample]:
    """Start an example, on a free port; return the origin, or what else it prints.

    ``arguments`` come behind the port, and ``says`` is a regular expression for what is
    waited for. At the end it must have logged no failure.
    """
    processes: list[subprocess.Popen[str]] = []

    def run(name: str, *arguments: str, says: str = r"https?://[\d.:]+") -> str:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), *(arguments or ["0"])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        printed, said = "", None
        for line in _lines(process):
            printed += line
            said = re.search(says, printed)
            if said is not None:
                break
        if said is None:
            process.kill()
            pytest.fail(f"{name} printed {printed!r}\n{process.communicate()[1]}")
        return said.group()

    yield run
    for process in processes:
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE)
        assert "Traceback" not in errors
        assert "Unhandled" not in errors


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Return what a process prints, until it is silent for too long."""
    assert process.stdout is not None
    output = process.stdout.fileno()
    unfinished = ""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        # Not by readline: that may have read more lines than the one it returns.
        while selector.select(DEADLINE) and (data := os.read(output, 65536)):
            *lines, unfinished = (unfinished + data.decode()).split("\n")
            yield from (f"{line}\n" for line in lines)


@contextmanager
def connected(
    url: str, *, ca: str | None = None, **options: Any
) -> Iterator[tuple[engineio.Client, Queue[Any]]]:
    """Connect a client, which has a queue of what it receives.

    It hands over JSON objects and arrays as such. ``ca`` is a file of certificates;
    other options are those of the client's ``connect``.
    """
    received: Queue[Any] = Queue()
    http = requests.Session()
    # The environment may name certificates, which would come first.
    http.trust_env = False
    http.verify = ca or True
    client = engineio.Client(http_session=http)
    client.on("message", received.put)
    client.connect(url, **options)
    try:
        yield client, received
    finally:
        # Closed while the answer to its last POST is on its way, python-engineio 4.15
        # does not tell the server, and then waits for the next heartbeat.
        client.queue.join()
        client.sleep(0.05)
        client.disconnect()
        http.close()


def converse(
    url: str, *messages: str | bytes, greetings: int = 0, **options: Any
) -> list[Any]:
    """Connect, send messages, and return as many answers, after any greetings."""
    with connected(url, **options) as (client, received):
        answers = [received.get(timeout=DEADLINE) for _ in range(greetings)]
        for message in messages:
            client.send(message)
            answers.append(received.get(timeout=DEADLINE))
        return answers


def read(url: str, data: bytes | None = None) -> str:
    """Get what is at an address, or post to it."""
    with urllib.request.urlopen(url, data, timeout=DEADLINE) as response:
        text: str = response.read().decode()
        return text
