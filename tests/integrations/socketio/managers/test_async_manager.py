"""`AsyncManager`: rooms of one process, by itself and under a manager of upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
from socketio.async_pubsub_manager import AsyncPubSubManager

from tests.integrations.socketio.harness import opened, wired
from tests.wiring import Server as Wiring
from tests.wiring import WebSocketClient
from txengineio.socketio import AsyncManager, AsyncServer


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


class Published(AsyncPubSubManager, AsyncManager):  # type: ignore[misc]
    """A manager of upstream's kind, whose queue is in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    async def _publish(self, data: Any) -> None:
        self.queue.put_nowait(data)

    async def _listen(self) -> Any:
        while True:
            yield await self.queue.get()


async def settle(server: Wiring) -> None:
    for _ in range(20):
        server.settle()
        await asyncio.sleep(0)


async def connected(server: Wiring) -> WebSocketClient:
    client = opened(server)
    client.send("40")
    await settle(server)
    assert str(client.packets()[0]).startswith("40{")
    return client


@pytest.mark.parametrize("make", [AsyncManager, Published])
@in_loop
async def test_events_are_sent_without_tasks(make: Any) -> None:
    sio, server = wired(AsyncServer, client_manager=make())
    sids: list[str] = []

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        sids.append(sid)

    clients = [await connected(server) for _ in range(3)]
    await sio.enter_room(sids[0], "room")
    await settle(server)
    before = asyncio.all_tasks()
    await sio.emit("news", 1, room="room")
    await sio.emit("all", b"\x01", skip_sid=sids[2])
    assert asyncio.all_tasks() == before
    await settle(server)
    everybody = ['451-["all",{"_placeholder":true,"num":0}]', b"\x01"]
    assert [client.packets() for client in clients] == [
        ['42["news",1]', *everybody],
        everybody,
        [],
    ]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@in_loop
async def test_a_client_is_asked() -> None:
    sio, server = wired(AsyncServer, client_manager=AsyncManager())
    sids: list[str] = []

    @sio.event
    async def connect(sid: str, environ: Any) -> None:
        sids.append(sid)

    client = await connected(server)
    answers: list[Any] = []
    await sio.emit("ask", (1, 2), to=sids[0], callback=answers.append)
    assert client.packets() == ['421["ask",1,2]']
    client.send("431[3]")
    await settle(server)
    assert answers == [3]
