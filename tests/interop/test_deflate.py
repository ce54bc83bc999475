"""permessage-deflate with a WebSocket library that we did not write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server

pytestmark = pytest.mark.socket

MESSAGES = ["hello world " * 2000, "short", "hello world " * 2000, "é€😀" * 1000]
SIZE = sum(len(message.encode()) for message in MESSAGES)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(Launch(engine={"per_message_deflate": True})) as server:
        yield server


@pytest.mark.parametrize(
    ("offer", "extension"),
    [
        (True, "permessage-deflate"),
        (
            {"serverNoContextTakeover": True, "clientNoContextTakeover": True},
            "permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover",
        ),
        (
            {"serverMaxWindowBits": 10, "clientMaxWindowBits": 11},
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
    ],
)
def test_messages_come_back_in_fewer_bytes(
    node: str, server: ServerProcess, offer: Any, extension: str
) -> None:
    session = exchange(node, server, offer)
    assert session["extension"] == extension
    assert session["received"] == MESSAGES
    assert session["bytes"] < SIZE / 50


def test_who_does_not_offer_it_does_without(node: str, server: ServerProcess) -> None:
    session = exchange(node, server, False)
    assert session["extension"] is None
    assert session["received"] == MESSAGES
    assert session["bytes"] > SIZE


def exchange(node: str, server: ServerProcess, offer: Any) -> Any:
    program = [node, str(HERE / "node" / "deflate.mjs")]
    results = run_client(program, url=server.url, offer=offer, messages=MESSAGES)
    return results["session"]
