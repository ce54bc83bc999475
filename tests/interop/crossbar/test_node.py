"""Engine.IO inside a real Crossbar.io node, and bridged to its realm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest

from tests.examples import RunExample, connected
from tests.interop.crossbar.node import Configuration, CrossbarNode
from tests.interop.servers import HERE, Results, run_client
from tests.ports import reserved_port

# A node takes some seconds to start.
pytestmark = [pytest.mark.socket, pytest.mark.timeout(240)]

MODES = ["polling", "websocket", "upgrade"]
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture(scope="module")
def crossbar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrossbarNode]:
    with reserved_port() as port:
        node = CrossbarNode(tmp_path_factory.mktemp("crossbar") / "node", port)
        node.start()
        yield node
        node.stop()


def ask(node: str, crossbar: CrossbarNode, mode: str, scenario: str) -> Results:
    program = HERE / "node" / "crossbar.mjs"
    return run_client([node, program], url=crossbar.url, mode=mode, names=[scenario])


@pytest.mark.parametrize("mode", MODES)
def test_application_is_served_at_the_usual_path(
    crossbar: CrossbarNode, node: str, mode: str
) -> None:
    facts = ask(node, crossbar, mode, "shout")["shout"]

    assert facts["transports"] == TRANSPORTS[mode]
    assert facts["answers"] == ["HELLO", "GRÜSSE"]
    assert facts["trouble"] == []


def test_wamp_component_answers(
    crossbar: CrossbarNode, node: str, run_example: RunExample
) -> None:
    run_example("wamp_answers.py", crossbar.router, "com.example.eio", says="ready")

    for mode in MODES:
        facts = ask(node, crossbar, mode, "wamp")["wamp"]

        assert facts["greeting"] == "welcome"
        assert facts["transports"] == TRANSPORTS[mode]
        assert facts["text"] == "olleh"
        assert facts["binary"] == {"binary": "ff020100"}
        # Such a text comes as bytes, and so does what is made of it.
        assert facts["nul"] == {"binary": b"eno\0".hex()}
        assert facts["trouble"] == []


def test_bridge_outlives_the_router(
    tmp_path: Path, port: int, run_example: RunExample
) -> None:
    router = CrossbarNode(tmp_path / "node", port)
    # The bridge is there first, and so is a client.
    url = run_example("wamp_bridge.py", "0", router.router)
    with connected(url, transports=["websocket"]) as (client, received):
        for _ in range(2):
            router.start()
            try:
                run_example("wamp_answers.py", router.router, says="ready")
                answer = None
                while answer != "olleh":
                    # Nobody may have listened yet.
                    client.send("hello")
                    try:
                        answer = received.get(timeout=1)
                    except Empty:
                        continue
            finally:
                router.stop()
            while not received.empty():
                received.get()


def test_node_says_what_is_wrong_with_its_configuration(
    tmp_path: Path, port: int
) -> None:
    def misspell(worker: Configuration) -> None:
        paths = worker["transports"][0]["paths"]
        paths["/"]["extra"]["app"] = "shout:Shuot"

    broken = CrossbarNode(tmp_path / "node", port, misspell)
    broken.launch()
    try:
        broken.wait()
    finally:
        if not broken.has_ended():
            broken.stop()

    assert "shout:Shuot cannot be loaded" in broken.log()
