"""The tutorial, from the text alone: each step is saved and run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.servers import HERE, run_client
from tests.ports import reserved_port
from tests.test_documentation import TUTORIAL, blocks

pytestmark = pytest.mark.socket

LANGUAGES = ("python", "sh", "js", "html", "css")
PYTHON = ".venv/bin/python "
TESTS_SAY = ["1 passed", "3 passed"]


def follow(folder: Path) -> tuple[list[str], list[list[str]]]:
    """Do what the page says, up to the server.

    Returns the last line that each run of the tests has printed, and the commands
    that are left: those of the first step, which need a network, and the server.
    """
    said, left = [], []
    for block in blocks(TUTORIAL, *LANGUAGES):
        if block.saved_as is not None:
            path = folder / block.saved_as
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, "utf-8")
            continue
        assert block.language == "sh", f"block {block.number} is not saved"
        for line in block.text.splitlines():
            if line != f"{PYTHON}-m pytest":
                left.append(line.split())
                continue
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
            run = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, run.stdout + run.stderr
            said.append(run.stdout.splitlines()[-1])
    return said, left


def test_the_tutorial_leads_to_a_chat(
    require_program: RequireProgram, node: str, tmp_path: Path
) -> None:
    chromium = require_program("chromium", "the Debian package chromium")
    folder = tmp_path / "chat"
    folder.mkdir()
    # What the first step installs.
    (folder / "node_modules").symlink_to(HERE / "node_modules")

    said, left = follow(folder)

    for line, expected in zip(said, TESTS_SAY, strict=True):
        assert expected in line
    assert [words[0] for words in left[:-1]] == ["python3", ".venv/bin/pip", "npm"]
    server = folder / left[-1][1]
    with reserved_port() as port:
        server.write_text(server.read_text("utf-8").replace("8080", str(port)), "utf-8")
        facts = run_client(
            [node, HERE / "node" / "tutorial.mjs"],
            server=[sys.executable, server.name],
            executable=chromium,
            folder=str(folder),
            profile=str(tmp_path / "profile"),
            url=f"http://127.0.0.1:{port}/",
        )["tutorial"]
    assert facts["trouble"] == []
    assert facts["elsewhere"] == []
    assert facts["statuses"] == [0, 0]
    assert [screen["over"] for screen in facts["screens"]] == [0, 0, 0, 0]
    assert facts["lines"][:4] == [
        "Ada joined",
        "Grace <b> joined",
        "Ada: hello, 世界 <script>",
        "Grace <b>: hello yourself",
    ]
    # Who comes back says its name again.
    assert facts["lines"].count("Ada joined") == 2
    assert facts["lines"][-2:] == ["Grace <b>: still there", "Grace <b> left"]
