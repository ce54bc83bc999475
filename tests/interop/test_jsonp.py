"""JSONP with the last official client that has it, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import Launch
from tests.interop.servers import HERE, run_client, running_server

pytestmark = pytest.mark.socket

CLIENT = HERE / "node_modules" / "engine.io-client-3"
ECHOES: list[Any] = [
    "hello",
    "a + b & c = d %41",
    "石室詩士 😀",
    "one\ntwo\\nthree\\\\n",
    "</script><!--",
    "\u2028\u2029",
    {"bytes": [0, 1, 2, 254, 255]},
    "x" * 100_000,
]


@pytest.mark.behaviour("B239")
def test_messages_come_back_unchanged(
    node: str, require_program: RequireProgram, tmp_path: Path
) -> None:
    chromium = require_program("chromium", "Chromium (Debian: chromium)")
    launch = Launch(
        engine={"allow_eio3": True},
        static={"page": str(tmp_path), "client": str(CLIENT)},
    )
    (tmp_path / "index.html").write_text("<!doctype html><title>JSONP</title>")
    with running_server(launch) as server:
        session = run_client(
            [node, HERE / "node" / "jsonp.mjs"],
            executable=chromium,
            url=server.url,
            profile=str(tmp_path / "profile"),
            echoes=ECHOES,
        )["session"]
    assert session["protocol"] == 3
    assert session["received"] == ECHOES
    assert session["reason"] == "forced close"
    types = {(each["method"], each["type"]) for each in session["requests"]}
    assert types == {("GET", "text/javascript; charset=UTF-8"), ("POST", "text/html")}
