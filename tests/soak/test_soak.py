"""The short form of the soak; ``make soak`` runs the long one."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.soak.run import soak

pytestmark = pytest.mark.socket

SECONDS = float(os.environ.get("TXENGINEIO_SOAK_SECONDS", "25"))


@pytest.mark.timeout(SECONDS + 120)
def test_sessions_come_and_go_and_leave_nothing_behind() -> None:
    report = asyncio.run(soak(SECONDS))
    assert report.problems == []
    assert report.sessions > 20 * SECONDS
    assert len(report.reasons) >= 4
