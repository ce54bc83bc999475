"""Nodes of a cluster on Redis, behind a proxy, and what is done to them.

The proxy knows nothing of sessions: two of three requests come to another node. What
goes to a node from the others, and from each of them to Redis, passes a relay that can
swallow it.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from tests.interop.launch import LOOPBACK
from tests.interop.redis_server import RedisServer
from tests.interop.relay import Relay
from tests.ports import reserved_port
from tests.soak.history import AFTER, Event, Fate
from tests.soak.ledger import APPLICATION, VARIABLE
from tests.soak.proxy_log import LOG_FORMAT, ProxyLog
from tests.soak.supervised import PING_INTERVAL, Worker

__all__ = ["ClusterServer", "Stall", "server_of"]

_ROOT = Path(__file__).parents[2]
_RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
_PAUSE = 0.05
_DEADLINE = 60.0
_NOT_GIVEN_UP = 8.0
"""Seconds for which nobody gives up a node that does not answer.

It has to be silent for 10, up to 5 of them before that, and is then asked for 4.
"""
_PROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
    timeout check 30s
    retries 3
    option redispatch 1
    retry-on conn-failure
frontend web
    bind {host}:{port}
    log stdout len 4096 format raw local0
    log-format {log_format}
    default_backend nodes
backend nodes
    balance roundrobin
    http-reuse never
    option httpchk GET /healthz
    default-server check inter 100ms fall 1 rise 1
"""


@dataclass(slots=True)
class Stall:
    """A time in which a node did not answer the others for long, or was to end.

    Attributes:
        node: The node.
        what: What was done to it.
        since: When that began.
        until: When it was over.
    """

    node: str
    what: str
    since: float
    until: float = float("inf")

    def covers(self, moment: float, patience: float) -> bool:
        """Whether something was its consequence that was noticed at a moment."""
        return self.since <= moment <= self.until + patience


class ClusterServer:
    """Three nodes or so; each that ends gets a successor with another name.

    Args:
        nodes: How many.
        folder: Where their files are.

    Attributes:
        port: Where the proxy listens.
        fates: What has become of each node; and, with names that no node has, when
            what was on its way through one could be lost.
        outages: From when to when nobody served: never, as nodes are not harmed so.
        stalls: When the others may have given up nodes that did not answer.
        goings: When nodes that were replaced came to their end.
        ledger: The file that the application writes.
        redis: Where they find each other.
    """

    def __init__(self, nodes: int, folder: Path) -> None:
        self.fates: dict[str, Fate] = {}
        self.outages: list[tuple[float, float]] = []
        self.stalls: list[Stall] = []
        self.goings: list[Stall] = []
        self.ledger = folder / "ledger"
        self.redis = RedisServer(
            shutil.which("redis-server") or "redis-server",
            folder,
            ["--save", "", "--enable-debug-command", "yes"],
        )
        self._folder = folder
        self._secret = folder / "secret"
        self._proxy_log = folder / "haproxy.log"
        self._stack = ExitStack()
        self._stack.callback(self.redis.close)
        self.port, *self._ports = (
            self._stack.enter_context(reserved_port()) for _ in range(1 + nodes)
        )
        # By slots: what leads to a node from the others, and from it to Redis.
        self._links: list[Relay] = []
        self._ways: list[Relay] = []
        self._living: dict[int, Worker] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._count = 0
        self._is_ending = False
        self._problems: list[str] = []

    async def start(self) -> None:
        self._secret.write_text(token_hex(32))
        self._secret.chmod(0o600)
        self.redis.start()
        # The program has installed it by now.
        from twisted.internet import reactor  # noqa: PLC0415, TID251

        for slot in range(len(self._ports)):
            behind = self._stack.enter_context(reserved_port())
            self._links.append(Relay(reactor, behind))
            self._ways.append(Relay(reactor, self.redis.port))
            self._ways[slot].listen()
            await self._start_node(slot)
        await self.until(lambda: self.is_settled)
        await self._start_proxy()

    async def _start_proxy(self) -> None:
        lines = [
            f"    server s{slot} {LOOPBACK}:{port}\n"
            for slot, port in enumerate(self._ports)
        ]
        path = self._folder / "haproxy.cfg"
        text = _PROXY.format(host=LOOPBACK, port=self.port, log_format=LOG_FORMAT)
        path.write_text(text + "".join(lines))
        with self._proxy_log.open("wb") as log:
            self._proxy = await asyncio.create_subprocess_exec(
                *(shutil.which("haproxy") or "haproxy", "-db", "-f", os.fspath(path)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self.until(self._serves)

    def _serves(self) -> bool:
        """Whether the proxy has found a node."""
        asking = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        try:
            asking.request("GET", "/healthz")
            return asking.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            asking.close()

    async def _start_node(self, slot: int) -> None:
        self._count += 1
        name = f"n{slot}x{self._count}"
        link, way = self._links[slot], self._ways[slot]
        command = [
            *(sys.executable, "-c", _RUN_TWISTD, "-n", "--pidfile=", "engineio"),
            *("--listen", f"tcp:{self._ports[slot]}:interface={LOOPBACK}"),
            *("--app", APPLICATION, "--drain-timeout", "2"),
            *("--ping-interval", str(PING_INTERVAL), "--ping-timeout", "15"),
            *("--node-name", name, "--cluster", f"redis://{LOOPBACK}:{way.port}"),
            *("--cluster-listen", f"tcp:{link.server_port}:interface={LOOPBACK}"),
            *("--cluster-advertise", f"{LOOPBACK}:{link.listen()}"),
            *("--cluster-secret-file", os.fspath(self._secret)),
        ]
        with self._log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=_ROOT,
                env={**os.environ, VARIABLE: os.fspath(self.ledger)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes[name] = process
        worker = self._living[slot] = Worker(slot, process.pid, name)
        self._watches.append(asyncio.create_task(self._watch(worker, process)))

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    async def _watch(self, worker: Worker, process: asyncio.subprocess.Process) -> None:
        """Wait until a node has ended, and start its successor."""
        status = await process.wait()
        worker.has_ended = True
        # Nobody listens there any more.
        closed = self._links[worker.slot].close()
        await closed.asFuture(asyncio.get_running_loop())
        now = time.monotonic()
        fate = self.fates.setdefault(worker.node, Fate(Event.KILLED, now, now))
        if fate.event is Event.RETIRED:
            self.goings.append(Stall(worker.node, "replaced", fate.since, now))
        else:
            # Others notice what went through it a little later.
            self.fates[f"{AFTER}{worker.node}"] = Fate(Event.KILLED, now, now)
        has_joined = worker.node not in self._without_redis()
        if has_joined and status not in (0, -signal.SIGTERM, -signal.SIGKILL):
            self._problems.append(f"{worker.node} ended with {status}")
        if not self._is_ending:
            await self._start_node(worker.slot)

    def _without_redis(self) -> list[str]:
        """List the nodes that could not join, as they did not find Redis in time."""
        return [
            name
            for name in self._processes
            if "cannot be used: " in self._log(name).read_text(errors="replace")
        ]

    async def watch(self) -> None:
        """Do nothing: each node is watched from its start."""

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + _DEADLINE
        while not holds():
            for watch in self._watches:
                if watch.done():
                    # A successor that cannot be started is told at once.
                    watch.result()
            assert time.monotonic() < deadline, self._tails()
            await asyncio.sleep(_PAUSE)

    def _tails(self) -> str:
        return "\n".join(
            self._log(name).read_text(errors="replace")[-2000:]
            for name in self._processes
        )

    @property
    def is_settled(self) -> bool:
        """Whether all nodes serve, and none is about to end."""
        return len(self.serving()) == len(self._living)

    def serving(self) -> list[Worker]:
        """List the nodes that have joined, and are not about to end."""
        return [
            each
            for each in self.living()
            if "has joined the cluster" in self._log(each.node).read_text("utf-8")
        ]

    def living(self) -> list[Worker]:
        """List the nodes that serve, for all that is known."""
        return [
            each
            for each in self._living.values()
            if not each.has_ended and each.node not in self.fates
        ]

    # --- what is done to it -----------------------------------------------------------

    def kill(self, worker: Worker) -> None:
        """Kill a node."""
        now = time.monotonic()
        self.fates[worker.node] = Fate(Event.KILLED, now, now)
        self._processes[worker.node].kill()

    def replace(self, worker: Worker) -> None:
        """Let a node come to its end, and another one take its place."""
        now = time.monotonic()
        self.fates[worker.node] = Fate(Event.RETIRED, now, has_left=True)
        self._processes[worker.node].terminate()

    async def stop_for(self, worker: Worker, seconds: float) -> None:
        """Stop a node for a while."""
        process = self._processes[worker.node]
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def stalling(self, worker: Worker, what: str) -> Iterator[None]:
        """Note that a node does not answer the others meanwhile, for long."""
        stall = Stall(worker.node, what, time.monotonic() + _NOT_GIVEN_UP)
        self.stalls.append(stall)
        yield
        stall.until = time.monotonic()

    async def swallow_links(self, worker: Worker, seconds: float) -> None:
        """Let nothing pass for a while that goes between the others and a node."""
        await _swallow([self._links[worker.slot]], seconds)

    async def cut_off(self, worker: Worker, seconds: float) -> None:
        """Let nothing pass for a while between a node and Redis."""
        await _swallow([self._ways[worker.slot]], seconds)

    async def isolate(self, worker: Worker, seconds: float) -> None:
        """Do both."""
        await _swallow([self._links[worker.slot], self._ways[worker.slot]], seconds)

    async def swallow_redis(self, seconds: float) -> None:
        """Let nothing pass for a while between Redis and all nodes."""
        await _swallow(self._ways, seconds)

    # --- what there is of it ----------------------------------------------------------

    def proxy_log(self) -> ProxyLog:
        """Read what the proxy has passed on; WebSockets are over by now."""
        with self._proxy_log.open(errors="replace") as lines:
            return ProxyLog(lines)

    def descriptors(self) -> dict[str, int]:
        """Count the open descriptors of each slot's node."""
        return {
            f"slot {each.slot}": len(os.listdir(f"/proc/{each.pid}/fd"))
            for each in self.living()
        }

    async def end(self) -> list[str]:
        """Stop it; list what is wrong with how it ended, and what it leaves."""
        self._is_ending = True
        for worker in self.living():
            self.replace(worker)
        await asyncio.wait_for(asyncio.gather(*self._watches), _DEADLINE)
        problems = self._problems
        problems += self._keys_left()
        for name in self._processes:
            log = self._log(name).read_text(errors="replace")
            for word in ("Traceback", "Unhandled"):
                if word in log:
                    at = log.index(word)
                    problems.append(name + log[max(0, at - 500) : at + 2500])
        return problems

    def _keys_left(self) -> list[str]:
        """List the nodes that have left, and are still members."""
        with self.redis.client() as client:
            keys = [each.decode() for each in client.scan_iter("*:member:*")]
        left = [key.rpartition(":")[2] for key in keys]
        return [
            f"{name} has left, and is a member"
            for name in left
            if self.fates[name].event is Event.RETIRED
        ]

    def destroy(self) -> None:
        """End whatever is left of it, at once."""
        self._is_ending = True
        for process in (*self._processes.values(), self._proxy):
            if process.returncode is None:
                process.kill()
        self._stack.close()


def server_of(node: str) -> str:
    """Return what a node is called in the proxy's configuration."""
    return f"s{node[1:].partition('x')[0]}"


async def _swallow(relays: Iterable[Relay], seconds: float) -> None:
    for each in relays:
        each.swallow()
    await asyncio.sleep(seconds)
    for each in relays:
        each.pass_on()
