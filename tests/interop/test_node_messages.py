"""Nodes of one machine talk: broadcasts and orders, seen by clients of others."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server
from tests.interop.test_proxies import Proxy, open_session, request

pytestmark = pytest.mark.socket

NODES = 3
FLOOD_SECONDS = 5.0
MIB = 1 << 20


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


def counts(server: ServerProcess, folder: Path) -> dict[str, int]:
    proxy = Proxy(server.port or 0, "none", folder)
    session, _ = open_session(proxy)
    assert request(proxy, session, body="4!told").body == "ok"
    packets: list[str] = []
    while not any(packet.startswith("4{") for packet in packets):
        # A broadcast may come before.
        packets = request(proxy, session).body.split("\x1e")
    (answer,) = (packet[1:] for packet in packets if packet.startswith("4{"))
    assert request(proxy, session, body="1").status == 200
    counted: dict[str, int] = json.loads(answer)
    return counted


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_node_that_is_stopped_costs_no_memory_and_no_time(
    nodes: list[ServerProcess], tmp_path: Path
) -> None:
    flooding, stopped, reading = nodes
    # Nobody has to connect: they have found each other as they started.
    proxy = Proxy(flooding.port or 0, "none", tmp_path)
    session, _ = open_session(proxy)
    before = counts(flooding, tmp_path)
    assert before.keys() <= {"sent", "received", "torn"}
    memory_before = memory(flooding)
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        request(proxy, session, body=f"4!flood {FLOOD_SECONDS}")
        most = memory_before
        slowest = 0.0
        end = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            counts_now = counts(flooding, tmp_path)
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, memory(flooding), memory(reading))
            time.sleep(0.05)
        after = counts(flooding, tmp_path)
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    # 8 MiB for each node, what a broadcast takes on its way, and some for the heap.
    assert most - memory_before < 64 * MIB
    # What one has missed, the other has got.
    assert after["full"] > 50
    assert after["sent"] - before["sent"] > 50
    assert counts_now["full"] <= after["full"]
    assert slowest < 5
    assert flooding.log().count("is dropped (full)") in (1, 2)
    # It goes on from where it was.
    (old,) = (node for node in nodes if node is stopped)
    deadline = time.monotonic() + 20
    while counts(old, tmp_path).get("received", 0) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.1)
