"""Clients of others at ``twistd engineio --cluster``: three machines, one with workers.

Proxies take them in turn, and look neither at cookies nor at addresses nor at ids. A
process that is killed or hangs stands for a machine.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server

import pytest

from tests.conftest import RequireProgram
from tests.interop.certificates import make_certificates
from tests.interop.launch import LOOPBACK
from tests.interop.redis_server import RedisServer, require_redis
from tests.interop.round_robin import (
    ENGINE,
    PROXIES,
    check,
    nodes_that_echo,
    running_in_front,
)
from tests.interop.servers import HERE, PYTHON_CLIENT
from tests.interop.test_proxies import Answer, Proxy, open_session, request
from tests.supervised import Workers, until
from tests.test_plugin import Running, error_of

pytestmark = pytest.mark.socket

FRONTS = ["haproxy always", "haproxy never", "nginx keepalive"]
assert set(FRONTS) <= set(PROXIES)
LISTEN = f"tcp:0:interface={LOOPBACK}"
APP = ("--app", "tests.interop.twistd_app:APPLICATION")
AT_ONCE = 8.0
"""Seconds, as a busy machine may need some. Who waited until the key of a node has gone
from Redis would wait for 11 or more."""


class Machines:
    """What starts machines of one cluster; they end with the ``with`` block."""

    def __init__(self, redis: RedisServer, folder: Path, stack: ExitStack) -> None:
        self.redis = redis
        self._secret = folder / "secret"
        self._secret.write_text(secrets.token_hex(32), "ascii")
        self._secret.chmod(0o600)
        self._stack = stack

    def start(self, name: str, *more: str) -> Running:
        machine = Running(*self._flags(name), *more)
        self._stack.callback(end, machine)
        return machine

    def start_workers(self, name: str, listen: str = LISTEN) -> Workers:
        """Start one with three workers."""
        machine = Workers(*self._flags(name, listen))
        self._stack.callback(end, machine)
        return machine

    def fails_to_start(self, name: str, listen: str = LISTEN) -> str:
        """Return what it says, all of it one line."""
        return error_of("--listen", listen, *self._flags(name))

    def _flags(self, name: str, listen: str = LISTEN) -> list[str]:
        return [
            *("--cluster", self.redis.url, "--node-name", name),
            *("--cluster-listen", listen),
            *("--cluster-secret-file", str(self._secret)),
        ]


def end(machine: Running) -> None:
    if machine.process.poll() is None:
        machine.process.send_signal(signal.SIGCONT)
        machine.process.kill()
        machine.process.wait()
    assert machine.process.stdout is not None
    machine.process.stdout.close()


@contextmanager
def machines(require_program: RequireProgram, folder: Path) -> Iterator[Machines]:
    program = require_redis(require_program)
    with ExitStack() as stack, RedisServer(program, folder) as redis:
        yield Machines(redis, folder, stack)


def at(machine: Running) -> Proxy:
    return Proxy(machine.port, "directly", Path())


def is_unknown(answer: Answer) -> bool:
    return answer.status == 400 and json.loads(answer.body)["code"] == 1


def engine_flags() -> Iterator[str]:
    for name, value in ENGINE.items():
        yield f"--{name.replace('_', '-')}"
        yield str(value)


@pytest.fixture(scope="module")
def three(
    require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Running]]:
    folder = tmp_path_factory.mktemp("cluster")
    flags = [*APP, "--metrics", *engine_flags()]
    with machines(require_program, folder) as cluster:
        started = [
            cluster.start("n0", *flags),
            cluster.start("n1", *flags),
            cluster.start("m", "--workers", "2", *flags),
        ]
        for each in started:
            wait_until_whole(each)
        yield started
        for each in started:
            each.stop(signal.SIGTERM)
            assert "Traceback" not in each.output


def wait_until_whole(machine: Running) -> None:
    """Wait until a node of a machine knows all four nodes, as its metrics say."""
    whole = 'engineio_cluster_nodes{worker="'

    def is_whole() -> bool:
        lines = request(at(machine), "/metrics").body.splitlines()
        found = [line for line in lines if line.startswith(whole)]
        return bool(found) and all(line.endswith(" 4.0") for line in found)

    until(is_whole, lambda: machine.output)


@pytest.fixture(scope="module", params=FRONTS)
def front(
    request: pytest.FixtureRequest,
    require_program: RequireProgram,
    three: list[Running],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    servers = [each.port for each in three]
    folder = tmp_path_factory.mktemp("front")
    with running_in_front(request.param, require_program, servers, folder) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client(node: str, front: Proxy, mode: str) -> None:
    check(front, [node, HERE / "node" / "session.mjs"], mode)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(front: Proxy, mode: str) -> None:
    check(front, [*PYTHON_CLIENT], mode, client="asyncio", connection={})


def test_many_clients_get_their_own_and_nothing_else(front: Proxy) -> None:
    nodes = set(nodes_that_echo(front))
    assert {"n0", "n1"} < nodes
    assert {name[:2] for name in nodes} == {"n0", "n1", "mw"}


def parked_poll(pool: ThreadPoolExecutor, at: Proxy, session: str) -> Future[Answer]:
    poll = pool.submit(request, at, session)
    # It has to get there; nothing tells when.
    time.sleep(0.5)
    assert not poll.done()
    return poll


def test_a_killed_node_is_gone_at_once_and_may_come_back(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        living, killed = cluster.start("n0"), cluster.start("n1")
        ours, theirs = at(living), at(killed)
        own, _ = open_session(ours)
        session, _ = open_session(theirs)
        assert request(ours, session, body="4hello").body == "ok"
        assert request(ours, session).body == "4hello"
        with ThreadPoolExecutor(1) as pool:
            poll = parked_poll(pool, ours, session)
            began = time.monotonic()
            killed.process.kill()
            assert is_unknown(poll.result(20))
            assert is_unknown(request(ours, session, body="4lost"))
            assert time.monotonic() - began < AT_ONCE
        assert is_unknown(request(ours, session))
        assert request(ours, own, body="4hello").body == "ok"
        assert request(ours, own).body == "4hello"
        # Its name is free when its key has gone; the new process waits for that.
        again = at(cluster.start("n1"))
        session, _ = open_session(again)
        assert request(ours, session, body="4hello").body == "ok"
        assert request(ours, session).body == "4hello"


def test_a_node_that_hangs_is_gone_for_a_while(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        living, hangs = cluster.start("n0"), cluster.start("n1", "--ping-timeout", "60")
        ours = at(living)
        session, other = (open_session(at(hangs))[0] for _ in range(2))
        assert request(ours, session, body="4hello").body == "ok"
        assert request(ours, session).body == "4hello"
        with ThreadPoolExecutor(1) as pool:
            poll = parked_poll(pool, ours, other)
            hangs.process.send_signal(signal.SIGSTOP)
            # The kernel still takes connections for it; its key tells.
            assert is_unknown(poll.result(30))
        began = time.monotonic()
        assert is_unknown(request(ours, session, body="4lost"))
        assert time.monotonic() - began < AT_ONCE
        hangs.process.send_signal(signal.SIGCONT)
        until(lambda: not is_unknown(request(ours, session, body="4hello")), str)
        assert request(ours, session).body == "4hello"
        # To its node, that client has hung up.
        assert is_unknown(request(ours, other))


def test_workers_are_killed_and_replaced_behind_one_address(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        far, machine = cluster.start("n0"), cluster.start_workers("m")
        ours = at(far)

        def says(session: str) -> str | None:
            posted = request(ours, session, body="4hello")
            if is_unknown(posted):
                return None
            assert posted.body == "ok"
            return request(ours, session).body

        sessions = [machine.open_on(slot) for slot in range(3)]
        assert [says(each) for each in sessions] == ["4hello"] * 3
        os.kill(machine.pid_of(0), signal.SIGKILL)
        began = time.monotonic()
        until(lambda: says(sessions[0]) is None, machine.read)
        # Until another worker accepts for it.
        assert time.monotonic() - began < AT_ONCE
        assert [says(each) for each in sessions[1:]] == ["4hello"] * 2
        machine.logs("is ready", times=4)
        sessions[0] = machine.open_on(0)
        until(lambda: says(sessions[0]) == "4hello", machine.read)
        machine.process.send_signal(signal.SIGHUP)
        machine.logs("All workers are replaced")
        assert [says(each) for each in sessions] == [None] * 3
        sessions = [machine.open_on(slot) for slot in range(3)]
        until(lambda: [*map(says, sessions)] == ["4hello"] * 3, machine.read)
        assert "Traceback" not in machine.stopped()


def test_polls_that_come_through_a_worker_which_leaves_do_not_end(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    """By TLS between the machines, so that workers cannot give them to each other."""
    files = make_certificates(tmp_path)
    pair = f"privateKey={files.self_signed_key}:certKey={files.self_signed}"
    listen = f"ssl:0:{pair}:interface={LOOPBACK}"
    with machines(require_program, tmp_path) as cluster:
        far, machine = cluster.start("n0"), cluster.start_workers("m", listen)
        sessions = [machine.open_on(slot) for slot in range(3)]
        with ThreadPoolExecutor(3) as pool:
            polls = [parked_poll(pool, at(far), session) for session in sessions]
            os.kill(machine.pid_of(0), signal.SIGTERM)
            answers = [poll.result(60).body for poll in polls]
        # Its own session gets the goodbye, and the others a reason to poll again.
        assert answers == ["1", "6", "6"]
        for session in sessions[1:]:
            assert request(at(far), session, body="4hello").body == "ok"
            assert request(at(far), session).body == "4hello"
        assert "Traceback" not in machine.stopped()


def test_requests_go_on_while_redis_is_away(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        one, two = cluster.start("n0"), cluster.start("n1")
        session, _ = open_session(at(two))
        cluster.redis.kill()

        def says(state: str) -> bool:
            return f"cluster: {state}\n" in request(at(one), "/healthz").body

        until(lambda: says("degraded"), lambda: one.output)
        for number in range(20):
            assert request(at(one), session, body=f"4{number}").body == "ok"
            assert request(at(one), session).body == f"4{number}"
        assert request(at(one), "/healthz").status == 200
        cluster.redis.start()
        until(lambda: says("ok"), lambda: one.output)


def test_who_cannot_listen_for_clients_ends_and_leaves(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        with create_server((LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
            said = cluster.fails_to_start("n0", f"tcp:{port}:interface={LOOPBACK}")
        assert said.endswith("Address already in use")
        with cluster.redis.client() as client:
            assert client.keys("*:member:*") == []


def test_a_node_serves_when_it_has_joined(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    with machines(require_program, tmp_path) as cluster:
        cluster.start("n0")
        said = cluster.fails_to_start("n0")
        assert "another node of the cluster has the name n0" in said
        cluster.redis.kill()
        assert f"Redis at {cluster.redis.url} cannot" in cluster.fails_to_start("n1")


def test_sessions_end_in_order_when_a_machine_is_stopped(
    require_program: RequireProgram, tmp_path: Path
) -> None:
    """A poll at another node gets the goodbye, and then the session is unknown."""
    with machines(require_program, tmp_path) as cluster:
        living, leaving = cluster.start("n0"), cluster.start("n1")
        session, _ = open_session(at(leaving))
        with ThreadPoolExecutor(1) as pool:
            poll = parked_poll(pool, at(living), session)
            status, _ = leaving.stop(signal.SIGTERM)
            assert poll.result(20).body == "1"
        assert status in (0, -signal.SIGTERM)
        assert is_unknown(request(at(living), session))
