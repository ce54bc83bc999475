"""The tests that the guide shows pass, in both of the programs that run tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_documentation import GUIDE, ROOT, blocks

TRIAL = "from twisted.scripts.trial import run; run()"
PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "-q"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programs of the page, saved as it says."""
    for block in blocks(GUIDE / "testing.md", "python"):
        assert block.saved_as is not None
        (tmp_path / block.saved_as).write_text(block.text, "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.socket
def test_its_tests_pass(folder: Path) -> None:
    text = "".join(path.read_text("utf-8") for path in folder.glob("test_*.py"))
    count = len(re.findall(r"^ *(?:async )?def test_", text, re.MULTILINE))
    assert count > 10
    assert f"{count} passed" in run(folder, *PYTEST)


def test_its_test_case_passes_under_trial(folder: Path) -> None:
    assert "PASSED (successes=1)" in run(folder, "-c", TRIAL, "test_with_trial")


def test_its_first_test_can_fail(folder: Path) -> None:
    (folder / "chat.py").write_text(
        (folder / "chat.py").read_text("utf-8").replace("broadcast", "listen"), "utf-8"
    )
    with pytest.raises(AssertionError, match="2 failed, 1 passed"):
        run(folder, *PYTEST, "test_chat.py", "test_protocol.py")


def first_lines(leak: str) -> list[str]:
    lines = [line.strip() for line in leak.splitlines()[:2]]
    return [re.sub(r"session \S+…", "session …", line) for line in lines]


def test_it_shows_how_a_leak_is_told(folder: Path) -> None:
    text = (GUIDE / "testing.md").read_text("utf-8")
    (folder / "test_chat.py").write_text(
        "from chat import Chat\n"
        "from txengineio.testing import *\n"
        "memory = MemoryEngine(Chat)\n"
        "def test_leak():\n"
        "    client = memory.connect(address='127.0.0.1')\n"
        "    client.session.close(discard=True)\n",
        "utf-8",
    )
    with pytest.raises(AssertionError) as caught:
        run(folder, *PYTEST, "test_chat.py")
    told = str(caught.value).partition("1 session was not closed:\n")[2]
    shown = text.partition("    1 session was not closed:\n")[2]
    assert first_lines(told) == first_lines(shown)
