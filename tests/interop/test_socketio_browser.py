"""Socket.IO in Chromium: the official client, and the page of ``twistd socketio``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server
from tests.interop.socketio_serve import KINDS
from tests.interop.test_socketio import MODES, command, expected
from tests.test_socketio_plugin import running

pytestmark = pytest.mark.socket

CLIENT = HERE / "node_modules" / "socket.io-client"


@pytest.fixture
def chromium(require_program: RequireProgram, node: str) -> str:
    return require_program("chromium", "Chromium (Debian: chromium)")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, node: str) -> Iterator[ServerProcess]:
    launch = Launch(
        engine={"namespaces": ["/", "/admin"]},
        static={"page": str(HERE / "page")},
        client_script=str(CLIENT),
    )
    with running_server(launch, command(request.param)) as server:
        yield server


def test_the_official_client_in_a_browser(
    server: ServerProcess, node: str, chromium: str, tmp_path: Path
) -> None:
    seen = run_client(
        [node, HERE / "node" / "socketio_browser.mjs"],
        executable=chromium,
        url=server.url,
        profile=str(tmp_path / "profile"),
        modes=list(MODES),
    )

    assert seen["facts"] == {mode: expected(mode) for mode in MODES}
    assert seen["elsewhere"] == []


@pytest.mark.parametrize("client", ["this page", "socket.io-client"])
def test_people_meet_on_the_page_of_the_chat(
    client: str, node: str, chromium: str, tmp_path: Path
) -> None:
    flags = [] if client == "this page" else ["--client-script", str(CLIENT)]
    with running(tmp_path, *flags) as url:
        seen = run_client(
            [node, HERE / "node" / "socketio_chat.mjs"],
            executable=chromium,
            url=f"{url}/",
            profile=str(tmp_path / "profile"),
        )

    facts = seen["facts"]
    assert (seen["trouble"], seen["elsewhere"]) == ([], [])
    assert facts["client"] == client
    # How to get the official client is told to those who have not got it.
    assert facts["hint"] is (client == "this page")
    assert facts["people"] == "Ada, Grace"
    assert re.fullmatch(r"\d+\.\d ms", facts["took"])
    assert facts["heard"] == ["youhello <b>you</b>", "Gracehello yourself"]
    assert [size["wide"] for size in facts["sizes"]] == [390, 1400, 390, 1400]
    light, _, dark, _ = facts["sizes"]
    assert light["ground"] != dark["ground"]
    assert light["ink"] != dark["ink"]
