"""Rooms that reach over all nodes of a cluster, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import isawaitable
from typing import Any

import msgpack
import pytest
import socketio
from twisted.internet.defer import Deferred

from tests.cluster.nodes import MemoryNode, acquainted
from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import opened, wired
from tests.wiring import WebSocketClient
from txengineio.errors import InvalidOption
from txengineio.integrations.socketio.managers import nodes as nodes_module
from txengineio.integrations.socketio.managers.nodes import ANSWER_TIMEOUT
from txengineio.server.broadcast import EncodedMessage
from txengineio.socketio import (
    AsyncClusterManager,
    AsyncServer,
    ClusterManager,
    Server,
)

_PLACEHOLDER = '{"_placeholder":true,"num":0}'


class Cluster:
    """Three nodes with a Socket.IO server each, and one client on each of them.

    Attributes:
        servers: The servers.
        clients: The client of each.
        sids: The clients' ids.
        left: What the handlers of ``disconnect`` were told.
    """

    def __init__(self, kind: type[Any], **options: Any) -> None:
        self.servers: list[Any] = []
        self.nodes: list[MemoryNode] = []
        self.clients: list[WebSocketClient] = []
        self.sids: list[str] = []
        self.left: list[tuple[str, str]] = []
        for number in range(3):
            sio, server = wired(kind, node_name=f"n{number}", **options)
            self.servers.append(sio)
            self.nodes.append(MemoryNode(f"n{number}", server))
            self._listen(sio, is_asyncio=kind is AsyncServer)
        acquainted(self.nodes)

    def _listen(self, sio: Any, *, is_asyncio: bool) -> None:
        def connect(sid: str, environ: Any) -> None:
            self.sids.append(sid)

        def disconnect(sid: str, reason: str) -> None:
            self.left.append((sid, reason))

        for handler in (connect, disconnect):
            sio.on(handler.__name__, as_coroutine(handler) if is_asyncio else handler)

    async def start(self) -> Cluster:
        for node in self.nodes:
            client = opened(node.server)
            client.send("40")
            self.clients.append(client)
        await self.settle()
        for client in self.clients:
            (answer,) = client.packets()
            assert str(answer).startswith("40{")
        return self

    async def settle(self) -> None:
        for _ in range(10):
            for node in self.nodes:
                node.deliver()
                node.server.settle()
            await asyncio.sleep(0)

    def begin(self, result: Any) -> asyncio.Future[Any]:
        """Have what a method of a server returns under way."""
        if isinstance(result, Deferred):
            return result.asFuture(asyncio.get_running_loop())
        assert isawaitable(result)
        return asyncio.ensure_future(result)

    async def do(self, result: Any) -> None:
        """Let what a method of a server does happen; it must not need more."""
        under_way = None if result is None else self.begin(result)
        await self.settle()
        if under_way is not None:
            under_way.result()

    async def packets(self) -> list[list[str | bytes]]:
        await self.settle()
        return [client.packets() for client in self.clients]


def as_coroutine(handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    async def call(*arguments: Any) -> Any:
        return handler(*arguments)

    return call


def in_loop(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


each_kind = pytest.mark.parametrize("kind", [Server, AsyncServer])


@each_kind
@in_loop
async def test_an_event_reaches_the_clients_of_all_and_each_once(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    one, two, _ = cluster.servers

    await cluster.do(one.emit("news", ("é", b"\x05")))
    await cluster.do(two.send("hello", skip_sid=cluster.sids[2]))

    news = [f'451-["news","\\u00e9",{_PLACEHOLDER}]', b"\x05"]
    hello = '42["message","hello"]'
    assert await cluster.packets() == [[*news, hello], [*news, hello], news]


@each_kind
@in_loop
async def test_an_event_is_encoded_once_for_each_node(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = await Cluster(kind).start()
    for node in cluster.nodes:
        cluster.clients += [opened(node.server) for _ in range(2)]
        for client in cluster.clients[-2:]:
            client.send("40")
    assert {len(packets) for packets in (await cluster.packets())[3:]} == {1}
    encoded: list[object] = []

    class Recording(EncodedMessage):
        def __init__(self, message: object) -> None:
            encoded.append(message)
            super().__init__(message)

    path = "txengineio.integrations.socketio.managers.delivery.EncodedMessage"
    monkeypatch.setattr(path, Recording)
    await cluster.do(cluster.servers[0].emit("news", 1))

    assert await cluster.packets() == [['42["news",1]']] * 9
    assert encoded == ['2["news",1]'] * 3


@each_kind
@in_loop
async def test_a_client_of_another_node_is_sent_to(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    one, _, three = cluster.servers

    await cluster.do(three.emit("one", to=cluster.sids[0]))
    told = [len(node.told) for node in cluster.nodes]
    # This one is its own: the others are not asked.
    await cluster.do(one.emit("own", to=cluster.sids[0]))

    assert await cluster.packets() == [['42["one"]', '42["own"]'], [], []]
    assert [len(node.told) for node in cluster.nodes] == told


@each_kind
@in_loop
async def test_rooms_have_clients_of_several_nodes(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    one, two, three = cluster.servers
    for sid in cluster.sids[:2]:
        await cluster.do(one.enter_room(sid, "room"))
    await cluster.do(three.enter_room(cluster.sids[2], 7))

    await cluster.do(three.emit("both", room="room"))
    await cluster.do(two.emit("all", room=["room", 7]))
    assert await cluster.packets() == [
        ['42["both"]', '42["all"]'],
        ['42["both"]', '42["all"]'],
        ['42["all"]'],
    ]

    await cluster.do(three.leave_room(cluster.sids[0], "room"))
    await cluster.do(three.emit("one", room="room"))
    assert await cluster.packets() == [[], ['42["one"]'], []]

    await cluster.do(three.close_room("room"))
    await cluster.do(three.emit("nobody", room="room"))
    assert await cluster.packets() == [[], [], []]
    assert [set(each.manager.rooms["/"]) for each in (one, two)] == [
        {None, cluster.sids[0]},
        {None, cluster.sids[1]},
    ]


@each_kind
@in_loop
async def test_who_enters_a_room_gets_what_is_sent_to_it_next(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    sio = cluster.servers[0]

    async def both() -> None:
        for result in (
            sio.enter_room(cluster.sids[1], "room"),
            sio.emit("welcome", room="room"),
        ):
            if isawaitable(result):
                await result

    # Both are under way before the other node hears of either.
    await both()

    assert await cluster.packets() == [[], ['42["welcome"]'], []]


@each_kind
@in_loop
async def test_a_client_of_another_node_is_asked(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    asking = cluster.begin(
        cluster.servers[0].call("question", b"\x01", to=cluster.sids[1])
    )
    _, (asked, attachment), _ = await cluster.packets()
    assert str(asked) == f'451-1["question",{_PLACEHOLDER}]'
    assert attachment == b"\x01"
    cluster.clients[1].send(f'461-1[{_PLACEHOLDER},"two"]', b"\x02")

    await cluster.settle()
    assert asking.result() == (b"\x02", "two")
    # What it says again goes nowhere.
    cluster.clients[1].send('431["again"]')
    assert await cluster.packets() == [[], [], []]


@each_kind
@in_loop
async def test_the_own_client_is_asked(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    asking = cluster.begin(cluster.servers[0].call("question", to=cluster.sids[0]))
    assert await cluster.packets() == [['421["question"]'], [], []]
    cluster.clients[0].send("431[6]")

    await cluster.settle()
    assert asking.result() == 6


@each_kind
@in_loop
async def test_of_a_room_that_is_asked_the_first_answer_counts(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    sio = cluster.servers[0]
    for sid in cluster.sids:
        await cluster.do(sio.enter_room(sid, "room"))
    answers: list[Any] = []
    await cluster.do(sio.emit("who", room="room", callback=answers.append))
    assert await cluster.packets() == [['421["who"]']] * 3
    for number in (1, 0, 2):
        cluster.clients[number].send(f"431[{number}]")
        await cluster.settle()

    assert answers == [1]


@each_kind
@in_loop
async def test_everybody_cannot_be_asked(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    with pytest.raises(ValueError, match="a callback needs the client"):
        await cluster.do(cluster.servers[0].emit("who", callback=print))
    assert await cluster.packets() == [[], [], []]


@each_kind
@in_loop
async def test_a_callback_that_fails_is_logged(
    kind: Any, flush_logged_errors: FlushLoggedErrors
) -> None:
    cluster = await Cluster(kind).start()

    def fail(answer: Any) -> None:
        raise LookupError(answer)

    await cluster.do(cluster.servers[0].emit("who", to=cluster.sids[1], callback=fail))
    cluster.clients[1].send("431[5]")
    await cluster.settle()

    (failure,) = flush_logged_errors(LookupError)
    assert str(failure.value) == "5"


@each_kind
@in_loop
async def test_an_answer_is_not_waited_for_without_end(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    sio = cluster.servers[0]
    questions = sio.manager._nodes._questions
    for number in range(3):
        await cluster.do(sio.emit("who", number, to="nobody", callback=print))
    assert len(questions) == 3
    cluster.nodes[0].server.clock.advance(ANSWER_TIMEOUT - 1)
    await cluster.do(sio.emit("who", to="nobody", callback=print))
    assert len(questions) == 4
    cluster.nodes[0].server.clock.advance(1)
    await cluster.do(sio.emit("who", to="nobody", callback=print))
    assert len(questions) == 2


@each_kind
@in_loop
async def test_a_client_of_another_node_is_disconnected(kind: Any) -> None:
    cluster = await Cluster(kind).start()

    await cluster.do(cluster.servers[0].disconnect(cluster.sids[2]))

    assert await cluster.packets() == [[], [], ["41"]]
    assert cluster.left == [(cluster.sids[2], "server disconnect")]
    assert cluster.servers[2].manager.rooms == {}
    # Nobody knows this one.
    await cluster.do(cluster.servers[0].disconnect(cluster.sids[2]))
    assert await cluster.packets() == [[], [], []]


@each_kind
@in_loop
async def test_ignore_queue_stays_here(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    sio = cluster.servers[1]

    await cluster.do(sio.emit("here", ignore_queue=True))
    await cluster.do(sio.disconnect(cluster.sids[0], ignore_queue=True))

    assert await cluster.packets() == [[], ['42["here"]'], []]
    assert cluster.left == []


@each_kind
@in_loop
async def test_namespaces_are_apart(kind: Any) -> None:
    cluster = await Cluster(kind, namespaces=["/", "/admin"]).start()
    cluster.clients[2].send("40/admin")
    await cluster.packets()

    await cluster.do(cluster.servers[0].emit("news", 1, namespace="/admin"))

    assert await cluster.packets() == [[], [], ['42/admin,["news",1]']]


@each_kind
@in_loop
async def test_msgpack_travels_as_it_is(kind: Any) -> None:
    cluster = Cluster(kind, serializer="msgpack")
    for node in cluster.nodes:
        client = opened(node.server)
        client.send(msgpack.dumps({"type": 0, "nsp": "/"}))
        cluster.clients.append(client)
    await cluster.packets()

    asking = cluster.begin(
        cluster.servers[0].call("question", b"\x01", to=cluster.sids[1])
    )
    _, (asked,), _ = await cluster.packets()
    packet = msgpack.loads(asked)
    assert packet["data"] == ["question", b"\x01"]
    cluster.clients[1].send(
        msgpack.dumps({"type": 3, "nsp": "/", "id": packet["id"], "data": [b"\x02"]})
    )
    await cluster.settle()
    assert asking.result() == b"\x02"


@each_kind
@in_loop
async def test_what_makes_no_sense_is_logged(
    kind: Any, flush_logged_errors: FlushLoggedErrors
) -> None:
    cluster = await Cluster(kind).start()

    cluster.nodes[0].joined.publish(nodes_module._CHANNEL, b"\0\0\0\2[]")
    await cluster.settle()

    assert len(flush_logged_errors(ValueError)) == 2
    await cluster.do(cluster.servers[0].emit("still"))
    assert await cluster.packets() == [['42["still"]']] * 3


@each_kind
@in_loop
async def test_a_room_that_others_cannot_be_told_reaches_nobody(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    await cluster.do(cluster.servers[0].enter_room(cluster.sids[0], 1.5))

    with pytest.raises(TypeError, match=r"rooms is 1\.5, expected"):
        await cluster.do(cluster.servers[0].emit("news", room=1.5))

    assert await cluster.packets() == [[], [], []]


@each_kind
@in_loop
async def test_an_engine_that_leaves_its_cluster_hears_no_more(kind: Any) -> None:
    cluster = await Cluster(kind).start()
    cluster.servers[2].engine.cluster = None
    await cluster.do(cluster.servers[2].emit("own"))
    await cluster.do(cluster.servers[0].emit("news"))

    assert await cluster.packets() == [['42["news"]'], ['42["news"]'], ['42["own"]']]


@pytest.mark.parametrize(
    ("server", "manager", "expected"),
    [
        (Server, AsyncClusterManager, "an AsyncServer"),
        (AsyncServer, ClusterManager, "a Server or ThreadedServer"),
        (socketio.Server, ClusterManager, "a Server or ThreadedServer"),
    ],
)
def test_a_manager_is_for_one_kind_of_server(
    server: Any, manager: Any, expected: str
) -> None:
    with pytest.raises(InvalidOption, match=f"{manager.__name__} {expected}"):
        server(client_manager=manager())
