"""The short form of the soak with workers; ``make soak-workers`` runs the long one."""

from __future__ import annotations

import socket

import pytest

from tests.soak.short import DEADLINE, soak_shortly

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs Linux"),
]


@pytest.mark.timeout(DEADLINE)
def test_what_happens_to_workers_happens_to_nobody_elses_messages() -> None:
    assert "'kill'" in soak_shortly("tests.soak.workers")
