"""Chromium with the browser bundle of the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.browsers import Browser, running_browser
from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, running_server

pytestmark = pytest.mark.socket

DEADLINE = 110.0
BUNDLE = HERE / "node_modules" / "engine.io-client" / "dist"
TEXTS = ["hello", "石室詩士 😀", "", "x" * 100_000]
BINARIES = [[0, 1, 2, 3, 4], [], list(range(256))]
EXCHANGED = [
    *({"event": "message", "text": text} for text in TEXTS),
    *({"event": "message", "binary": binary} for binary in BINARIES),
    {"event": "message", "text": "that is all"},
]


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    # So slow a heartbeat that nothing which waits for it by mistake gets through.
    engine = {"ping_interval": 300.0}
    launch = Launch(
        engine=engine, static={"": str(HERE / "page"), "client": str(BUNDLE)}
    )
    with running_server(launch) as server:
        yield server


@pytest.fixture
def browser(
    node: str, require_program: RequireProgram, server: ServerProcess, tmp_path: Path
) -> Iterator[Browser]:
    chromium = require_program("chromium", "Chromium (Debian: chromium)")
    command: list[str | Path] = [node, HERE / "node" / "browser.mjs"]
    profile = str(tmp_path / "profile")
    with running_browser(
        command, DEADLINE, executable=chromium, url=server.url, profile=profile
    ) as browser:
        yield browser


def test_browser_session_on_each_transport_and_after_a_restart(
    browser: Browser, server: ServerProcess
) -> None:
    for transport in ("polling", "websocket"):
        facts = browser.stage(transport)
        assert facts["opened"] == [{"event": "open", "transport": transport}]
        assert facts["received"] == EXCHANGED
        assert facts["closed"] == [{"event": "close", "reason": "forced close"}]

    facts = browser.stage("upgrade")
    upgraded = [
        {"event": "open", "transport": "polling"},
        {"event": "upgrade", "transport": "websocket"},
    ]
    assert facts["opened"] == upgraded
    assert facts["received"] == EXCHANGED

    server.kill()
    browser.tell("killed")
    lost = browser.stage("lost")["lost"]
    assert lost[-1] == {"event": "close", "reason": "transport close"}

    server.restart()
    browser.tell("started")
    facts = browser.stage("back")
    # The client has tried while there was no server; what it saw then is its affair.
    assert facts["reopened"][-2:] == upgraded
    assert facts["received"] == EXCHANGED
    assert facts["closed"] == [{"event": "close", "reason": "forced close"}]
    assert facts["errors"] == []
