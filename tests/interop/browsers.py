"""Browsers for the tests: programs for Node.js that drive Chromium, stage by stage."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Browser", "running_browser"]


class Browser:
    """The process that drives the browser."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def stage(self, name: str) -> dict[str, Any]:
        """Wait for what a stage has found out."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"the browser ended before the stage {name!r}", pytrace=False)
        facts: dict[str, Any] = json.loads(line)
        assert facts.pop("stage") == name
        return facts


@contextmanager
def running_browser(
    command: Sequence[str | Path], deadline: float, **arguments: Any
) -> Iterator[Browser]:
    """Run a program that drives a browser.

    Args:
        command: The program. It prints a line of JSON for each stage, and goes on when
            it is told a line; it ends by itself.
        deadline: Seconds after which it is ended if it hangs.
        arguments: The first line that it is told, as JSON.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        # A browser that hangs ends the pipe that the test reads from.
        watchdog = threading.Timer(deadline, process.kill)
        watchdog.start()
        try:
            browser = Browser(process)
            browser.tell(json.dumps(arguments))
            yield browser
            with process:
                pass
        finally:
            watchdog.cancel()
            watchdog.join()
            if process.poll() is None:
                process.kill()
                process.wait()
            errors.seek(0)
            print(errors.read())  # noqa: T201
