"""A Redis with a replica, and a Sentinel that puts that in its place when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.launch import LOOPBACK
from tests.interop.redis_server import RedisServer
from tests.ports import reserved_port

__all__ = ["Watched", "watched_redis"]

_NAME = "main"
_CONFIGURATION = """
sentinel monitor {name} {host} {port} 1
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 2000
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is.

    Attributes:
        master: The one that is to end.
        replica: The one that takes its place.
        sentinel: What watches both.
        url: What leads to the master by way of the Sentinel; the first one of that URL
            does not answer.
    """

    master: RedisServer
    replica: RedisServer
    sentinel: RedisServer
    url: str

    def is_ready(self) -> bool:
        """Whether the replica has all, and the Sentinel knows it."""
        with self.replica.client() as client:
            info: Any = client.info()
        is_linked = info.get("master_link_status") == "up"
        return is_linked and bool(self._ask("REPLICAS"))

    def has_failed_over(self) -> bool:
        """Whether the Sentinel leads to the replica."""
        answer = self._ask("GET-MASTER-ADDR-BY-NAME")
        return int(answer[1]) == self.replica.port

    def _ask(self, question: str) -> Any:
        with self.sentinel.client() as client:
            return client.execute_command("SENTINEL", question, _NAME)


@contextmanager
def watched_redis(program: str, folder: Path) -> Iterator[Watched]:
    """Run all three; they end with the ``with`` block.

    Args:
        program: The path of redis-server.
        folder: Where their files are.
    """
    folders = [folder / name for name in ("master", "replica", "sentinel")]
    for each in folders:
        each.mkdir()
    with ExitStack() as stack:
        run: Callable[[RedisServer], RedisServer] = stack.enter_context
        master = run(RedisServer(program, folders[0]))
        options = ["--replicaof", LOOPBACK, str(master.port)]
        replica = run(RedisServer(program, folders[1], options))
        configuration = folders[2] / "sentinel.conf"
        configuration.write_text(
            _CONFIGURATION.format(name=_NAME, host=LOOPBACK, port=master.port)
        )
        options = [str(configuration), "--sentinel"]
        sentinel = run(RedisServer(program, folders[2], options))
        nowhere = stack.enter_context(reserved_port())
        hosts = f"{LOOPBACK}:{nowhere},{LOOPBACK}:{sentinel.port}"
        url = f"redis+sentinel://{hosts}/{_NAME}"
        yield Watched(master, replica, sentinel, url)
