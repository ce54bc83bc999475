"""The short form of a soak, as a test: the long ones are ``make soak-…``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["DEADLINE", "soak_shortly"]

SECONDS: Final = float(os.environ.get("TXENGINEIO_SOAK_SECONDS", "15"))
SEED: Final = os.environ.get("TXENGINEIO_SOAK_SEED", "15")
# Tests run beside others; the long form knows how fast it is to be.
WITHIN: Final = 30

DEADLINE: Final = SECONDS + 300


def soak_shortly(module: str) -> str:
    """Run a soak, which must find no fault; return what it has printed.

    Args:
        module: The module whose program it is.
    """
    # Its clients want a reactor on asyncio, and have it in a process of their own.
    command = [sys.executable, "-m", module, str(SECONDS)]
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
    return soak.stdout
