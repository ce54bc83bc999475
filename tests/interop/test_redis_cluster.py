"""Engines that find each other by a real Redis: requests, messages, other programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.cluster.clients import CLOCK, HOST, Client, Named, with_clients
from tests.cluster.machines.nodes import SECRET, Node
from tests.cluster.machines.test_machines import is_unknown, until
from tests.conftest import RequireProgram
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.relay import Relay
from tests.interop.sentinels import watched_redis
from txengineio.cluster.broker import membership
from txengineio.cluster.machines.joining import RedisCluster
from txengineio.cluster.redis import register
from txengineio.server.engine import Engine
from txengineio.server.web.site import engine_site

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("no_settling")]


@pytest.fixture
def redis(require_program: RequireProgram, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(require_redis(require_program), tmp_path) as server:
        yield server


class RedisNode(Node):
    """A node whose cluster is in Redis."""

    def __init__(self, name: str, url: str, **details: Any) -> None:
        cluster = RedisCluster(
            url, name="chat", listen=f"tcp:0:interface={HOST}", secret=SECRET, **details
        )
        self.name = name
        self.engine = Engine(Named, reactor=CLOCK, node_name=name, cluster=cluster)
        self.site = engine_site(self.engine, reactor=CLOCK)
        self._listener: Any = None

    @property
    def state(self) -> str | None:
        assert self.engine.cluster is not None
        return self.engine.cluster.state

    @property
    def counts(self) -> dict[str, int]:
        assert self.engine.cluster is not None
        return self.engine.cluster.counts.told

    @property
    def peers(self) -> set[str]:
        assert self.engine.cluster is not None
        return {peer.name for peer in self.engine.cluster.peers()}


@asynccontextmanager
async def running(url: str, *names: str, **details: Any) -> AsyncIterator[Any]:
    nodes = [RedisNode(name, url, **details) for name in names]
    try:
        for node in nodes:
            await node.start()
        await until(lambda: all(len(node.peers) == len(names) - 1 for node in nodes))
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


def open_all(*clients: Client) -> list[str]:
    return [client.open() for client in clients]


def ask_all_for(sessions: list[str], *clients: Client) -> None:
    """Send a message to each session by each node, and get the answer by another."""
    for number, session in enumerate(sessions):
        for at, client in enumerate(clients):
            other = clients[(at + 1) % len(clients)]
            assert client.ask(session, "4hello") == (200, b"ok")
            assert other.ask(session) == (200, f"4n{number} 5 'hello'".encode())


def sid_of(session: str) -> str:
    return session.rpartition("sid=")[2]


@pytest_twisted.ensureDeferred
async def test_sessions_and_messages_are_everybodys(redis: RedisServer) -> None:
    async with running(redis.url, "n0", "n1", "n2") as nodes:
        sessions = await with_clients(nodes, open_all)
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))
        assert nodes[0].engine.broadcast("for all") == 1
        assert await nodes[1].engine.send(sid_of(sessions[2]), b"\x00\x01")

        def polls(*clients: Client) -> list[bytes]:
            return [
                client.ask(session)[1]
                for client, session in zip(clients, sessions, strict=True)
            ]

        await until(lambda: nodes[2].counts["received"] >= 2)
        assert await with_clients(nodes, polls) == [
            *(b"4for all", b"4for all", b"4for all\x1ebAAE="),
        ]
        assert await nodes[1].engine.close_session(sid_of(sessions[0]), discard=True)
        await until(lambda: not nodes[0].engine.sessions)
        await until(lambda: nodes[1].engine.cluster.sessions == 2)


@pytest_twisted.ensureDeferred
async def test_no_session_ends_while_redis_is_away(redis: RedisServer) -> None:
    async with running(redis.url, "n0", "n1", "n2") as nodes:
        sessions = await with_clients(nodes, open_all)
        redis.kill()
        await until(lambda: {node.state for node in nodes} == {"degraded"})
        # Requests of foreign sessions do not come by Redis, and new sessions do not.
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))
        more = await with_clients(nodes, open_all)
        await with_clients(nodes, lambda *clients: ask_all_for(more, *clients))
        # Those who are here hear a broadcast; and it is said that others do not.
        assert nodes[0].engine.broadcast("for some") == 2
        assert nodes[0].counts["away"] >= 1
        redis.start()
        await until(lambda: {node.state for node in nodes} == {"ok"})
        assert nodes[0].engine.broadcast("for all") == 2
        heard = await with_clients(
            nodes, lambda *clients: [clients[0].ask(each)[1] for each in sessions]
        )
        assert heard == [b"4for some\x1e4for all", b"4for all", b"4for all"]
        assert [len(node.engine.sessions) for node in nodes] == [2, 2, 2]


@pytest_twisted.ensureDeferred
async def test_no_session_ends_while_sentinels_choose_another_redis(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    program = require_redis(require_program)
    with watched_redis(program, tmp_path) as watched:
        async with running(watched.url, "n0", "n1", "n2") as nodes:
            sessions = await with_clients(nodes, open_all)
            await until(watched.is_ready)
            watched.master.kill()
            await until(lambda: {node.state for node in nodes} == {"degraded"})
            while not watched.has_failed_over():
                await with_clients(
                    nodes, lambda *clients: ask_all_for(sessions, *clients)
                )
            await until(lambda: {node.state for node in nodes} == {"ok"})
            assert nodes[0].engine.broadcast("for all") == 1
            heard = await with_clients(
                nodes, lambda *clients: [clients[0].ask(each)[1] for each in sessions]
            )
            assert heard == [b"4for all"] * 3
            assert [node.peers for node in nodes] == [
                {"n1", "n2"},
                {"n0", "n2"},
                {"n0", "n1"},
            ]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let beats be short, so that what takes long takes seconds."""
    monkeypatch.setattr(membership, "BEAT", 0.15)
    monkeypatch.setattr(register, "LIFETIME", 2)


@pytest.mark.usefixtures("quick")
@pytest_twisted.ensureDeferred
async def test_no_session_ends_while_a_node_alone_is_cut_off_from_redis(
    redis: RedisServer,
) -> None:
    relay = Relay(CLOCK, redis.port)
    cut_off = RedisNode("n2", f"redis://{HOST}:{relay.listen()}/0")
    async with running(redis.url, "n0", "n1") as others:
        await cut_off.start()
        nodes = [*others, cut_off]

        def all_are_there() -> bool:
            return all(len(node.peers) == 2 for node in nodes)

        await until(all_are_there)
        sessions = await with_clients(nodes, open_all)
        with redis.client() as client:
            relay.swallow()
            key = "txengineio:0:chat:member:n2"
            await until(lambda: not client.exists(key))
        await until(lambda: cut_off.state == "degraded")
        # Until the others have missed it several times.
        await deferLater(CLOCK, 5.0)
        assert all_are_there()
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))
        # Who does not reach it by a link either says that it is gone.
        port: Any = cut_off.engine.joins
        port._port.stopReading()
        await until(lambda: all("n2" not in node.peers for node in others))
        ask = await with_clients(others, lambda one, _: one.ask(sessions[2], "4x"))
        assert is_unknown(ask)
        # All is as before when it is back, and nobody else has missed it.
        port._port.startReading()
        relay.pass_on()
        await until(all_are_there)
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))
        await cut_off.stop()
    await relay.close()


@pytest.mark.usefixtures("quick")
@pytest_twisted.ensureDeferred
async def test_who_is_cut_off_from_redis_and_who_joins_meanwhile_know_each_other(
    redis: RedisServer,
) -> None:
    relay = Relay(CLOCK, redis.port)
    cut_off = RedisNode("n1", f"redis://{HOST}:{relay.listen()}/0")
    async with running(redis.url, "n0") as (known_to_both,):
        await cut_off.start()
        await until(lambda: known_to_both.peers == {"n1"})
        with redis.client() as client:
            relay.swallow()
            key = "txengineio:0:chat:member:n1"
            await until(lambda: not client.exists(key))
        await until(lambda: cut_off.state == "degraded")
        newcomer = RedisNode("n2", redis.url)
        await newcomer.start()
        nodes = [known_to_both, cut_off, newcomer]
        # Each knows both others before a client can come to the newcomer.
        assert [node.peers for node in nodes] == [
            {"n1", "n2"},
            {"n0", "n2"},
            {"n0", "n1"},
        ]
        sessions = await with_clients(nodes, open_all)
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))
        # Links tell of the end of one, too.
        await newcomer.stop()
        ask = await with_clients([cut_off], lambda each: each.ask(sessions[2], "4x"))
        assert is_unknown(ask)
        assert cut_off.peers == {"n0"}
        relay.pass_on()
        await until(lambda: cut_off.state == "ok")
        assert cut_off.peers == {"n0"}
        await cut_off.stop()
    await relay.close()


@pytest_twisted.ensureDeferred
async def test_the_sessions_of_a_node_that_left_are_unknown(redis: RedisServer) -> None:
    async with running(redis.url, "n0", "n1") as nodes:
        sessions = await with_clients(nodes, open_all)
        third = RedisNode("n2", redis.url)
        await third.start()
        (session,) = await with_clients([third], open_all)
        ask = await with_clients(nodes, lambda one, _two: one.ask(session, "4x"))
        assert ask == (200, b"ok")
        await third.stop()
        await until(lambda: nodes[0].peers == {"n1"})
        answer = await with_clients(nodes, lambda one, _two: one.ask(session, "4x"))
        assert is_unknown(answer)
        await with_clients(nodes, lambda *clients: ask_all_for(sessions, *clients))


@pytest_twisted.ensureDeferred
async def test_other_programs_reach_all_sessions_or_one(redis: RedisServer) -> None:
    async with running(redis.url, "n0", "n1", outside=True) as nodes:
        sessions = await with_clients(nodes, open_all)
        channel = "txengineio:0:chat:outside"
        with redis.client() as client:
            assert client.publish(channel, '{"message": "to all"}') == 2
            sid = sid_of(sessions[1])
            client.publish(channel, f'{{"message": "to one", "sid": "{sid}"}}')
            client.publish(channel, '{"binary": "AAE="}')
            client.publish(channel, "nonsense")
        await until(lambda: all(node.counts["broken"] for node in nodes))
        heard = await with_clients(
            nodes, lambda *clients: [clients[0].ask(each)[1] for each in sessions]
        )
        assert heard == [b"4to all\x1ebAAE=", b"4to all\x1e4to one\x1ebAAE="]
