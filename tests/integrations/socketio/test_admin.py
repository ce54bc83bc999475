"""What the Socket.IO Admin UI is told, in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engineio.async_socket import AsyncSocket
from engineio.socket import Socket
from socketio import Manager
from twisted.internet.defer import succeed

from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import connected, opened, wired
from tests.wiring import Server as Wiring
from tests.wiring import WebSocketClient
from txengineio.integrations.socketio.admin import Counters
from txengineio.socketio import AsyncServer, Server

INTERVAL = 2


def admin(server: Wiring, auth: Any = None) -> WebSocketClient:
    client = opened(server)
    client.send("40/admin," + ("" if auth is None else json.dumps(auth)))
    server.settle()
    return client


def told(client: WebSocketClient) -> list[Any]:
    """The events that an admin is told."""
    prefix = "42/admin,"
    return [
        json.loads(str(packet).removeprefix(prefix))
        for packet in client.packets()
        if str(packet).startswith(prefix)
    ]


def answers(client: WebSocketClient) -> list[str]:
    """The types of the packets that are no events."""
    return [
        str(each)[:2] for each in client.packets() if not str(each).startswith("42")
    ]


def test_the_counters_tell_what_has_happened_since() -> None:
    sio, server = wired(Server)
    counters = Counters(sio.engine)
    client = connected(server)
    counts = {each["type"]: each["count"] for each in counters.get_and_clear()}
    assert counts["packetsIn"] == counts["packetsOut"] == 1
    assert counts["bytesIn"] > 0 < counts["bytesOut"]
    assert counters.get_and_clear() == []
    client.send('42["a"]', '42["b"]')
    server.settle()
    counts = {each["type"]: each["count"] for each in counters.get_and_clear()}
    assert set(counts) == {"packetsIn", "bytesIn"}
    assert counts["packetsIn"] == 2


def test_statistics_are_told_until_shutdown() -> None:
    sio, server = wired(Server)
    instrumented = sio.instrument(auth=False, server_stats_interval=INTERVAL)
    client = admin(server)
    server.clock.advance(0)
    server.settle()
    events = told(client)
    assert {"config", "all_sockets"} <= {each[0] for each in events}

    server.clock.advance(INTERVAL)
    server.settle()
    (statistics,) = (each[1] for each in told(client) if each[0] == "server_stats")
    assert statistics["clientsCount"] == 1
    assert statistics["namespaces"] == [{"name": "/admin", "socketsCount": 1}]
    assert statistics["uptime"] == INTERVAL

    instrumented.shutdown()
    server.clock.advance(INTERVAL)
    server.settle()
    assert told(client) == []


def test_a_second_admin_is_told_of_all_clients_too() -> None:
    sio, server = wired(Server)
    sio.instrument(auth=False)
    admin(server)
    connected(server)
    second = admin(server)
    server.clock.advance(0)
    server.settle()
    (sockets,) = (each[1] for each in told(second) if each[0] == "all_sockets")
    assert sorted(each["nsp"] for each in sockets) == ["/", "/admin", "/admin"]


@pytest.mark.parametrize(
    ("auth", "credentials", "enters"),
    [
        ({"password": "x"}, {"password": "x"}, True),
        ({"password": "x"}, {"password": "y"}, False),
        (lambda credentials: credentials == {"a": 1}, {"a": 1}, True),
        (lambda credentials: False, {"a": 1}, False),
    ],
)
def test_who_may_look(auth: Any, credentials: Any, enters: bool) -> None:
    sio, server = wired(Server)
    sio.instrument(auth=auth)
    assert answers(admin(server, credentials)) == ["40" if enters else "44"]


@pytest.mark.skipif(
    not hasattr(Manager, "pre_connect"), reason="python-socketio 5.18 tells who waits"
)
def test_who_may_not_look_is_told_of_no_sockets() -> None:
    sio, server = wired(Server)
    sio.instrument(auth={"password": "x"})
    events = [each[0] for each in told(admin(server, {"password": "y"}))]
    assert "socket_connected" not in events


def test_a_deferred_is_no_permission(flush_logged_errors: FlushLoggedErrors) -> None:
    sio, server = wired(Server)
    sio.instrument(auth=lambda credentials: succeed(False))
    assert answers(admin(server, {"a": 1})) == ["44"]
    (failure,) = flush_logged_errors(TypeError)
    assert "must answer True or False at once" in str(failure.value)


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_upstreams_classes_stay_as_they_are(kind: Any) -> None:
    before = dict(vars(Socket)), dict(vars(AsyncSocket))
    sio, _ = wired(kind)
    sio.instrument(auth=False)
    assert (dict(vars(Socket)), dict(vars(AsyncSocket))) == before


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_it_must_be_said_who_may_look(kind: Any) -> None:
    sio, _ = wired(kind)
    with pytest.raises(ValueError, match="auth must be specified"):
        sio.instrument()
