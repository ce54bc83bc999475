"""The rights that docs/redis.md gives the nodes suffice."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import pytest_twisted

from tests.conftest import RequireProgram
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.test_redis_membership import Node, all_hear_all, until
from txengineio.cluster.interfaces import Load

pytestmark = pytest.mark.socket

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
SETUP = re.compile(
    r"^redis-cli (ACL SETUSER nodes (?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE
)


def documented() -> list[str]:
    """The words of the command, without ``redis-cli``."""
    found = SETUP.search(PAGE.read_text())
    assert found is not None
    return shlex.split(found[1].replace("\\\n", " "))


@pytest_twisted.ensureDeferred
async def test_nodes_need_no_other_rights(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with RedisServer(require_redis(require_program), tmp_path) as server:
        with server.client() as client:
            client.execute_command(*documented())
        url = server.url.replace("://", "://nodes:secret@")
        nodes = [Node("a", url, outside=True), Node("b", url)]
        for node in nodes:
            await node.join()
        await all_hear_all(nodes, "hello")
        assert nodes[0].membership.tell("b", b"b", b"you")
        await until(lambda: len(nodes[1].messages) == 2)
        # A renewal comes every five seconds.
        nodes[0].membership.announce(Load("a", 7))
        await until(lambda: nodes[1].loads.get("a") == Load("a", 7))
        await nodes[0].membership.leave()
        await until(lambda: not nodes[1].members)
        assert await nodes[1].membership.look_up("a") is False
        await nodes[1].membership.leave()
        with server.client() as client:
            denied = client.execute_command("ACL", "LOG")
        assert denied == []
