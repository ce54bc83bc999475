"""The short form of the soak of a cluster; ``make soak-cluster`` runs the long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.redis_server import require_redis

pytestmark = pytest.mark.socket

SECONDS = float(os.environ.get("TXENGINEIO_SOAK_SECONDS", "15"))
SEED = os.environ.get("TXENGINEIO_SOAK_SEED", "15")
# Tests run beside others; the long form knows how fast it is to be.
WITHIN = 30


@pytest.mark.timeout(SECONDS + 300)
def test_what_happens_to_nodes_and_redis_happens_to_nobody_elses_messages(
    require_program: RequireProgram,
) -> None:
    require_redis(require_program)
    require_program("haproxy", "the Debian package haproxy")
    # Its clients want a reactor on asyncio, and have it in a process of their own.
    command = [sys.executable, "-m", "tests.soak.cluster", str(SECONDS)]
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
    assert "'restart Redis'" in soak.stdout
