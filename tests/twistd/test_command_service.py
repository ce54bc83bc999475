"""The service of twistd's commands in a cluster, and in a worker that joins one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock

from tests.cluster.clients import CLOCK, Named
from tests.cluster.machines.nodes import MemoryCluster
from tests.cluster.machines.test_joining import SlowTown
from tests.conftest import FlushLoggedErrors
from tests.twistd.supervisor.doubles import Log
from txengineio.cluster.machines.joining import RedisCluster
from txengineio.cluster.redis.urls import BadRedisURL
from txengineio.cluster.workers import Workers
from txengineio.errors import InvalidOption, JoinFailed
from txengineio.server.engine import Engine
from txengineio.twistd.cluster_flags import said_of
from txengineio.twistd.command_service import CommandService
from txengineio.twistd.supervisor.control import WorkerSettings


def worker_of(folder: Path, town: SlowTown, slot: int) -> CommandService:
    node = f"m1w{slot}a"
    engine = Engine(Named, reactor=CLOCK, node_name=node)
    workers = Workers(engine, folder, CLOCK, str(slot), machine="m1w")
    MemoryCluster(town).attach(engine, workers)
    settings = WorkerSettings(slot=slot, workers=2, node=node, directory=str(folder))
    return CommandService(engine, [], "/", workers=workers, worker=settings)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        await deferLater(CLOCK, 0.05)
    raise AssertionError("it never happened")


def draining(service: CommandService) -> list[bool]:
    cluster: Any = service.engine.cluster
    return [peer.draining for peer in cluster.peers()]


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_worker_that_joins_knows_its_neighbours(tmp_path: Path) -> None:
    """It listens for other machines from then on, on behalf of all of this one."""
    tmp_path.chmod(0o700)
    town = SlowTown()
    one = worker_of(tmp_path, town, 0)
    one.startService()
    town.waiting.callback(None)
    await until(lambda: "m1w0a" in town.members)
    town.waiting = Deferred()
    two = worker_of(tmp_path, town, 1)
    two.startService()
    try:
        machines: Any = two.engine.joins._machines  # type: ignore[union-attr]
        assert machines._is_here("m1w0a")
        # Nothing is sent there until it is a member.
        await until(lambda: draining(one) == [True])
        await deferLater(CLOCK, 0.1)
        assert draining(one) == [True]
        town.waiting.callback(None)
        await until(lambda: draining(one) == [False])
        assert draining(two) == [False]
    finally:
        await two.stopService()
        await one.stopService()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_a_worker_that_cannot_join(
    tmp_path: Path, flush_logged_errors: FlushLoggedErrors
) -> None:
    tmp_path.chmod(0o700)
    town = SlowTown()
    service = worker_of(tmp_path, town, 0)
    service.startService()
    town.waiting.errback(JoinFailed("there is no server"))
    await until(lambda: flush_logged_errors(JoinFailed))
    await service.stopService()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_url_of_the_cluster_names_is_told_with_the_flag(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    cluster = RedisCluster(
        "rediss://localhost?ca=/none",
        listen="tcp:0:interface=127.0.0.1",
        secret=b"x" * 32,
    )
    reactor = MemoryReactorClock()
    engine = Engine(Named, reactor=reactor, node_name="a", cluster=cluster)
    service = CommandService(engine, [], "/")
    with Log() as log:
        service.startService()
    assert "the cluster: --cluster: ?ca= names a file of certificates: [" in log.text
    assert len(flush_logged_errors(InvalidOption)) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (JoinFailed("there is no server"), "there is no server"),
        (BadRedisURL("wrong"), "--cluster: wrong"),
        (
            InvalidOption("advertise", "given", None),
            "--cluster-advertise must be given",
        ),
        (InvalidOption("path", "absolute", "x"), "path must be absolute, not 'x'"),
    ],
)
def test_an_argument_of_the_cluster_has_the_name_of_its_flag(
    error: Exception, said: str
) -> None:
    assert said_of(error) == said
