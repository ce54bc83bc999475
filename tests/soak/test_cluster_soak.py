"""The short form of the soak of a cluster; ``make soak-cluster`` runs the long one."""

from __future__ import annotations

import pytest

from tests.conftest import RequireProgram
from tests.interop.redis_server import require_redis
from tests.soak.short import DEADLINE, soak_shortly

pytestmark = pytest.mark.socket


@pytest.mark.timeout(DEADLINE)
def test_what_happens_to_nodes_and_redis_happens_to_nobody_elses_messages(
    require_program: RequireProgram,
) -> None:
    require_redis(require_program)
    require_program("haproxy", "the Debian package haproxy")
    assert "'restart Redis'" in soak_shortly("tests.soak.cluster")
