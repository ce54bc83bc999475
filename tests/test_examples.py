"""Each example, run as its first lines say."""

from __future__ import annotations

import re
import selectors
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import engineio
import pytest

from tests.conftest import RequireProgram
from tests.interop.servers import HERE, run_client

pytestmark = pytest.mark.socket

EXAMPLES = Path(__file__).parents[1] / "examples"
DEADLINE = 30.0

RunExample = Callable[[str], str]


@pytest.fixture
def run_example() -> Iterator[RunExample]:
    """Start an example on a free port; return the origin that it prints."""
    processes: list[subprocess.Popen[str]] = []

    def run(name: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(DEADLINE) else ""
        url = re.search(r"http://[\d.:]+", line)
        if url is None:
            process.kill()
            pytest.fail(f"{name} printed {line!r}\n{process.communicate()[1]}")
        return url.group()

    yield run
    for process in processes:
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE)
        assert "Traceback" not in errors
        assert "Unhandled" not in errors


def converse(url: str, *messages: str | bytes, greetings: int = 0) -> list[str | bytes]:
    """Connect, send messages, and return as many answers, after any greetings."""
    answers: Queue[str | bytes] = Queue()
    client = engineio.Client()
    client.on("message", answers.put)
    client.connect(url)
    received = [answers.get(timeout=DEADLINE) for _ in range(greetings)]
    for message in messages:
        client.send(message)
        received.append(answers.get(timeout=DEADLINE))
    client.disconnect()
    return received


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=DEADLINE) as response:
        text: str = response.read().decode()
        return text


def test_echo_sends_messages_back(run_example: RunExample) -> None:
    url = run_example("echo.py")

    assert converse(url, "hello", b"\x00\x01") == ["hello", b"\x00\x01"]


def test_existing_site_keeps_its_pages_and_gains_sessions(
    run_example: RunExample,
) -> None:
    url = run_example("existing_site.py")

    assert "was here before" in read(f"{url}/")
    assert read(f"{url}/about") == "About us"
    assert converse(url, "hello", greetings=1) == ["say something", "HELLO"]


def test_people_meet_in_the_chat(
    run_example: RunExample,
    require_program: RequireProgram,
    node: str,
    tmp_path: Path,
) -> None:
    chromium = require_program("chromium", "the Debian package chromium")
    url = run_example("chat/server.py")

    facts = run_client(
        [node, HERE / "node" / "chat.mjs"],
        executable=str(chromium),
        url=url,
        profile=str(tmp_path / "profile"),
    )

    assert facts["lines"] == [
        "Ada joined",
        "Grace <b> joined",
        "Adahello, 世界 <script>",
        "Grace <b>hello yourself",
        "Grace <b> left",
    ]
