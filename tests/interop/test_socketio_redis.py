"""Socket.IO in several processes whose events Redis carries, as upstream does it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import socketio

from tests.blocking_client import blocking_client
from tests.conftest import RequireProgram
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.test_socketio_nodes import DEADLINE, check, twistd

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def redis_url(
    require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    program = require_redis(require_program)
    with RedisServer(program, tmp_path_factory.mktemp("redis")) as server:
        yield server.url


def environment(manager: str, redis_url: str) -> dict[str, str]:
    return {"SOCKETIO_REDIS": json.dumps([manager, redis_url])}


@pytest.mark.parametrize(
    ("kind", "manager"),
    [
        ("AsyncServer", "AsyncRedisManager"),
        ("AsyncServer", "DirectRedisManager"),
        ("Server", "ReactorRedisManager"),
        ("ThreadedServer", "ReactorRedisManager"),
    ],
)
def test_rooms_reach_over_all_processes(
    kind: str, manager: str, redis_url: str, node: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        urls = [
            stack.enter_context(
                twistd(kind, tmp_path / name, **environment(manager, redis_url))
            )
            for name in ("a", "b", "c")
        ]
        # Upstream's managers tell each other in JSON what clients answer.
        check(node, urls, "upgrade", binary=False)


def test_a_process_that_is_no_server_sends(redis_url: str, tmp_path: Path) -> None:
    outside = socketio.RedisManager(redis_url, write_only=True)
    with ExitStack() as stack:
        received: list[Queue[Any]] = []
        clients = []
        for name in ("a", "b"):
            variables = environment("DirectRedisManager", redis_url)
            url = stack.enter_context(
                twistd("AsyncServer", tmp_path / name, **variables)
            )
            client = blocking_client()
            queue: Queue[Any] = Queue()
            client.on("told", lambda *values, queue=queue: queue.put(values))
            client.connect(url, wait_timeout=DEADLINE)
            stack.callback(client.disconnect)
            clients.append(client)
            received.append(queue)
        until_heard(outside, received)

        outside.emit("told", ("all", b"\x00\xff"))
        assert [take(each) for each in received] == [("all", b"\x00\xff")] * 2
        own = clients[1].get_sid()
        outside.enter_room(own, "/", "room")
        outside.emit("told", "room", room="room")
        outside.emit("told", "end")
        assert take(received[0]) == ("end",)
        assert [take(received[1]) for _ in range(2)] == [("room",), ("end",)]


def until_heard(outside: Any, received: list[Queue[Any]]) -> None:
    """Wait until the servers listen, which they do soon after the first client."""
    for number in range(int(DEADLINE / 0.1)):
        outside.emit("told", ("hello", number))
        time.sleep(0.1)
        if all(not each.empty() for each in received):
            return
    pytest.fail("the servers do not listen")


def take(queue: Queue[Any]) -> Any:
    """Take what comes next, but for what `until_heard` has sent."""
    while (values := queue.get(timeout=DEADLINE))[0] == "hello":
        pass
    return values
