"""What comes of engine.io's clients behind a balancer that knows nothing of sessions.

The same clients go to three processes of engine.io for Node.js, and to three nodes of a
cluster. The guide's page about several machines tells the figures.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK
from tests.interop.round_robin import running_in_front
from tests.interop.servers import HERE, ROOT, running_server
from tests.interop.test_cluster import three
from tests.interop.test_proxies import Proxy
from tests.test_plugin import Running

__all__ = ["three"]

pytestmark = pytest.mark.socket

NODES = 3
CLIENTS = 30
ECHOES = 10
DEADLINE = 60.0
WAYS = {
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
    "websocket": ["websocket"],
}
BALANCER = "haproxy always"


def passed(node: str, front: Proxy, way: str) -> int:
    """Return how many clients got everything back."""
    client = subprocess.run(
        [node, HERE / "node" / "crowd.mjs"],
        input=json.dumps(
            {
                "url": f"http://{LOOPBACK}:{front.port}",
                "transports": WAYS[way],
                "clients": CLIENTS,
                "echoes": ECHOES,
            }
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    found: int = json.loads(client.stdout)["passed"]
    return found


@pytest.fixture(scope="module")
def theirs(
    node: str, require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """Three processes of engine.io for Node.js, behind the balancer."""
    with ExitStack() as stack:
        command: list[str | Path] = [node, HERE / "node" / "reference.mjs"]
        servers = [
            stack.enter_context(running_server(command=command)).port or 0
            for _ in range(NODES)
        ]
        folder = tmp_path_factory.mktemp("theirs")
        yield stack.enter_context(
            running_in_front(BALANCER, require_program, servers, folder)
        )


@pytest.fixture(scope="module")
def ours(
    require_program: RequireProgram,
    three: list[Running],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """Three machines of a cluster, behind the balancer."""
    servers = [each.port for each in three]
    folder = tmp_path_factory.mktemp("ours")
    with running_in_front(BALANCER, require_program, servers, folder) as front:
        yield front


@pytest.mark.parametrize("way", WAYS)
def test_all_get_through_to_nodes_of_a_cluster(
    node: str, ours: Proxy, way: str
) -> None:
    assert passed(node, ours, way) == CLIENTS


@pytest.mark.parametrize(("way", "most"), [("polling", 0), ("upgrade", CLIENTS // 3)])
def test_hardly_anybody_gets_through_to_processes_that_do_not_know_each_other(
    node: str, theirs: Proxy, way: str, most: int
) -> None:
    assert passed(node, theirs, way) <= most


def test_a_websocket_needs_no_cluster(node: str, theirs: Proxy) -> None:
    assert passed(node, theirs, "websocket") == CLIENTS
