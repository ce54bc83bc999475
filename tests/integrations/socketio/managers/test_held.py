"""What is sent to clients about whom a handler of ``connect`` has not decided yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
import socketio
from twisted.internet.defer import Deferred

from tests.cluster.nodes import MemoryNode, acquainted
from tests.integrations.socketio.harness import connected, opened, wired
from tests.wiring import Server as Wiring
from tests.wiring import WebSocketClient
from txengineio.socketio import AsyncServer, Server

pytestmark = pytest.mark.skipif(
    not hasattr(socketio.Manager, "pre_connect"),
    reason="python-socketio 5.18 tells who waits",
)


class Doors:
    """A server whose clients wait at the door: to decide is to call `decide`."""

    def __init__(self, **options: Any) -> None:
        self.sio, self.server = wired(Server, **options)
        self.decided: Deferred[Any] = Deferred()
        self.sids: list[str] = []
        self.reasons: list[str] = []
        self.sio.on("connect", self.connect)
        self.sio.on("disconnect", lambda sid, why: self.reasons.append(why))

    def connect(self, sid: str, environ: Any) -> Deferred[Any]:
        self.sids.append(sid)
        return self.decided

    def knock(self) -> WebSocketClient:
        client = opened(self.server)
        client.send("40")
        self.server.settle()
        assert client.packets() == []
        return client

    def decide(self, answer: Any) -> None:
        decided, self.decided = self.decided, Deferred()
        decided.callback(answer)
        self.server.settle()


def test_who_is_let_in_gets_everything_after_the_answer_and_in_order() -> None:
    doors = Doors()
    client = doors.knock()
    (sid,) = doors.sids
    doors.sio.enter_room(sid, "room")
    doors.sio.emit("all", b"\x01")
    doors.sio.emit("one", to=sid)
    doors.sio.emit("room", room="room")
    doors.server.settle()
    assert client.packets() == []

    doors.decide(None)
    assert client.packets() == [
        f'40{{"sid":"{sid}"}}',
        '451-["all",{"_placeholder":true,"num":0}]',
        b"\x01",
        '42["one"]',
        '42["room"]',
    ]
    doors.sio.emit("later")
    doors.server.settle()
    assert client.packets() == ['42["later"]']


@pytest.mark.parametrize("leaves", [False, True])
def test_who_is_refused_gets_nothing(leaves: bool) -> None:
    doors = Doors()
    client = doors.knock()
    doors.sio.emit("secret")
    if leaves:
        client.connection.lose()
    doors.decide(False)
    assert ["secret" in str(each) for each in client.packets()] in ([], [False])
    assert doors.sio.manager.held._held == {}


def test_others_do_not_wait() -> None:
    doors = Doors()
    first = doors.knock()
    doors.decide(None)
    first.packets()
    doors.knock()
    doors.sio.emit("news")
    doors.server.settle()
    assert first.packets() == ['42["news"]']


def test_another_namespace_of_the_client_does_not_wait() -> None:
    doors = Doors(namespaces=["/", "/open"])
    client = connected(doors.server, "/open,")
    client.send("40")
    doors.sio.emit("secret")
    doors.sio.emit("news", namespace="/open")
    doors.server.settle()
    assert client.packets() == ['42/open,["news"]']


def test_with_always_connect_nobody_waits() -> None:
    doors = Doors(always_connect=True)
    client = opened(doors.server)
    client.send("40")
    doors.server.settle()
    doors.sio.emit("welcome", to=doors.sids[0])
    doors.server.settle()
    answer, event = client.packets()
    assert str(answer).startswith("40{")
    assert event == '42["welcome"]'


def test_a_question_waits_as_well() -> None:
    doors = Doors()
    client = doors.knock()
    answers: list[Any] = []
    doors.sio.call("question", to=doors.sids[0]).addCallback(answers.append)
    doors.decide(None)
    _, question = client.packets()
    assert question == '421["question"]'
    client.send("431[5]")
    doors.server.settle()
    assert answers == [5]


def test_no_more_waits_than_for_a_client_that_does_not_read() -> None:
    doors = Doors(max_buffered_bytes=10_000)
    client = doors.knock()
    doors.sio.emit("much", "x" * 9_000)
    assert len(doors.server.engine.sessions) == 1
    doors.sio.emit("more", "x" * 1_000)
    doors.server.settle()
    assert len(doors.server.engine.sessions) == 0
    assert client.close_frame() is not None
    doors.decide(None)
    assert doors.sio.manager.held._held == {}


def test_what_another_process_says_waits_as_well() -> None:
    doors = Doors(node_name="n0")
    other, others_server = wired(Server, node_name="n1")
    nodes = [MemoryNode("n0", doors.server), MemoryNode("n1", others_server)]
    acquainted(nodes)
    connected(others_server)
    client = doors.knock()
    other.emit("secret")
    for node in nodes:
        node.deliver()
        node.server.settle()
    assert client.packets() == []
    doors.decide(None)
    _, event = client.packets()
    assert event == '42["secret"]'


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


async def settle(server: Wiring) -> None:
    for _ in range(20):
        server.settle()
        await asyncio.sleep(0)


@pytest.mark.parametrize("answer", [None, False])
@in_loop
async def test_with_asyncio_it_is_the_same(answer: Any) -> None:
    sio, server = wired(AsyncServer)
    decided = asyncio.Event()

    @sio.event
    async def connect(sid: str, environ: Any) -> Any:
        await sio.emit("welcome", to=sid)
        await decided.wait()
        return answer

    client = opened(server)
    client.send("40")
    await settle(server)
    await sio.emit("news")
    await settle(server)
    assert client.packets() == []
    decided.set()
    await settle(server)
    first, *events = client.packets()
    assert str(first).startswith("40" if answer is None else "44")
    assert events == (['42["welcome"]', '42["news"]'] if answer is None else [])
    assert sio.manager.held._held == {}
