"""Each example, run as its first lines say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.examples import RunExample, converse, read
from tests.interop.servers import HERE, run_client

pytestmark = pytest.mark.socket


def test_echo_sends_messages_back(run_example: RunExample) -> None:
    url = run_example("echo.py")

    assert converse(url, "hello", b"\x00\x01") == ["hello", b"\x00\x01"]


def test_existing_site_keeps_its_pages_and_gains_sessions(
    run_example: RunExample,
) -> None:
    url = run_example("existing_site.py")

    assert "was here before" in read(f"{url}/")
    assert read(f"{url}/about") == "About us"
    assert converse(url, "hello", greetings=1) == ["say something", "HELLO"]


def test_people_meet_in_the_chat(
    run_example: RunExample,
    require_program: RequireProgram,
    node: str,
    tmp_path: Path,
) -> None:
    chromium = require_program("chromium", "the Debian package chromium")
    url = run_example("chat/server.py")

    facts = run_client(
        [node, HERE / "node" / "chat.mjs"],
        executable=str(chromium),
        url=url,
        profile=str(tmp_path / "profile"),
    )

    assert facts["lines"] == [
        "Ada joined",
        "Grace <b> joined",
        "Adahello, 世界 <script>",
        "Grace <b>hello yourself",
        "Grace <b> left",
    ]
