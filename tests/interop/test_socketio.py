"""Our Socket.IO servers with the clients that people use."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

from tests.blocking_client import blocking_client
from tests.interop.launch import Launch
from tests.interop.servers import HERE, ServerProcess, run_client, running_server
from tests.interop.socketio_serve import KINDS

pytestmark = pytest.mark.socket

DEADLINE = 30.0
MODES = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture(scope="module", params=KINDS)
def sio_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    launch = Launch(engine={"namespaces": ["/", "/admin"], "allow_eio3": True})
    with running_server(launch, command(request.param)) as server:
        yield server


def command(kind: str) -> list[str]:
    return [sys.executable, "-m", "tests.interop.socketio_serve", kind]


@pytest.mark.parametrize("mode", MODES)
def test_the_client_for_javascript(
    sio_server: ServerProcess, mode: str, node: str
) -> None:
    facts = run_client(
        [node, HERE / "node" / "socketio.mjs"],
        url=sio_server.url,
        mode=mode,
    )

    assert dict(facts) == expected(mode)


def expected(mode: str) -> dict[str, Any]:
    """What the client for JavaScript sees, see ``page/socketio.mjs``."""
    lost = {} if mode == "polling" else {"lost_reason": ["transport close"]}
    return {
        "echo": ["a", {"b": [1, None]}],
        "binary": [{"bytes": [0, 1, 255]}],
        "caught": [["caught", "unheard_of", 3]],
        "asked": [6],
        "news": [{"bytes": [7]}],
        "recalled": [{"value": "this"}],
        "transport": "polling" if mode == "polling" else "websocket",
        "admin": ["admin"],
        # python-socketio says why by a string, where this client looks for an object.
        "nowhere": [""],
        "refused": [["not you", {"code": 7}]],
        "kicked": "io server disconnect",
        "kick_reason": ["server disconnect"],
        "leave_reason": ["client disconnect"],
        **lost,
    }


@pytest.mark.parametrize("mode", MODES)
def test_the_client_of_socketio_2(
    sio_server: ServerProcess, mode: str, node: str
) -> None:
    facts = run_client(
        [node, HERE / "node" / "socketio_older.mjs"], url=sio_server.url, mode=mode
    )

    assert dict(facts) == {
        "echo": ["a", {"b": [1, None]}],
        "binary": [{"bytes": [0, 1, 255]}],
        "asked": [6],
        "news": [{"bytes": [7]}],
        "admin": ["admin"],
        "nowhere": ["Unable to connect"],
        "kicked": "io server disconnect",
    }


@pytest.mark.parametrize("mode", MODES)
def test_the_blocking_client_for_python(sio_server: ServerProcess, mode: str) -> None:
    watch, client = blocking_client(), blocking_client()
    news: list[Any] = []
    watch.on("news", news.append)
    client.on("question", lambda number: number + 1)
    for each in (watch, client):
        each.connect(
            sio_server.url,
            transports=MODES[mode],
            namespaces=["/", "/admin"],
            wait_timeout=DEADLINE,
        )
    try:
        values = ("a", b"\x00\x01", {"x": [1]})
        assert client.call("echo", values) == values
        assert client.call("whoami", namespace="/admin") == "admin"
        assert client.call("ask") == 6
        assert client.call("unheard_of", 1) == ["caught", "unheard_of", 1]
        client.call("remember", "this")
        assert client.call("recall") == {"value": "this"}
        client.call("news", b"zz")
        watch.call("echo", 1)
        assert news == [b"zz"]
        # Those of tests before.
        watch.call("departures")
        client.emit("kick")
        _until(lambda: "/" not in client.namespaces)
        assert watch.call("departures") == ["server disconnect"]
    finally:
        client.disconnect()
        watch.disconnect()


def _until(happened: Any) -> None:
    for _ in range(int(DEADLINE / 0.02)):
        if happened():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen")


@pytest.mark.parametrize("mode", MODES)
def test_the_asyncio_client_for_python(sio_server: ServerProcess, mode: str) -> None:
    async def converse() -> None:
        client = socketio.AsyncClient(reconnection=False)
        client.on("question", lambda number: number + 1)
        await client.connect(sio_server.url, transports=MODES[mode])
        try:
            values = ("a", b"\x00\x01", {"x": [1]})
            assert await client.call("echo", values) == values
            assert await client.call("ask") == 6
            await client.call("remember", "this")
            assert await client.call("recall") == {"value": "this"}
        finally:
            await client.disconnect()
        refused = socketio.AsyncClient(reconnection=False)
        reasons: list[Any] = []
        refused.on("connect_error", reasons.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await refused.connect(
                sio_server.url, transports=MODES[mode], auth={"refuse": True}
            )
        assert reasons == [{"message": "not you", "data": {"code": 7}}]

    asyncio.run(asyncio.wait_for(converse(), DEADLINE))


@pytest.mark.parametrize("mode", MODES)
def test_a_namespace_that_is_a_class(sio_server: ServerProcess, mode: str) -> None:
    client, heard = shouting_client()
    client.connect(
        sio_server.url,
        transports=MODES[mode],
        namespaces=["/place"],
        wait_timeout=DEADLINE,
    )
    try:
        assert client.call("shout", "hello", namespace="/place") == "HELLO"
        _until(lambda: heard)
        assert heard == ["hello"]
    finally:
        client.disconnect()


def shouting_client(**options: Any) -> tuple[socketio.Client, list[Any]]:
    heard: list[Any] = []
    client = blocking_client(**options)
    client.on("shouted", heard.append, namespace="/place")
    return client, heard


@pytest.mark.parametrize("kind", KINDS)
def test_msgpack_packets(kind: str) -> None:
    launch = Launch(engine={"serializer": "msgpack"})
    with running_server(launch, command(kind)) as server:
        for mode in MODES.values():
            talk_in_msgpack(server.url, mode)


def talk_in_msgpack(url: str, transports: list[str]) -> None:
    client, heard = shouting_client(serializer="msgpack")
    client.on("question", lambda number: number + 1)
    client.connect(
        url, transports=transports, namespaces=["/", "/place"], wait_timeout=DEADLINE
    )
    try:
        values = ["a", b"\x00\x01", {"x": [1, None]}]
        assert client.call("echo", tuple(values)) in (tuple(values), values)
        assert client.call("ask") == 6
        assert client.call("shout", "hello", namespace="/place") == "HELLO"
        _until(lambda: heard)
        assert heard == ["hello"]
        client.emit("kick")
        _until(lambda: "/" not in client.namespaces)
    finally:
        client.disconnect()
