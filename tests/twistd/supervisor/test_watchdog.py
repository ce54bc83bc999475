"""The watchdog of a worker, in processes that it ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

TURNS = """
import sys, time
from txengineio.twistd.supervisor.watchdog import Watchdog

def hangs():
    time.sleep(60)

watchdog = Watchdog(1.0)
watchdog.start()
for _ in range(20):
    watchdog.turned()
    time.sleep(0.1)
if sys.argv[1] == "stops":
    watchdog.stop()
    time.sleep(2)
else:
    hangs()
"""


@pytest.mark.parametrize(("how", "status"), [("hangs", -signal.SIGKILL), ("stops", 0)])
def test_a_process_that_hangs_is_ended_and_says_where(how: str, status: int) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", TURNS, how],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert finished.returncode == status, finished.stderr
    assert ("in hangs" in finished.stderr) is (how == "hangs")
