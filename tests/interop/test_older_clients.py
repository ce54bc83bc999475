"""Sessions with the official JavaScript client of earlier years.

Version 3 speaks protocol revision 3; versions 4 and 5 speak revision 4. The scenarios
are those of `test_sessions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.interop.launch import Launch
from tests.interop.messages import ECHOES, LARGE, LARGE_LIMIT, digest
from tests.interop.servers import (
    HERE,
    Results,
    ServerProcess,
    run_client,
    running_server,
)

pytestmark = pytest.mark.socket

ENGINE = {
    # So slow a heartbeat that nothing which waits for it by mistake gets through.
    "ping_interval": 300.0,
    "max_http_buffer_size": LARGE_LIMIT,
    "allow_eio3": True,
    "per_message_deflate": True,
}
QUICK = {"ping_interval": 0.3, "ping_timeout": 60.0, "allow_eio3": True}
ORDERED = 1000
SCENARIOS = [
    "opening",
    "echoes",
    "array_buffer",
    "large",
    "burst",
    "ordered",
    "greeting",
    "greeting_then_close",
    "close_by_client",
    "close_by_client_at_once",
    "close_by_server",
    "close_by_server_at_once",
]
RUNS = [
    (client, mode)
    for client in ("engine.io-client-3", "engine.io-client-4", "engine.io-client-5")
    for mode in ("polling", "websocket", "upgrade")
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one client process has found out."""

    client: str
    mode: str
    results: Results

    def __getitem__(self, scenario: str) -> Any:
        return self.results[scenario]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(Launch(engine=ENGINE)) as server:
        yield server


@pytest.fixture(scope="module")
def quick() -> Iterator[ServerProcess]:
    """A server whose heartbeat is quick."""
    with running_server(Launch(engine=QUICK)) as server:
        yield server


def run(
    request: pytest.FixtureRequest, server: ServerProcess, scenarios: list[str]
) -> Facts:
    client, mode = request.param
    program = [
        request.getfixturevalue("node"),
        str(HERE / "node" / "session.mjs"),
        client,
    ]
    arguments = {"url": server.url, "mode": mode, "names": scenarios, "echoes": ECHOES}
    return Facts(client, mode, run_client(program, **arguments))


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def facts(request: pytest.FixtureRequest, server: ServerProcess) -> Facts:
    return run(request, server, SCENARIOS)


@pytest.fixture(params=RUNS, ids="-".join)
def heartbeats(request: pytest.FixtureRequest, quick: ServerProcess) -> Any:
    return run(request, quick, ["heartbeats"])["heartbeats"]


def test_session_opens_and_upgrades(facts: Facts) -> None:
    opening = facts["opening"]
    transports = {"upgrade": ["polling", "websocket"], "websocket": ["websocket"]}
    expected = transports.get(facts.mode, ["polling"])
    assert opening["transports"] == expected
    assert opening["transport"] == expected[-1]
    assert opening["request"] == expected[0]
    assert opening["trouble"] == []


@pytest.mark.parametrize("kind", ECHOES)
def test_messages_come_back_unchanged_and_in_order(facts: Facts, kind: str) -> None:
    assert facts["echoes"][kind] == ECHOES[kind]


def test_client_that_wants_array_buffers_gets_the_same_bytes(facts: Facts) -> None:
    expected = {"type": "ArrayBuffer", "message": {"binary": "0001020304"}}
    assert facts["array_buffer"] == expected


def test_large_messages_pass_in_both_directions(facts: Facts) -> None:
    cycle = bytes(range(256)) * (LARGE // 256 + 1)
    assert facts["large"] == {
        "text": digest("€" * (LARGE // 3)),
        "binary": digest(bytes.fromhex("0123456789abcdef") * (LARGE // 8)),
        "text_from_server": digest("0123456789" * (LARGE // 10)),
        "binary_from_server": digest(cycle[:LARGE]),
    }


def test_many_messages_sent_at_once_arrive_in_order(facts: Facts) -> None:
    assert facts["burst"] == [f"n{number}" for number in range(ORDERED)]


def test_both_sides_keep_the_order_across_the_upgrade(facts: Facts) -> None:
    ordered = facts["ordered"]
    assert ordered["echoed"] == [f"c{number}" for number in range(ORDERED)]
    assert ordered["streamed"] == [f"s{number}" for number in range(ORDERED)]
    assert ordered["trouble"] == []


def test_session_survives_three_heartbeats(heartbeats: dict[str, Any]) -> None:
    assert heartbeats["answered"] >= 3
    assert heartbeats["state"] == "open"


def test_what_is_sent_as_the_session_opens_arrives_once_in_order(facts: Facts) -> None:
    assert facts["greeting"] == ["a", "b", "c", "d"]


def test_what_was_sent_before_the_server_closes_arrives(facts: Facts) -> None:
    expected = {"client": "transport close", "received": ["a", "b", "c"]}
    assert facts["greeting_then_close"] == expected


def test_client_closes(facts: Facts) -> None:
    expected = {"client": "forced close", "server": "transport close"}
    assert facts["close_by_client"] == expected


def test_client_closes_as_soon_as_it_is_open(facts: Facts) -> None:
    expected = {"client": "forced close", "server": "transport close", "trouble": []}
    assert facts["close_by_client_at_once"] == expected


@pytest.mark.parametrize("scenario", ["close_by_server", "close_by_server_at_once"])
def test_server_closes(facts: Facts, scenario: str) -> None:
    assert facts[scenario] == {"client": "transport close", "server": "forced close"}
