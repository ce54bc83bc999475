"""Clients of others at three nodes of one machine, behind proxies that know nothing.

Each proxy takes the nodes in turn, without looking at cookies, addresses or ids: nearly
every request comes to a node that has not its session.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import Launch
from tests.interop.round_robin import (
    ENGINE,
    PROXIES,
    check,
    nodes_that_echo,
    running_in_front,
)
from tests.interop.servers import (
    HERE,
    PYTHON_CLIENT,
    ServerProcess,
    running_server,
)
from tests.interop.test_proxies import (
    DEADLINE,
    POLLING,
    Proxy,
    open_session,
    request,
)

pytestmark = pytest.mark.socket

NODES = 3


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    directory = tmp_path_factory.mktemp("nodes")
    directory.chmod(0o700)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running_server(
                    Launch(
                        engine={**ENGINE, "node_name": f"n{number}"},
                        nodes=str(directory),
                    )
                )
            )
            for number in range(NODES)
        ]
    assert list(directory.iterdir()) == []


@pytest.fixture(scope="module", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest,
    require_program: RequireProgram,
    nodes: list[ServerProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    servers = [node.port or 0 for node in nodes]
    folder = tmp_path_factory.mktemp("proxy")
    with running_in_front(request.param, require_program, servers, folder) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client(node: str, proxy: Proxy, mode: str) -> None:
    check(proxy, [node, HERE / "node" / "session.mjs"], mode)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(proxy: Proxy, mode: str) -> None:
    check(proxy, [*PYTHON_CLIENT], mode, client="asyncio", connection={})


def test_many_clients_get_their_own_and_nothing_else(
    proxy: Proxy, nodes: list[ServerProcess], tmp_path: Path
) -> None:
    # Not by the proxy: a connection that has moved stays there, and so do sessions that
    # it opens. Where proxies keep connections, all may be on one node in the end.
    places = [Proxy(node.port or 0, "none", tmp_path) for node in nodes]
    assert set(nodes_that_echo(proxy, places)) == {"n0", "n1", "n2"}


def test_sessions_of_a_killed_node_are_refused_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    launches = [
        Launch(engine={"node_name": name}, nodes=str(tmp_path)) for name in "ab"
    ]
    killed = ServerProcess(launches[1])
    with running_server(launches[0]) as living:
        ours = Proxy(living.port or 0, "none", tmp_path)
        try:
            killed.start()
            theirs = Proxy(killed.port or 0, "none", tmp_path)
            session, _ = open_session(theirs)
            own, _ = open_session(ours)
            assert request(ours, session, body="4hello").body == "ok"
            assert request(ours, session).body == "4hello"
            with ThreadPoolExecutor(1) as pool:
                parked = pool.submit(request, ours, session)
                killed.kill()
                # It had been given away, and goes with its node; or comes too late.
                # Nothing else would end it for minutes.
                problem = parked.exception(DEADLINE)
                if problem is None:
                    assert parked.result().status == 400
                else:
                    assert isinstance(problem, ConnectionError)
        finally:
            killed.close()
        refused = request(ours, session)
        assert (refused.status, json.loads(refused.body)["code"]) == (400, 1)
        assert request(ours, own, body="4hello").body == "ok"
        assert request(ours, own).body == "4hello"
        assert request(ours, POLLING).status == 200
        # The next node may have its name.
        with running_server(launches[1]) as again:
            session, _ = open_session(Proxy(again.port or 0, "none", tmp_path))
            assert request(ours, session, body="4hello").body == "ok"
