"""The examples whose pages need the official client, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RequireProgram
from tests.examples import EXAMPLES, RunExample
from tests.interop.servers import HERE, run_client
from tests.test_documentation import GUIDE, blocks

pytestmark = pytest.mark.socket

CLIENT = str(HERE / "node_modules" / "engine.io-client")
CONNECTION = EXAMPLES / "applause" / "page" / "connection.js"

Visit = Callable[..., Any]


@pytest.fixture
def visit(node: str, require_program: RequireProgram, tmp_path: Path) -> Visit:
    """Run a program of tests/interop/node with a browser; return its facts."""
    chromium = require_program("chromium", "the Debian package chromium")

    def run(name: str, **arguments: Any) -> Any:
        return run_client(
            [node, HERE / "node" / f"{name}.mjs"],
            executable=chromium,
            profile=str(tmp_path / "profile"),
            **arguments,
        )[name]

    return run


def fits(screens: list[dict[str, Any]]) -> bool:
    """Say whether a page is nowhere too wide, and dark where it should be."""
    inks = {(screen["dark"], screen["ink"]) for screen in screens}
    return len(inks) == 2 and all(screen["over"] <= 0 for screen in screens)


def test_page_tells_how_it_is_connected(run_example: RunExample, visit: Visit) -> None:
    url = run_example("applause/server.py", "0", CLIENT)

    facts = visit("applause", url=f"{url}/")

    assert facts["trouble"] == []
    assert facts["elsewhere"] == []
    assert fits(facts["screens"])
    assert list(dict.fromkeys(facts["told"])) == [
        "connecting …",
        "connected by polling",
        "connected by websocket",
    ]


def test_page_comes_back_after_pauses_that_grow(
    run_example: RunExample, visit: Visit
) -> None:
    url = run_example("applause/server.py", "0", CLIENT)

    told = visit("applause", url=f"{url}/")["toldOffline"]

    seconds = [
        int(found[1]) if (found := re.search(r"next try in (\d+) s", text)) else 0
        for text in told
    ]
    attempts = [number for number, text in enumerate(told) if text == "connecting …"]
    pauses = [seconds[0], *(seconds[number + 1] for number in attempts[:2])]
    assert pauses[0] == 2
    assert 2 < pauses[1] <= 4 < pauses[2] <= 8
    assert told[-1] == "connected by websocket"


def test_guide_shows_the_script_of_the_example() -> None:
    script = CONNECTION.read_text("utf-8")

    shown = blocks(GUIDE / "browser.md", "js")[0].text

    assert script.endswith(shown)
