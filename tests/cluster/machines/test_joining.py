"""An engine becomes one of a cluster before clients come, and leaves it at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from typing_extensions import override

from tests.cluster.clients import CLOCK, HOST, Named
from tests.cluster.machines.nodes import SECRET, MemoryCluster
from tests.cluster.machines.town import MemoryMembership, Town
from txengineio.cluster.machines.joining import (
    MachinesCluster,
    RedisCluster,
    WampCluster,
)
from txengineio.cluster.membership import IMembershipListener, Member
from txengineio.errors import InvalidOption, JoinFailed
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.service import EngineIOService

LISTEN = f"tcp:0:interface={HOST}"


class SlowTown(Town):
    """Takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: Deferred[None] = Deferred()

    @override
    def membership(self) -> MemoryMembership:
        return Slow(self)


class Slow(MemoryMembership):
    _town: SlowTown

    @override
    def join(self, member: Member, listener: IMembershipListener) -> Deferred[None]:
        waiting = self._town.waiting
        return waiting.addCallback(
            lambda _: MemoryMembership.join(self, member, listener)
        )


def engine_of(town: Town, name: str = "n1", **details: Any) -> Engine:
    cluster = MemoryCluster(town, **details)
    return Engine(Named, reactor=CLOCK, node_name=name, cluster=cluster)


def health(engine: Engine) -> tuple[int, list[str]]:
    class Asked:
        status = 200

        def setHeader(self, *_header: bytes) -> None: ...

        def setResponseCode(self, code: int) -> None:
            self.status = code

    request: Any = Asked()
    text = HealthResource(engine).render_GET(request)
    return request.status, text.decode().splitlines()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_clients_can_come_once_it_has_joined() -> None:
    town = SlowTown()
    engine = engine_of(town)
    assert health(engine) == (503, ["joining", "cluster: joining"])
    opened: list[object] = []

    def opens(port: Any) -> Any:
        opened.append(port)
        return port

    listening = engine.listen(LISTEN).addCallback(opens)
    assert health(engine) == (503, ["joining", "cluster: joining"])
    assert opened == []
    town.waiting.callback(None)
    port = await listening
    assert port.getHost().port
    assert health(engine) == (200, ["ok", "cluster: ok"])
    town.set_up(False)
    assert health(engine) == (200, ["ok", "cluster: degraded"])
    await engine.close()
    assert town.members == {}
    assert health(engine) == (503, ["draining", "cluster: joining"])


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_node_says_when_others_find_no_way_to_it() -> None:
    """It cannot know for sure: there may be a NAT that only others come through."""
    nowhere = await TCP4ServerEndpoint(CLOCK, 0, interface=HOST).listen(Factory())
    port = nowhere.getHost().port
    await nowhere.stopListening()
    town = Town()
    with capturedLogs() as events:
        right = engine_of(town, "right")
        await right.join()
        wrong = engine_of(town, "wrong", advertise=f"{HOST}:{port}")
        await wrong.join()
        for _ in range(200):
            said = [formatEvent(each) for each in events if "way" in formatEvent(each)]
            if said:
                break
            await deferLater(CLOCK, 0.05)
    assert len(said) == 1
    assert f"it cannot connect to itself at {HOST}:{port} (refused: " in said[0]
    assert "--cluster-advertise" in said[0]
    # It is not counted as another node; and the second one has greeted the first.
    for engine, counted in ((right, {"accepted": 1}), (wrong, {})):
        assert engine.cluster is not None
        assert engine.cluster.counts.links == counted
        await engine.leave()
        await engine.close()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_cluster_that_cannot_be_joined() -> None:
    town = SlowTown()
    engine = engine_of(town)
    listening = engine.listen(LISTEN)
    town.waiting.errback(JoinFailed("there is no server at redis:6379"))
    with pytest.raises(JoinFailed, match="there is no server"):
        await listening
    assert engine.elsewhere is None
    # It may be tried again.
    town.waiting = Deferred()
    town.waiting.callback(None)
    await engine.listen(LISTEN)
    await engine.drain(1)
    assert town.members == {}


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_service_that_is_stopped_meanwhile_does_not_join() -> None:
    town = SlowTown()
    engine = engine_of(town)
    service = EngineIOService(engine, LISTEN)
    service.startService()
    # It would wait for ever for what never comes.
    await service.stopService()
    assert town.waiting.called
    assert town.members == {}
    assert service._ports == []
    cluster: Any = engine.joins
    assert cluster._port is None


@pytest.mark.socket
@pytest.mark.parametrize("ends", ["close", "drain", "leave"])
@pytest_twisted.ensureDeferred
async def test_who_ends_does_not_wait_until_it_has_joined(ends: str) -> None:
    town = SlowTown()
    engine = engine_of(town)
    listening = [engine.listen(LISTEN), engine.listen(LISTEN)]
    end = {
        "close": engine.close,
        "drain": lambda: engine.drain(5.0),
        "leave": engine.leave,
    }
    await end[ends]()
    assert town.waiting.called
    for each in listening:
        with pytest.raises(JoinFailed, match="leaves before it has joined"):
            await each
    assert town.members == {}
    cluster: Any = engine.joins
    assert cluster._port is None
    # It may be tried again.
    town.waiting = Deferred()
    town.waiting.callback(None)
    await engine.listen(LISTEN)
    assert list(town.members) == ["n1"]
    await engine.close()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_it_is_joined_once_and_left_once() -> None:
    town = Town()
    engine = engine_of(town)
    first, second = engine.join(), engine.join()
    await first
    await second
    assert list(town.members) == ["n1"]
    await engine.leave()
    await engine.leave()
    assert town.members == {}
    # As always, a service does it, or whoever serves the engine.
    await engine.close()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_where_others_connect_to() -> None:
    town = Town()
    one = engine_of(town, "n1")
    two = engine_of(town, "n2", advertise="chat-2.internal")
    await one.join()
    await two.join()
    addresses = {name: each.member.address for name, each in town.members.items()}
    assert addresses["n1"].startswith(f"{HOST}:")
    assert addresses["n2"].startswith("chat-2.internal:")
    await one.leave()
    await two.leave()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_endpoints_with_tls_are_known_as_such() -> None:
    town = Town()
    with_tls = SSL4ServerEndpoint(CLOCK, 0, CertificateOptions(), interface=HOST)
    plain = TCP4ServerEndpoint(CLOCK, 0, interface=HOST)
    engines = [
        engine_of(town, "n1", listen=with_tls),
        engine_of(town, "n2", listen=plain, tls=True),
        engine_of(town, "n3", listen=plain),
    ]
    for engine in engines:
        await engine.join()
    addresses = [each.member.address for each in town.members.values()]
    assert [each.startswith("tls:") for each in addresses] == [True, True, False]
    for engine in engines:
        await engine.leave()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_listens_to_all_needs_an_address() -> None:
    engine = engine_of(Town(), listen=TCP4ServerEndpoint(CLOCK, 0))
    with pytest.raises(InvalidOption, match="advertise must be given"):
        await engine.join()


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_port_that_is_taken() -> None:
    taken: Any = await TCP4ServerEndpoint(CLOCK, 0, interface=HOST).listen(Factory())
    listen = f"tcp:{taken.getHost().port}:interface={HOST}"
    engine = engine_of(Town(), listen=listen)
    why = f"cannot listen for other nodes on {listen}: Address already in use"
    with pytest.raises(JoinFailed, match=why):
        await engine.join()
    await taken.stopListening()


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"name": ""}, "name must be 1 to 64 ASCII letters"),
        ({"name": "a b"}, "name must be 1 to 64 ASCII letters"),
        ({"secret": b"short"}, "secret must be a secret of 32 bytes or more"),
        ({"secret_file": "x"}, "secret must be left out"),
        ({"secret": None, "secret_file": "/nowhere"}, "secret_file must be a file"),
        ({"listen": "tcp:7000"}, "advertise must be given"),
        ({"tls": 1}, "tls must be True or False"),
        ({"listen": "unix:/x"}, "listen must be a TCP or TLS endpoint"),
        ({"advertise": "::"}, "advertise must be where other nodes connect to"),
    ],
)
def test_a_cluster_that_makes_no_sense(details: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        MemoryCluster(Town(), **details)


def test_a_description_that_makes_no_sense() -> None:
    with pytest.raises(InvalidOption, match="endpoint must be tcp:PORT"):
        engine_of(Town(), listen="tcp:x:interface=127.0.0.1")


def test_each_engine_has_one_of_its_own() -> None:
    cluster = MemoryCluster(Town())
    Engine(Named, reactor=CLOCK, node_name="n1", cluster=cluster)
    with pytest.raises(InvalidOption, match="cluster must be one of its own for each"):
        Engine(Named, reactor=CLOCK, node_name="n2", cluster=cluster)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    file.chmod(0o600)
    cluster = MemoryCluster(Town(), secret=None, secret_file=file)
    assert cluster._secret == SECRET


@pytest.mark.parametrize("kind", [MachinesCluster, RedisCluster])
def test_a_url_of_no_membership(kind: type[MachinesCluster]) -> None:
    with pytest.raises(InvalidOption, match=r"a URL.*redis:") as caught:
        kind("http://user:password@chat", listen=LISTEN)
    assert "password" not in str(caught.value)


ELSEWHERE = [
    *("redis://10.9.8.7/0", "rediss://redis.internal/0", "redis://localhost.example"),
    "redis+sentinel://127.0.0.1/main",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_redis_elsewhere_wants_a_secret(url: str) -> None:
    listen = f"tcp:0:interface={HOST}"
    why = "secret must be given, as other machines can write to that Redis"
    with pytest.raises(InvalidOption, match=why):
        RedisCluster(url, listen=listen)
    RedisCluster(url, listen=listen, secret=SECRET)


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1/0", "redis://[::1]", "redis://localhost", "unix:/r.sock"]
)
def test_redis_on_this_machine_wants_none(url: str) -> None:
    RedisCluster(url, listen=f"tcp:0:interface={HOST}")


def test_a_router_elsewhere_wants_a_secret() -> None:
    listen = f"tcp:0:interface={HOST}"
    url = "wamp:ws://router.internal:8080/ws@realm1"
    why = "secret must be given, as other machines can publish at that router"
    with pytest.raises(InvalidOption, match=why):
        WampCluster(url, listen=listen)
    WampCluster(url, listen=listen, secret=SECRET)
    WampCluster("wamp:ws://127.0.0.1:8080/ws@realm1", listen=listen)


def test_a_url_of_no_router_is_refused_without_what_is_secret() -> None:
    with pytest.raises(InvalidOption, match="a URL of a router of WAMP") as caught:
        WampCluster("redis://:hunter2@host", listen="tcp:0:interface=127.0.0.1")
    assert "hunter2" not in str(caught.value)
