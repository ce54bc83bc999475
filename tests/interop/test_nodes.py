"""Clients of others at three nodes of one machine, behind proxies that know nothing.

Each proxy takes the nodes in turn, without looking at cookies, addresses or ids: nearly
every request comes to a node that has not its session.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK, Launch
from tests.interop.messages import ECHOES, LARGE, LARGE_LIMIT, digest
from tests.interop.servers import (
    HERE,
    PYTHON_CLIENT,
    ServerProcess,
    run_client,
    running_server,
)
from tests.interop.test_proxies import (
    DEADLINE,
    POLLING,
    Proxy,
    command,
    free_port,
    open_session,
    request,
    wait_until_it_listens,
)

pytestmark = pytest.mark.socket

# Those that ask in a second session how the first one ended do not fit: it may be on
# another node.
SCENARIOS = ["opening", "echoes", "ordered", "large"]
NODES = 3
ENGINE = {"ping_interval": 300.0, "max_http_buffer_size": LARGE_LIMIT}


def haproxy(port: int, servers: list[int], folder: Path, reuse: str) -> str:
    lines = [f"    server s{each} {LOOPBACK}:{each}" for each in servers]
    return "\n".join(
        [
            "defaults",
            "    mode http",
            "    timeout connect 5s",
            "    timeout client 60s",
            "    timeout server 60s",
            "    timeout tunnel 60s",
            "frontend web",
            f"    bind {LOOPBACK}:{port}",
            "    default_backend nodes",
            "backend nodes",
            "    balance roundrobin",
            f"    http-reuse {reuse}",
            *lines,
            "",
        ]
    )


def nginx(port: int, servers: list[int], folder: Path, keep: str) -> str:
    temporary = "\n".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    lines = "\n".join(f"server {LOOPBACK}:{each};" for each in servers)
    return f"""
        events {{ worker_connections 1024; }}
        http {{
            {temporary}
            access_log off;
            upstream nodes {{ {lines} {keep} }}
            map $http_upgrade $upgrade {{ default upgrade; '' ''; }}
            server {{
                listen {LOOPBACK}:{port};
                location / {{
                    proxy_pass http://nodes;
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $upgrade;
                    proxy_next_upstream off;
                    proxy_read_timeout 60s;
                    client_max_body_size 2m;
                }}
            }}
        }}
    """


Configuration = Callable[[int, list[int], Path, str], str]
PROXIES: dict[str, tuple[str, Configuration, str]] = {
    "haproxy never": ("haproxy", haproxy, "never"),
    "haproxy safe": ("haproxy", haproxy, "safe"),
    "haproxy always": ("haproxy", haproxy, "always"),
    "nginx": ("nginx", nginx, ""),
    "nginx keepalive": ("nginx", nginx, "keepalive 16;"),
}


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
    name, configuration, detail = PROXIES[request.param]
    program = require_program(name, f"the Debian package {name}")
    folder = tmp_path_factory.mktemp("proxy")
    port = free_port()
    path = folder / "configuration"
    servers = [node.port or 0 for node in nodes]
    path.write_text(configuration(port, servers, folder, detail), "utf-8")
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command(name, program, path), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        wait_until_it_listens(process, port, output)
        yield Proxy(port, name, output)
    finally:
        process.terminate()
        process.wait(DEADLINE)


def check(proxy: Proxy, program: list[str | Path], mode: str, **details: Any) -> None:
    results = run_client(
        program,
        url=f"http://{LOOPBACK}:{proxy.port}",
        mode=mode,
        names=SCENARIOS,
        echoes=ECHOES,
        **details,
    )
    ends_on = "polling" if mode in ("polling", "keepalive") else "websocket"
    assert results["opening"]["transport"] == ends_on
    assert results["opening"]["trouble"] == []
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["ordered"]["trouble"] == []
    assert results["large"]["text"] == digest("€" * (LARGE // 3))
    assert results["large"]["text_from_server"] == digest("0123456789" * (LARGE // 10))


@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client(node: str, proxy: Proxy, mode: str) -> None:
    check(proxy, [node, HERE / "node" / "session.mjs"], mode)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(proxy: Proxy, mode: str) -> None:
    check(proxy, [*PYTHON_CLIENT], mode, client="asyncio", connection={})


def test_many_clients_get_their_own_and_nothing_else(proxy: Proxy) -> None:
    def echoes(name: str) -> str:
        session, _ = open_session(proxy)
        for number in range(20):
            said = f"4{name} {number}"
            assert request(proxy, session, body=said).body == "ok"
            answer = request(proxy, session)
            assert (answer.status, answer.body) == (200, said)
        return session.rpartition("sid=")[2].partition("-")[0]

    with ThreadPoolExecutor(16) as pool:
        nodes = list(pool.map(echoes, (f"client{number}" for number in range(32))))
    # A connection that has moved stays there, and so do sessions that it opens: where
    # proxies keep connections, they are not spread evenly.
    assert len(set(nodes)) > 1


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
                began = time.monotonic()
                # It had been given away, and goes with its node; or comes too late.
                problem = parked.exception(DEADLINE)
                if problem is None:
                    assert parked.result().status == 400
                else:
                    assert isinstance(problem, ConnectionError)
                assert time.monotonic() - began < 1
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
