"""The examples whose pages need the official client, in Chromium; and their like."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.conftest import RequireProgram
from tests.examples import DEADLINE, EXAMPLES, RunExample, connected, converse
from tests.integrations.streams.test_proxies import running_proxy
from tests.interop.servers import HERE, run_client
from tests.test_documentation import GUIDE, blocks

pytestmark = pytest.mark.socket

CLIENT = str(HERE / "node_modules" / "engine.io-client")
CONNECTION = EXAMPLES / "applause" / "page" / "connection.js"

EACH_WAY = [["polling"], ["websocket"], ["polling", "websocket"]]

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


def test_only_the_page_over_websocket_alone_stays_empty_behind_a_proxy(
    run_example: RunExample,
    require_program: RequireProgram,
    visit: Visit,
    tmp_path: Path,
) -> None:
    nginx = require_program("nginx", "the Debian package nginx")
    url = run_example("dashboard/server.py", "0", CLIENT)

    server = int(url.rpartition(":")[2])
    with running_proxy("nginx", nginx, server, False, tmp_path) as port:
        facts = visit("dashboard", url=f"{url}/", behind=f"http://127.0.0.1:{port}/")

    shown = {name: (page["state"], page["jobs"]) for name, page in facts.items()}
    assert shown == {
        "direct": ("connected by websocket", 3),
        "directAlone": ("connected by websocket alone", 3),
        "behind": ("connected by polling", 3),
        "behindAlone": ("offline, trying again …", 0),
    }
    assert all(fits(page["screens"]) for page in facts.values())


def test_players_meet_in_the_game(run_example: RunExample, visit: Visit) -> None:
    url = run_example("mud/server.py", "0", CLIENT)

    facts = visit("mud", url=f"{url}/")

    assert facts["trouble"] == []
    assert facts["elsewhere"] == []
    assert fits(facts["screens"])
    assert facts["lines"] == [
        "What is your name?",
        "> Ada",
        "A hall with a cold fireplace. Exits: north, east. Here: Ada.",
        "Grace comes in.",
        "> say hello <b>you</b>",
        "You say: hello <b>you</b>",
        "Grace goes north.",
        "> north",
        "Shelves up to the ceiling. Exits: south. Here: Ada, Grace.",
        "Grace fades away.",
    ]


@pytest.mark.parametrize("transports", EACH_WAY, ids="-".join)
def test_game_is_the_same_on_every_transport(
    transports: list[str], node: str, run_example: RunExample
) -> None:
    url = run_example("mud/server.py", "0", CLIENT)

    with connected(url, transports=transports) as (_, other):
        assert other.get(timeout=DEADLINE) == "What is your name?"
        answers = converse(
            url, "Ada", "dance", "west", "east", greetings=1, transports=transports
        )
        with connected(url, transports=transports) as (client, received):
            for name in ("", "Ada"):
                client.send(name)
            greetings = [received.get(timeout=DEADLINE) for _ in range(3)]

    assert answers == [
        "What is your name?",
        "A hall with a cold fireplace. Exits: north, east. Here: Ada.",
        "look, who, say WORDS, or the way to go: north, south, east, west",
        "There is no way.",
        "Roses, and a bench in the sun. Exits: west. Here: Ada.",
    ]
    # Who has left leaves the name.
    assert greetings[1] == "That will not do. Which other name?"
    assert str(greetings[2]).startswith("A hall")


def test_websockets_of_others_stand_beside_engine_io(run_example: RunExample) -> None:
    url = run_example("three_ways.py")

    for transports in EACH_WAY:
        assert converse(url, "hello", b"\x00", transports=transports) == [
            "hello",
            b"\x00",
        ]
    for path in ("autobahn", "twisted"):
        address = f"{url.replace('http', 'ws')}/{path}"
        with closing(websocket.create_connection(address, timeout=DEADLINE)) as plain:
            plain.send("hello")
            assert plain.recv() == "hello"
            plain.send_binary(b"\x00")
            assert plain.recv() == b"\x00"
