"""The scripts of the register, in a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RequireProgram
from tests.interop.redis_server import RedisServer, require_redis
from txengineio.cluster.broker.interfaces import Held
from txengineio.cluster.redis.register import HOLD, RELEASE, START

pytestmark = pytest.mark.socket

KEYS = ["member:a", "members", "settled", "started:a"]
FIRST, SECOND = (start.to_bytes(8) for start in (5, 6))


@pytest.fixture(scope="module")
def program(require_program: RequireProgram) -> str:
    return require_redis(require_program)


@pytest.fixture
def client(program: str, tmp_path: Path) -> Iterator[Any]:
    with RedisServer(program, tmp_path) as server, server.client() as client:
        yield client


def hold(client: Any, start: bytes, is_settled: int = 0) -> Held:
    number = int.from_bytes(start)
    details = (start, b"frame", 13, "a", is_settled, number, 7200)
    return Held(client.eval(HOLD, 4, *KEYS, *details))


def started(client: Any, more: int = 0) -> int:
    return int(client.eval(START, 1, "started:a", more))


def test_starts_follow_each_other_whatever_the_clock_does(client: Any) -> None:
    seconds, _ = client.time()
    first, second = started(client), started(client)
    assert first // 1_000_000 in range(seconds, seconds + 10)
    assert first < second
    assert started(client, 100_000_000) > second + 100_000_000
    # The clock has gone back by an hour.
    ahead = second + 3_600_000_000
    client.set("started:a", ahead)
    assert [started(client), started(client, 7)] == [ahead + 1, ahead + 8]
    # Nobody has started then.
    for nonsense in (ahead + 90_000_000_000, "1e300", "inf", "nan", "text", ""):
        client.set("started:a", nonsense)
        assert second < started(client) < ahead


def test_a_name_is_held_by_its_last_start(client: Any) -> None:
    assert hold(client, FIRST) is Held.UNSETTLED
    client.set("started:a", 7)
    assert hold(client, FIRST, is_settled=1) is Held.SETTLED
    assert client.get("started:a") == b"5"
    assert hold(client, SECOND) is Held.TAKEN
    assert client.get("member:a") == FIRST + b"frame"
    assert client.eval(RELEASE, 2, *KEYS[:2], SECOND, "a") == 0
    assert client.eval(RELEASE, 2, *KEYS[:2], FIRST, "a") == 1
    assert client.exists("member:a") == client.scard("members") == 0
    assert hold(client, SECOND) is Held.SETTLED
    assert client.eval(RELEASE, 2, *KEYS[:2], SECOND, "a") == 1
    # The first one was stopped meanwhile: the others know the second.
    assert hold(client, FIRST) is Held.TAKEN
    assert client.get("started:a") == b"6"
    assert 7100 < client.ttl("started:a") <= 7200
