"""Nodes that find each other by a real Redis, which goes away in many ways."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.cluster.broker.recorder import Recorder
from tests.conftest import RequireProgram
from tests.interop.certificates import Certificates, make_certificates
from tests.interop.launch import LOOPBACK
from tests.interop.recorder import reactor
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.relay import Relay
from tests.interop.sentinels import watched_redis
from tests.ports import reserved_port
from txengineio.cluster.broker import membership
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member
from txengineio.cluster.redis import register
from txengineio.cluster.redis.maker import make_membership
from txengineio.errors import JoinFailed

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("no_settling")]

DEADLINE = 30.0
WHOLE = 15.0
"""Seconds after which everything is as before, once Redis is back.

It takes three at most; a machine that others use may be slower.
"""


@pytest.fixture(scope="module")
def program(require_program: RequireProgram) -> str:
    return require_redis(require_program)


@pytest.fixture
def redis(program: str, tmp_path: Path) -> Iterator[RedisServer]:
    options = ["--enable-debug-command", "yes"]
    with RedisServer(program, tmp_path, options) as server:
        yield server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let beats be short, so that what takes long takes seconds."""
    monkeypatch.setattr(membership, "BEAT", 0.15)
    monkeypatch.setattr(register, "LIFETIME", 2)


class Node(Recorder):
    """A node, which is a member after `join`."""

    def __init__(self, name: str, url: str, **options: Any) -> None:
        super().__init__()
        self.name = name
        self.membership = make_membership(url, "chat", b"secret", reactor, **options)

    async def join(self) -> None:
        await self.membership.join(Member(self.name, "", Load(self.name)), self)

    @property
    def state(self) -> str:
        return self.membership.state.value

    def says(self, text: str) -> bool:
        return self.membership.publish(b"b", text.encode())

    def has_messages(self, count: int) -> bool:
        return len(self.messages) == count

    def has_heard(self, texts: set[str]) -> bool:
        return texts <= {payload.decode() for _, _, payload in self.messages}


@asynccontextmanager
async def three_nodes(url: str) -> AsyncIterator[list[Node]]:
    nodes = [Node(name, url) for name in ("a", "b", "c")]
    try:
        for node in nodes:
            await node.join()
        yield nodes
    finally:
        for node in nodes:
            await node.membership.leave()


async def until(
    condition: Callable[[], object], seconds: float = DEADLINE, step: float = 0.02
) -> float:
    """Wait for a condition; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it did not come true"
        await deferLater(reactor, step)
    return time.monotonic() - began


async def all_hear_all(nodes: list[Node], text: str) -> None:
    """Let each say something that all others hear."""
    assert all(node.says(f"{text} {node.name}") for node in nodes)
    for node in nodes:
        expected = {f"{text} {other.name}" for other in nodes if other is not node}
        await until(partial(node.has_heard, expected))


async def whole_again(nodes: list[Node]) -> None:
    """Wait until all is as before, as it is soon; nobody has died meanwhile."""
    await until(lambda: all(node.state == "ok" for node in nodes), WHOLE)
    await all_hear_all(nodes, "again")
    for node in nodes:
        others = {other.name for other in nodes if other is not node}
        assert set(node.members) == others
        assert not [each for each in node.changes if each.startswith("-")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["tcp", "unix", "tls"])
def way(
    request: pytest.FixtureRequest,
    program: str,
    tmp_path: Path,
    certificates: Certificates,
) -> Iterator[tuple[RedisServer, str]]:
    path = tmp_path / "redis.sock"
    with reserved_port() as tls_port:
        options = {
            "tcp": [],
            "unix": ["--unixsocket", str(path)],
            "tls": [
                *("--tls-port", str(tls_port), "--tls-auth-clients", "no"),
                *("--tls-cert-file", certificates.server),
                *("--tls-key-file", certificates.server_key),
                *("--tls-ca-cert-file", certificates.authority),
            ],
        }[request.param]
        with RedisServer(program, tmp_path, options, "pass word") as server:
            yield (
                server,
                {
                    "tcp": f"redis://:pass%20word@{LOOPBACK}:{server.port}/3",
                    "unix": f"unix://:pass%20word@{path}?db=3",
                    "tls": f"rediss://:pass%20word@localhost:{tls_port}/3"
                    f"?ca={certificates.authority}",
                }[request.param],
            )


@pytest_twisted.ensureDeferred
async def test_nodes_hear_each_other(way: tuple[RedisServer, str]) -> None:
    server, url = way
    async with three_nodes(url) as nodes:
        a, b, c = nodes
        await all_hear_all(nodes, "hello")
        large = bytes(range(256)) * 4096 * 7
        for kind, payload in ((b"x", b"4"), (b"y", b"\xff\x00"), (b"z", large)):
            assert a.membership.tell("b", kind, payload)
        await until(lambda: len(b.messages) == 5)
        assert b.messages[2:] == [
            *(("a", b"x", b"4"), ("a", b"y", b"\xff\x00"), ("a", b"z", large)),
        ]
        assert len(c.messages) == 2
        assert members_in(server, 3) == {"a", "b", "c"}
    assert members_in(server, 3) == set()


def members_in(server: RedisServer, db: int = 0) -> set[str]:
    """The nodes that have a key in Redis."""
    with server.client() as client:
        client.select(db)
        keys = [key.decode() for key in client.scan_iter(f"txengineio:{db}:chat:*")]
    return {key.rpartition(":")[2] for key in keys if ":member:" in key}


async def problem_of(url: str) -> str:
    """The line that says why nobody can join."""
    with pytest.raises(JoinFailed) as raised:
        await Node("a", url).join()
    problem = str(raised.value)
    assert "\n" not in problem
    assert "s3cret" not in problem
    return problem


@pytest_twisted.ensureDeferred
async def test_what_is_wrong_is_told_in_one_line(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "JOIN_TIMEOUT", 0.5)
    with RedisServer(program, tmp_path, password="right") as server:
        place = f"{LOOPBACK}:{server.port}"
        assert "WRONGPASS" in await problem_of(f"redis://:s3cret@{place}")
        assert "WRONGPASS" in await problem_of(f"redis://chat:s3cret@{place}")
        assert "NOAUTH" in await problem_of(f"redis://{place}")
        assert "out of range" in await problem_of(f"redis://:right@{place}/99")
        problem = await problem_of(f"redis+sentinel://:right@{place}/main")
        assert "no Sentinel tells of the master main" in problem
        with server.client() as client:
            client.execute_command(
                *("ACL", "SETUSER", "reader", "on", ">s3cret", "allkeys"),
                *("allchannels", "+@all", "-eval"),
            )
        assert "NOPERM" in await problem_of(f"redis://reader:s3cret@{place}")
    problem = await problem_of(f"redis://:s3cret@{place}")
    assert problem.startswith(f"Redis at redis://{place}/0 cannot be used: ")
    assert "refused" in problem
    assert "No such file" in await problem_of(f"unix:{tmp_path}/none.sock")


@pytest_twisted.ensureDeferred
async def test_a_certificate_that_nobody_trusts_is_refused(
    program: str,
    tmp_path: Path,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(membership, "JOIN_TIMEOUT", 1.0)
    options = [
        *("--tls-auth-clients", "no"),
        *("--tls-cert-file", certificates.other_host),
        *("--tls-key-file", certificates.other_host_key),
        *("--tls-ca-cert-file", certificates.authority),
    ]
    with (
        reserved_port() as port,
        RedisServer(program, tmp_path, [*options, "--tls-port", str(port)]),
    ):
        trusted = f"rediss://localhost:{port}?ca={certificates.authority}"
        assert "localhost" in await problem_of(trusted)
        problem = await problem_of(f"rediss://localhost:{port}")
        assert "certificate verify failed" in problem


@pytest_twisted.ensureDeferred
async def test_a_restart_loses_nobody(redis: RedisServer) -> None:
    async with three_nodes(redis.url) as nodes:
        with redis.client() as client:
            client.shutdown(nosave=True)
        await until(lambda: all(node.state == "degraded" for node in nodes))
        assert not nodes[0].says("lost")
        redis.kill()
        await deferLater(reactor, 1.0)
        redis.start()
        await whole_again(nodes)
        assert nodes[0].membership.counts["away"] == 1
        assert {node.membership.counts["lost"] for node in nodes} <= {0, 1}


@pytest_twisted.ensureDeferred
async def test_who_joins_just_after_a_restart_knows_all_others(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with three_nodes(redis.url) as nodes:
        redis.kill()
        # Until their attempts to connect are as far apart as they ever are.
        await deferLater(reactor, 2.5)
        monkeypatch.setattr(membership, "SETTLE_BEATS", 2)
        redis.start()
        fourth = Node("d", redis.url)
        await fourth.join()
        assert set(fourth.members) == {"a", "b", "c"}
        await fourth.membership.leave()
        await until(lambda: all("d" not in node.members for node in nodes))


@pytest_twisted.ensureDeferred
async def test_killed_subscribers_are_back_and_say_what_they_have_missed(
    redis: RedisServer,
) -> None:
    async with three_nodes(redis.url) as nodes:
        await all_hear_all(nodes, "hello")
        with redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        # The loss of the connections has not been noticed yet.
        assert nodes[0].says("lost")
        await until(lambda: all(node.state == "degraded" for node in nodes))
        await whole_again(nodes)
        assert [each.membership.counts["lost"] for each in nodes] == [0, 1, 1]
        assert nodes[0].membership.counts["unheard"] == 1


@pytest.mark.usefixtures("quick")
@pytest_twisted.ensureDeferred
async def test_nobody_dies_while_redis_sleeps(redis: RedisServer) -> None:
    async with three_nodes(redis.url) as nodes:
        # Longer than keys live, and than silence is borne.
        sleep = subprocess.Popen(
            ["redis-cli", "-p", str(redis.port), "DEBUG", "SLEEP", "4"],
            stdout=subprocess.DEVNULL,
        )
        try:
            await until(lambda: all(node.state == "degraded" for node in nodes))
            while sleep.poll() is None:
                nodes[0].says("x" * (1 << 20))
                await deferLater(reactor, 0.1)
                assert nodes[0].membership._bus.waiting <= 8 << 20
        finally:
            sleep.wait(DEADLINE)
        await whole_again(nodes)


@pytest.mark.usefixtures("quick")
@pytest_twisted.ensureDeferred
async def test_a_network_that_swallows_everything_is_noticed(
    redis: RedisServer,
) -> None:
    relay = Relay(reactor, redis.port)
    url = f"redis://{LOOPBACK}:{relay.listen()}/0"
    try:
        async with three_nodes(url) as nodes:
            relay.swallow()
            await until(lambda: all(node.state == "degraded" for node in nodes))
            await deferLater(reactor, 2.5)
            relay.pass_on()
            await whole_again(nodes)
    finally:
        await relay.close()


@pytest.mark.usefixtures("quick")
@pytest_twisted.ensureDeferred
async def test_who_dies_is_gone(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with three_nodes(redis.url) as nodes:
        a, b, c = nodes
        # As a process that was killed: its connections end, and it says nothing.
        await c.membership._disconnect()
        took = await until(lambda: "c" not in a.members and "c" not in b.members)
        assert took > 0.5
        # Who leaves is gone at once: its key would be there for longer than is waited.
        monkeypatch.setattr(register, "LIFETIME", int(2 * DEADLINE))
        second = Node("c", redis.url)
        await second.join()
        assert set(second.members) == {"a", "b"}
        await until(lambda: "c" in a.members and "c" in b.members)
        await second.membership.leave()
        await until(lambda: "c" not in a.members and "c" not in b.members)


@pytest_twisted.ensureDeferred
async def test_a_name_is_taken_once(redis: RedisServer) -> None:
    async with three_nodes(redis.url) as nodes:
        second = Node("a", redis.url)
        with pytest.raises(
            JoinFailed, match="another node of the cluster has the name"
        ):
            await second.join()
        await all_hear_all(nodes, "still")


@pytest_twisted.ensureDeferred
async def test_sentinels_lead_to_the_new_master(program: str, tmp_path: Path) -> None:
    with watched_redis(program, tmp_path) as watched:
        async with three_nodes(watched.url) as nodes:
            await all_hear_all(nodes, "hello")
            await until(watched.is_ready, step=0.2)
            watched.master.kill()
            await until(watched.has_failed_over, step=0.2)
            await whole_again(nodes)
            assert members_in(watched.replica) == {"a", "b", "c"}


@pytest_twisted.ensureDeferred
async def test_other_programs_speak_to_all_who_hear_them(redis: RedisServer) -> None:
    hearing, deaf = Node("a", redis.url, outside=True), Node("b", redis.url)
    await hearing.join()
    await deaf.join()
    with redis.client() as client:
        channel = "txengineio:0:chat:outside"
        assert client.publish(channel, '{"message": "hello"}') == 1
        assert client.publish(channel, "hello") == 1
    await until(lambda: hearing.membership.counts["broken"])
    assert hearing.messages == [("a", b"b", b"\x02hello")]
    for node in (hearing, deaf):
        await node.membership.leave()
