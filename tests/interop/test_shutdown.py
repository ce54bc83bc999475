"""Clients of a server that stops."""

from __future__ import annotations

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import HERE, run_client, running_server, unlike_reference

pytestmark = pytest.mark.socket


@unlike_reference
@pytest.mark.parametrize("place", ["listen", "site"])
@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_clients_are_told_that_the_server_stops(
    node: str, mode: str, place: str
) -> None:
    static: dict[str, str] | None = {} if place == "site" else None
    launch = Launch(engine={"ping_interval": 300.0}, static=static)
    with running_server(launch) as server:
        results = run_client(
            [node, HERE / "node" / "session.mjs"],
            url=server.url,
            mode=mode,
            names=["shutdown"],
        )
        server.join()
    assert results["shutdown"] == {"client": "transport close", "trouble": []}
