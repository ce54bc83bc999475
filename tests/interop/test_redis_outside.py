"""The programs of docs/redis.md that are no nodes, and the rights that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_twisted
import redis
from twisted.internet.threads import deferToThread

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.test_redis_membership import Node, until

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("no_settling")]

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
CHANNEL = "txengineio:0:chat:outside"
LUNCH = ("a", b"b", b"\x02Lunch is ready")


@pytest.fixture
def server(require_program: RequireProgram, tmp_path: Path) -> Iterator[RedisServer]:
    require_program("redis-cli", "Debian's package redis-tools")
    with RedisServer(require_redis(require_program), tmp_path) as running:
        yield running


def block(language: str, word: str, port: int) -> str:
    """The block of the page that has a word, for a server on another port."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S
    )
    found: str = next(each for each in blocks if word in each)
    return found.replace("6379", str(port)).replace("redis-cli", f"redis-cli -p {port}")


def run(command: Sequence[str], text: str) -> str:
    ran = subprocess.run(
        [*command], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[Node]:
    node = Node("a", url, outside=True)
    await node.join()
    try:
        yield node
    finally:
        await node.membership.leave()


@pytest_twisted.ensureDeferred
async def test_programs_of_the_guide_are_heard(server: RedisServer, node: str) -> None:
    programs = [
        (["sh"], block("sh", "PUBLISH", server.port)),
        ([sys.executable, "-"], block("python", "import redis", server.port)),
        (["node", "--input-type=module", "-"], block("js", "PUBLISH", server.port)),
    ]
    async with hearing(server.url) as heard:
        for count, (command, text) in enumerate(programs, 1):
            await deferToThread(run, command, text)
            await until(partial(heard.has_messages, count))
        assert heard.messages == [LUNCH] * 3
        assert not heard.membership.counts


@pytest_twisted.ensureDeferred
async def test_users_of_the_guide_may_do_what_they_need(server: RedisServer) -> None:
    for word in ("SETUSER nodes", "SETUSER news"):
        assert run(["sh"], block("sh", word, server.port)) == "OK\n"
    url = f"redis://nodes:secret@{LOOPBACK}:{server.port}/0"
    async with hearing(url) as heard:
        with redis.Redis(port=server.port, username="news", password="secret") as news:
            assert news.publish(CHANNEL, '{"message": "Lunch is ready"}') == 1
            for forbidden in ("txengineio:0:chat:all", "txengineio:0:other:outside"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    news.publish(forbidden, "x")
            with pytest.raises(redis.exceptions.NoPermissionError):
                news.get("txengineio:0:chat:member:a")
        await until(lambda: heard.messages == [LUNCH])
        assert heard.membership.publish(b"b", b"x")
        with (
            redis.Redis(port=server.port, username="nodes", password="secret") as other,
            pytest.raises(redis.exceptions.NoPermissionError),
        ):
            other.set("something", "else")
