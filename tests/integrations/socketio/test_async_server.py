"""`AsyncServer` in memory: its handlers are tasks of asyncio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
import socketio

from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import opened, wired
from tests.wiring import Server as Wiring
from tests.wiring import WebSocketClient
from txengineio.errors import InvalidOption
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.socketio import AsyncManager, AsyncServer


def in_loop(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


async def settle(server: Wiring) -> None:
    for _ in range(20):
        server.settle()
        await asyncio.sleep(0)


async def connected(server: Wiring) -> WebSocketClient:
    client = opened(server)
    client.send("40")
    await settle(server)
    (answer,) = client.packets()
    assert str(answer).startswith('40{"sid":')
    return client


@in_loop
async def test_events_are_acknowledged() -> None:
    sio, server = wired(AsyncServer)

    @sio.event
    async def echo(sid: str, data: Any) -> Any:
        await asyncio.sleep(0)
        return data

    client = await connected(server)
    client.send('421["echo",{"a":1}]')
    await settle(server)

    assert client.packets() == ['431[{"a":1}]']


@in_loop
async def test_broadcasts_reach_everybody_but_who_is_skipped() -> None:
    sio, server = wired(AsyncServer)
    sids: list[str] = []

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        sids.append(sid)

    clients = [await connected(server) for _ in range(3)]
    await sio.enter_room(sids[0], "room")
    await sio.emit("news", "x", skip_sid=sids[1])
    await sio.emit("inside", room="room")

    assert [each.packets() for each in clients] == [
        ['42["news","x"]', '42["inside"]'],
        [],
        ['42["news","x"]'],
    ]


@in_loop
async def test_the_server_asks() -> None:
    sio, server = wired(AsyncServer)
    sids: list[str] = []

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        sids.append(sid)

    client = await connected(server)
    question = asyncio.ensure_future(sio.call("question", 5, to=sids[0]))
    await settle(server)
    (asked,) = client.packets()
    number = str(asked)[2:].partition("[")[0]
    client.send(f"43{number}[6]")
    await settle(server)

    assert await question == 6


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (
            socketio.exceptions.ConnectionRefusedError("no", 1),
            {"message": "no", "data": 1},
        ),
        (ConnectionRefusedError(), {"message": "Connection refused by server"}),
        (None, {"message": "Connection rejected by server"}),
    ],
)
@in_loop
async def test_a_client_is_refused(outcome: Exception | None, says: Any) -> None:
    sio, server = wired(AsyncServer)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> bool:
        if outcome is not None:
            raise outcome
        return False

    client = opened(server)
    client.send("40")
    await settle(server)

    (packet,) = client.packets()
    assert json.loads(str(packet)[2:]) == says


@in_loop
async def test_a_type_error_of_a_connect_handler_is_told_as_it_is(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    sio, server = wired(AsyncServer)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        raise TypeError("its own")

    client = opened(server)
    client.send("40")
    await settle(server)

    (packet,) = client.packets()
    assert str(packet).startswith("44")
    (failure,) = flush_logged_errors(TypeError)
    assert str(failure.value) == "its own"


@in_loop
async def test_what_is_no_packet_ends_the_session() -> None:
    _, server = wired(AsyncServer)
    client = await connected(server)
    client.send("4nonsense")
    await settle(server)

    assert dict(server.engine.sessions) == {}


@in_loop
async def test_who_leaves_while_being_asked_about_leaves_nothing_behind() -> None:
    sio, server = wired(AsyncServer)
    waiting = asyncio.Event()

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        await waiting.wait()

    client = opened(server)
    client.send("40")
    await settle(server)
    client.connection.lose()
    await settle(server)
    waiting.set()
    await settle(server)

    assert sio.manager.rooms == {}
    server.assert_nothing_left()


def test_its_manager_sends_directly() -> None:
    assert isinstance(AsyncServer().manager, AsyncManager)


@in_loop
async def test_a_client_of_socketio_2_is_in_the_main_namespace_unasked() -> None:
    sio, server = wired(AsyncServer, allow_eio3=True)

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        await asyncio.sleep(0)

    client = server.open_websocket(EIO="3")
    server.advance(OPEN_PACKET_DELAY)
    await settle(server)

    opening, welcome = client.packets()
    assert str(opening).startswith("0{")
    assert welcome == "40"


def test_namespaces_in_a_string_are_refused() -> None:
    with pytest.raises(InvalidOption, match="namespaces must be a list of names"):
        wired(AsyncServer, namespaces="/admin")


def test_a_manager_that_blocks_is_refused() -> None:
    with pytest.raises(InvalidOption, match="one for asyncio, such as"):
        wired(AsyncServer, client_manager=socketio.Manager())
