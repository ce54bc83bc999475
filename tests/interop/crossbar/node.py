"""A Crossbar.io node in processes of its own, set up like examples/crossbar."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.examples import EXAMPLES
from tests.interop.launch import LOOPBACK

__all__ = ["ENVIRONMENT", "Configuration", "CrossbarNode"]

ENVIRONMENT: Final = Path(__file__).with_name(".venv")
ROOT: Final = Path(__file__).parents[3]
START_DEADLINE: Final = 90.0
STOP_DEADLINE: Final = 30.0

Configuration = dict[str, Any]


class CrossbarNode:
    """A node; its folder is a copy of the example.

    Args:
        folder: Where the copy goes.
        port: Where it listens; Crossbar.io takes no port 0.
        change: Changes the configuration of the router.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        change: Callable[[Configuration], None] | None = None,
    ) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(EXAMPLES / "crossbar", folder)
        file = folder / "config.json"
        text = file.read_text("utf-8").replace("8080", str(self.port))
        configuration = json.loads(text)
        if change is not None:
            change(configuration["workers"][0])
        file.write_text(json.dumps(configuration), "utf-8")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def router(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}/ws"

    def log(self) -> str:
        """Return what the node has logged."""
        return (self._folder / "log.txt").read_text("utf-8", errors="replace")

    def start(self) -> None:
        """Start the node and wait until it serves what comes last in it."""
        self.launch()
        deadline = time.monotonic() + START_DEADLINE
        while not self._is_up():
            if self.has_ended() or time.monotonic() > deadline:
                pytest.fail(f"the node did not start:\n{self.log()}", pytrace=False)
            time.sleep(0.1)

    def launch(self) -> None:
        """Start the node, and wait for nothing."""
        program = str(ENVIRONMENT / "bin" / "crossbar")
        command = [program, "start", "--cbdir", str(self._folder), "--color", "false"]
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                # As if txengineio were installed there.
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def wait(self) -> None:
        """Wait until the node ends by itself."""
        assert self._process is not None
        self._process.wait(START_DEADLINE)

    def stop(self) -> None:
        """End the node as an operator would; all its processes go."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f"the node did not stop:\n{self.log()}", pytrace=False)

    def _is_up(self) -> bool:
        try:
            # The WebSocket service comes after those of Engine.IO.
            with urllib.request.urlopen(f"{self.url}/ws", timeout=START_DEADLINE):
                return True
        except urllib.error.HTTPError as error:
            return error.code != 404
        except OSError:
            return False
