"""Nodes of one machine talk: broadcasts and orders, seen by clients of others."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server
from tests.interop.test_proxies import DEADLINE, Proxy, open_session, request

pytestmark = pytest.mark.socket

NODES = 3
FLOOD_SECONDS = 5.0
MIB = 1 << 20
MESSAGES = re.compile(
    r"^engineio_(?:dropped_)?node_messages_total"
    r'\{(?:direction|reason)="(\w+)",worker="(\w+)"\} (\S+)$',
    re.MULTILINE,
)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[ServerProcess]]:
    tmp_path.chmod(0o700)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running_server(
                    Launch(engine={"node_name": f"n{number}"}, nodes=str(tmp_path))
                )
            )
            for number in range(NODES)
        ]
    assert list(tmp_path.iterdir()) == []


def check(nodes: list[ServerProcess], program: list[str | Path]) -> None:
    urls = [node.url for node in nodes]
    results = run_client(
        program, url=urls[0], urls=urls, mode="any", names=["broadcast", "orders"]
    )
    seen = results["broadcast"]["seen"]
    # 3 times, each of 9 clients.
    assert seen == [[f"b{number}" for number in range(100)]] * 27
    assert results["broadcast"]["left"] == [0] * 9
    orders = results["orders"]
    assert orders.pop("reason")
    assert orders == {
        "told": "sent True",
        "heard": "hello",
        "unknown": "sent False",
        "closed": "closed True",
        "again": "closed False",
    }


def test_official_client(nodes: list[ServerProcess], node: str) -> None:
    check(nodes, [node, HERE / "node" / "nodes.mjs"])


def test_python_client(nodes: list[ServerProcess]) -> None:
    check(nodes, [sys.executable, "-m", "tests.interop.python_nodes"])


def memory(server: ServerProcess) -> int:
    """What a process has in memory, in bytes."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def told(server: ServerProcess, folder: Path) -> dict[str, float]:
    """What a node counts of messages: ``in``, ``out``, and why some are dropped."""
    metrics = request(Proxy(server.port or 0, "none", folder), "/metrics").body
    name = server.launch.engine["node_name"]
    return {
        kind: float(count)
        for kind, worker, count in MESSAGES.findall(metrics)
        if worker == name
    }


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_node_that_is_stopped_costs_no_memory_and_no_time(
    nodes: list[ServerProcess], tmp_path: Path
) -> None:
    flooding, stopped, reading = nodes
    proxy = Proxy(flooding.port or 0, "none", tmp_path)
    session, _ = open_session(proxy)
    before = told(flooding, tmp_path)
    assert before["full"] == 0
    memory_before = memory(flooding)
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        request(proxy, session, body=f"4!flood {FLOOD_SECONDS}")
        most, slowest = memory_before, 0.0
        end = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            assert request(proxy, "/healthz").status == 200
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, memory(flooding), memory(reading))
            time.sleep(0.05)
        after = told(flooding, tmp_path)
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    # 8 MiB for each node, what a broadcast takes on its way, and some for the heap.
    assert most - memory_before < 64 * MIB
    assert slowest < 5
    # What one has missed, the other has got.
    assert after["full"] > 50
    assert after["out"] - before["out"] > 50
    # A line for each node, at most.
    assert flooding.log().count("is dropped (full)") in (1, 2)
    # It goes on from where it was.
    deadline = time.monotonic() + 20
    while told(stopped, tmp_path)["in"] < 8:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_any_node_tells_of_all(nodes: list[ServerProcess], tmp_path: Path) -> None:
    proxies = [Proxy(node.port or 0, "none", tmp_path) for node in nodes]
    for proxy in proxies[1:]:
        open_session(proxy)
    sessions = re.compile(
        r'^engineio_sessions\{.*transport="polling".*worker="(\w+)".*\} (\S+)$', re.M
    )
    up = re.compile(r'^engineio_worker_up\{worker="(\w+)"\} (\S+)$', re.M)
    for proxy in proxies:
        health = request(proxy, "/healthz")
        assert (health.status, health.body) == (
            200,
            "ok\nworker n0: open\nworker n1: open\nworker n2: open\n",
        )
        metrics = request(proxy, "/metrics").body
        found = {name: float(value) for name, value in sessions.findall(metrics)}
        assert found == {"n0": 0, "n1": 1, "n2": 1}
        assert dict(up.findall(metrics)) == {"n0": "1.0", "n1": "1.0", "n2": "1.0"}
    os.kill(nodes[1].pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        metrics = request(proxies[0], "/metrics").body
        # Who waited for its answer would wait until the client has had enough.
        assert time.monotonic() - began < DEADLINE / 2
    finally:
        os.kill(nodes[1].pid, signal.SIGCONT)
    assert dict(up.findall(metrics)) == {"n0": "1.0", "n1": "0.0", "n2": "1.0"}
