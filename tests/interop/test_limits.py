"""Clients that send more than the server takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module", params=["listen", "site"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    engine = {"max_http_buffer_size": 5, "ping_interval": 300.0}
    static: dict[str, str] | None = {} if request.param == "site" else None
    with running_server(Launch(engine=engine, static=static)) as server:
        yield server


@pytest.mark.behaviour("B086", "B087", "B088")
@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket"])
def test_message_over_the_limit_ends_the_session(
    node: str, server: ServerProcess, mode: str
) -> None:
    results = run_client(
        [node, HERE / "node" / "session.mjs"],
        url=server.url,
        mode=mode,
        names=["small", "oversize"],
    )
    assert results["small"] == "a"
    # By polling two answers are on their way: 413, and the goodbye for the parked poll.
    # They come on connections of their own, so that either may be the first.
    closed = {"transport close"}
    if mode != "websocket":
        closed.add("transport error")
    assert results["oversize"]["client"] in closed
    assert results["oversize"]["received"] == []
