"""The same sessions with the official JavaScript client and both Python clients.

One client process runs all scenarios of a mode (polling, WebSocket, upgrade); each test
looks at what one scenario has found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.launch import Launch
from tests.interop.messages import ECHOES, LARGE, LARGE_LIMIT, digest
from tests.interop.servers import (
    HERE,
    IS_REFERENCE,
    PYTHON_CLIENT,
    Results,
    ServerProcess,
    run_client,
    running_server,
)

pytestmark = pytest.mark.socket

# So slow a heartbeat that nothing which waits for it by mistake gets through.
ENGINE = {"ping_interval": 300.0, "max_http_buffer_size": LARGE_LIMIT}
QUICK = {"ping_interval": 0.3, "ping_timeout": 60.0}
ORDERED = 1000
SCENARIOS = [
    "opening",
    "echoes",
    "views",
    "large",
    "burst",
    "ordered",
    "greeting",
    "greeting_then_close",
    "close_by_client",
    "close_by_server",
    "close_by_server_at_once",
    "wrong_path",
    "unknown_session",
]
NODE_SCENARIOS = ["array_buffer", "close_by_client_at_once"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one client process has found out."""

    client: str
    mode: str
    results: Results

    def __getitem__(self, scenario: str) -> Any:
        return self.results[scenario]


RUNS = [
    ("node", "polling", "listen"),
    ("node", "keepalive", "listen"),
    ("node", "websocket", "listen"),
    ("node", "upgrade", "listen"),
    ("node", "keepalive", "site"),
    ("node", "upgrade", "site"),
    ("threads", "polling", "listen"),
    ("threads", "websocket", "listen"),
    ("threads", "upgrade", "listen"),
    ("asyncio", "polling", "listen"),
    ("asyncio", "websocket", "listen"),
    ("asyncio", "upgrade", "listen"),
]
NODE_RUNS = [run for run in RUNS if run[0] == "node"]

only_node = pytest.mark.parametrize("facts", NODE_RUNS, indirect=True, ids="-".join)


@pytest.fixture(scope="module")
def listening() -> Iterator[ServerProcess]:
    with running_server(Launch(engine=ENGINE)) as server:
        yield server


@pytest.fixture(scope="module")
def site() -> Iterator[ServerProcess]:
    """The engine as a resource in a site that has other resources."""
    with running_server(Launch(engine=ENGINE, static={})) as server:
        yield server


@pytest.fixture(scope="module")
def quick() -> Iterator[ServerProcess]:
    """A server whose heartbeat is quick."""
    with running_server(Launch(engine=QUICK)) as server:
        yield server


def run(
    request: pytest.FixtureRequest, server: ServerProcess, scenarios: list[str]
) -> Facts:
    client, mode, _ = request.param
    program: Sequence[str | Path]
    arguments = {"url": server.url, "mode": mode, "names": scenarios, "echoes": ECHOES}
    if client == "node":
        program = (request.getfixturevalue("node"), HERE / "node" / "session.mjs")
    else:
        program = PYTHON_CLIENT
        arguments["client"] = client
    return Facts(client, mode, run_client(program, **arguments))


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def facts(request: pytest.FixtureRequest) -> Facts:
    client, _, place = request.param
    server = request.getfixturevalue("listening" if place == "listen" else "site")
    scenarios = [*SCENARIOS, *NODE_SCENARIOS] if client == "node" else SCENARIOS
    return run(request, server, scenarios)


@pytest.fixture(params=RUNS, ids="-".join)
def heartbeats(request: pytest.FixtureRequest, quick: ServerProcess) -> Any:
    return run(request, quick, ["heartbeats"])["heartbeats"]


@pytest.mark.behaviour("B025", "B029", "B030", "B033", "B129")
def test_session_opens_and_upgrades_where_the_client_wants_to(facts: Facts) -> None:
    opening = facts["opening"]
    transports = {"upgrade": ["polling", "websocket"], "websocket": ["websocket"]}
    expected = transports.get(facts.mode, ["polling"])
    assert opening["transports"] == expected
    assert opening["transport"] == expected[-1]
    assert opening["request"] == expected[0]
    assert opening["trouble"] == []
    if facts.mode == "upgrade":
        assert opening["upgrades"] == "upgrading:websocket upgrade:websocket:websocket"
    else:
        assert opening["upgrades"] == "none"
    handshake = dict(opening["handshake"])
    assert len(handshake.pop("sid")) >= 20
    # The Python clients do not keep this one.
    assert handshake.pop("maxPayload", LARGE_LIMIT) == LARGE_LIMIT
    assert handshake == {
        "upgrades": [] if facts.mode == "websocket" else ["websocket"],
        "pingInterval": 300_000,
        "pingTimeout": 20_000,
    }


@pytest.mark.behaviour("B095", "B096", "B103")
@pytest.mark.parametrize("kind", ECHOES)
def test_messages_come_back_unchanged_and_in_order(facts: Facts, kind: str) -> None:
    assert facts["echoes"][kind] == ECHOES[kind]


@pytest.mark.behaviour("B092", "B093", "B094", "B095", "B096")
def test_buffer_views_are_sent_as_their_bytes(facts: Facts) -> None:
    numbers = b"".join(((i + 100) * 9823).to_bytes(4, "little") for i in range(5))
    few = bytes(range(5))
    expected = [{"binary": data.hex()} for data in (few, numbers, numbers, few)]
    assert facts["views"] == expected


@only_node
@pytest.mark.behaviour("B097", "B100")
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


@pytest.mark.behaviour("B129")
def test_both_sides_keep_the_order_across_the_upgrade(facts: Facts) -> None:
    ordered = facts["ordered"]
    assert ordered["echoed"] == [f"c{number}" for number in range(ORDERED)]
    assert ordered["streamed"] == [f"s{number}" for number in range(ORDERED)]
    assert ordered["trouble"] == []
    if facts.mode == "upgrade":
        assert ordered["transports"] == ["polling", "websocket"]
        assert ORDERED // 2 <= ordered["sent_at_upgrade"] < ORDERED


def test_session_survives_three_heartbeats(heartbeats: dict[str, Any]) -> None:
    assert heartbeats["seen"] >= 3
    assert heartbeats["answered"] >= 3
    assert heartbeats["state"] == "open"


@pytest.mark.behaviour("B035", "B084", "B089", "B118")
def test_what_is_sent_as_the_session_opens_arrives_once_in_order(facts: Facts) -> None:
    assert facts["greeting"] == ["a", "b", "c", "d"]


CLOSED_BY_SERVER = {
    ("threads", "websocket"): "transport error",
    ("threads", "upgrade"): "transport error",
    ("threads", "polling"): "server disconnect",
    ("asyncio", "websocket"): "transport error",
    ("asyncio", "upgrade"): "transport error",
    ("asyncio", "polling"): "server disconnect",
}
"""How the clients call it when the server closes; the Python ones by transport."""


@pytest.mark.behaviour("B080", "B091")
def test_what_was_sent_before_the_server_closes_arrives(facts: Facts) -> None:
    closed = CLOSED_BY_SERVER.get((facts.client, facts.mode), "transport close")
    expected = {"client": closed, "received": ["a", "b", "c"]}
    assert facts["greeting_then_close"] == expected


@pytest.mark.behaviour("B052", "B053", "B129")
def test_client_closes(facts: Facts) -> None:
    closed = "forced close" if facts.client == "node" else "client disconnect"
    expected = {"client": closed, "server": "transport close"}
    assert facts["close_by_client"] == expected


# The Python clients do not tell the server when they are closed that early.
@only_node
@pytest.mark.behaviour("B055")
def test_client_closes_as_soon_as_it_is_open(facts: Facts) -> None:
    expected = {"client": "forced close", "server": "transport close", "trouble": []}
    assert facts["close_by_client_at_once"] == expected


@pytest.mark.behaviour("B049", "B050")
@pytest.mark.parametrize("scenario", ["close_by_server", "close_by_server_at_once"])
def test_server_closes(facts: Facts, scenario: str) -> None:
    closed = CLOSED_BY_SERVER.get((facts.client, facts.mode), "transport close")
    assert facts[scenario] == {"client": closed, "server": "forced close"}


def test_wrong_path_is_refused(facts: Facts) -> None:
    refusal = facts["wrong_path"]
    assert refusal["client"] in {"transport error", "refused"}
    # The reference server hangs up on a WebSocket, and what the Python clients say of a
    # refused one has no status.
    if facts.mode != "websocket" or (facts.client == "node" and not IS_REFERENCE):
        assert refusal["status"] in {404, 501}


def test_unknown_session_is_refused(facts: Facts) -> None:
    refusal = facts["unknown_session"]
    assert refusal["client"] in {"transport error", "refused"}
    if facts.mode != "websocket":
        assert refusal["body"] == {"code": 1, "message": "Session ID unknown"}
    if facts.client == "node" or facts.mode != "websocket":
        assert refusal["status"] == 400
