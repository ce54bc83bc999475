"""The scripts of continuous integration: a step that hangs is ended, and named."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import RequireProgram

IN_TIME = str(Path(__file__).parents[1] / ".ci/in_time")
DEADLINE = 60.0


@pytest.fixture(autouse=True)
def _programs(require_program: RequireProgram) -> None:
    for program in ("bash", "timeout"):
        require_program(program, "GNU coreutils and bash")


def run(minutes: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IN_TIME, minutes, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        # Whatever this process was started by.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def test_a_step_that_hangs_is_ended_and_named() -> None:
    step = run("0.001", "sleep", "1000")
    assert step.returncode == 124
    assert step.stderr == f"{IN_TIME}: ended after 0.001 minutes: sleep 1000\n"


@pytest.mark.parametrize("status", [0, 3])
def test_a_step_that_ends_has_its_own_status_and_output(status: int) -> None:
    step = run("1", "sh", "-c", f"echo done; exit {status}")
    assert (step.returncode, step.stdout, step.stderr) == (status, "done\n", "")


def test_a_step_does_not_ignore_what_its_tests_send() -> None:
    program = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"
    step = run("1", sys.executable, "-c", program)
    assert step.stdout == "default_int_handler\n"


def test_a_step_ends_with_what_has_started_it() -> None:
    command = [IN_TIME, "1", "sh", "-c", "echo $$; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as step:
        assert step.stdout is not None
        assert step.stdout.readline().strip().isdigit()
        step.terminate()
        # The end of the output: nobody is left who could write.
        assert step.stdout.read() == ""
        assert step.wait(DEADLINE) == 128 + signal.SIGTERM
