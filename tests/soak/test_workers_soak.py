"""The short form of the soak with workers; ``make soak-workers`` runs the long one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]

SECONDS = float(os.environ.get("TXENGINEIO_SOAK_SECONDS", "15"))
SEED = os.environ.get("TXENGINEIO_SOAK_SEED", "15")
# Tests run beside others; the long form knows how fast it is to be.
WITHIN = 30


@pytest.mark.timeout(SECONDS + 300)
def test_what_happens_to_workers_happens_to_nobody_elses_messages() -> None:
    # Its clients want a reactor on asyncio, and have it in a process of their own.
    command = [sys.executable, "-m", "tests.soak.workers", str(SECONDS)]
    soak = subprocess.run(
        [*command, "--seed", SEED, "--within", str(WITHIN)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS + 250,
        check=False,
    )
    assert soak.returncode == 0, soak.stdout[-10_000:]
    found = re.search(r"^(\d+) sessions (.*), (\d+) messages$", soak.stdout, re.M)
    assert found is not None, soak.stdout
    assert int(found[1]) > SECONDS
    assert int(found[3]) > 20 * SECONDS
    for kind in ("raw", "kept", "own", "python"):
        assert f"'{kind}'" in found[2]
    assert "'kill'" in soak.stdout
