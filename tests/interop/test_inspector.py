"""The inspector in Chromium, on a server that was started as the README says."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.servers import HERE, ROOT, run_client

pytestmark = pytest.mark.socket

DEADLINE = 30.0
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
COMMAND = [sys.executable, "-c", RUN_TWISTD, "-n", "--pidfile=", "engineio"]


@pytest.fixture
def url() -> Iterator[str]:
    """Where the log of the server says that the inspector is."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    found = None
    while found is None:
        line = process.stdout.readline()
        assert line, "the server has ended"
        found = re.search(r"Look inside with a browser: (\S+)", line)
    watchdog.cancel()
    yield found[1]
    process.terminate()
    output, _ = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in output
    assert "Unhandled" not in output


def test_the_inspector_shows_and_does_what_it_says(
    url: str, require_program: RequireProgram, node: str, tmp_path: Path
) -> None:
    chromium = require_program("chromium", "Chromium (Debian: chromium)")

    results = run_client(
        [node, HERE / "node" / "inspector.mjs"],
        executable=str(chromium),
        url=url,
        profile=str(tmp_path / "profile"),
    )

    facts = dict(results)
    assert facts["trouble"] == []
    assert facts["elsewhere"] == []
    # Its own session: handshake, upgrade, messages of both kinds, round trips.
    assert re.match(r"Moved to WebSocket \d+(\.\d)? ms after", facts["note"])
    assert facts["track"] == "upgraded"
    assert "1.0 MB" in facts["handshake"]
    assert facts["first"][:3] == ["in open", "out ping", "in pong"]
    assert "out upgrade" in facts["first"]
    assert facts["binary"] == [["websocket", "4 B"]] * 2
    assert "1,000,001 bytes; the server takes 1,000,000" in facts["tooLarge"]
    assert re.fullmatch(r"\d+(\.\d)? ms", facts["roundTrip"])
    assert facts["polling"] == "polling"
    assert facts["disabled"] is True
    # The sessions of the server.
    assert (facts["sessions"], facts["own"]) == (2, 1)
    assert facts["address"] == "127.0.0.1"
    assert facts["sids"]
    assert [sid for sid in facts["sids"] if sid in facts["html"]] == []
    # Nothing is cut off, on a desk or on a phone.
    assert (facts["wide"], facts["narrow"]) == (0, 0)
