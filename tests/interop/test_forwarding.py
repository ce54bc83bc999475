"""Clients of others at three nodes whose connections cannot be moved.

The nodes do TLS by themselves, or serve their engines in a site of somebody else. A
proxy spreads the connections without looking at what goes over them.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import RequireProgram
from tests.interop.certificates import Certificates, make_certificates
from tests.interop.launch import LOOPBACK, TLS, Launch
from tests.interop.messages import ECHOES, LARGE, LARGE_LIMIT, digest
from tests.interop.servers import (
    HERE,
    PYTHON_CLIENT,
    ServerProcess,
    run_client,
    running_server,
)
from tests.interop.test_proxies import DEADLINE, POLLING, command, serving
from tests.ports import reserved_port

pytestmark = pytest.mark.socket

# As in `test_nodes`.
SCENARIOS = ["opening", "echoes", "ordered", "large"]
NODES = 3
ENGINE = {"ping_interval": 300.0, "max_http_buffer_size": LARGE_LIMIT}

OWN: dict[str, dict[str, Any]] = {"own": {}}
"""What connections can be moved from."""

KINDS: dict[str, dict[str, Any]] = {
    "tls": {"tls": True},
    "stranger": {"static": {}},
    "stranger tls": {"tls": True, "static": {}},
}


class TwoNodes(NamedTuple):
    """Two nodes: clients come to one of them, and sessions are at the other one."""

    front: Front
    owner: ServerProcess

    def pid(self) -> int:
        """The process of the other one."""
        process = self.owner._process
        assert process is not None
        return process.pid


@dataclass(frozen=True, slots=True)
class Front:
    """What clients connect to.

    Attributes:
        port: Where it listens.
        authority: The file of the authority that vouches for it; None without TLS.
        nodes: The nodes behind it.
    """

    port: int
    authority: str | None
    nodes: list[ServerProcess]

    @property
    def url(self) -> str:
        scheme = "http" if self.authority is None else "https"
        return f"{scheme}://{LOOPBACK}:{self.port}"

    @property
    def connection(self) -> dict[str, str]:
        """What clients are to be told."""
        return {} if self.authority is None else {"ca": self.authority}

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        port = port or self.port
        if self.authority is None:
            return http.client.HTTPConnection(LOOPBACK, port, timeout=DEADLINE)
        context = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection(
            LOOPBACK, port, timeout=DEADLINE, context=context
        )

    def request(
        self, target: str, body: str | None = None, port: int | None = None
    ) -> tuple[int, str]:
        """Make a request on a connection of its own."""
        with closing(self.connect(port)) as connection:
            return ask(connection, target, body)

    def open_session(self, port: int | None = None) -> str:
        status, body = self.request(POLLING, port=port)
        assert status == 200, body
        return f"{POLLING}&sid={json.loads(body[1:])['sid']}"


def ask(
    connection: http.client.HTTPConnection, target: str, body: str | None = None
) -> tuple[int, str]:
    connection.request("GET" if body is None else "POST", target, body)
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def launch_of(
    kind: str, certificates: Certificates, directory: Path, name: str
) -> Launch:
    details = dict((OWN | KINDS)[kind])
    if details.pop("tls", False):
        details["tls"] = TLS(
            key=certificates.server_key, certificate=certificates.server
        )
    return Launch(engine={**ENGINE, "node_name": name}, nodes=str(directory), **details)


def haproxy(port: int, servers: list[int]) -> str:
    lines = [f"    server s{each} {LOOPBACK}:{each}" for each in servers]
    return "\n".join(
        [
            "defaults",
            "    mode tcp",
            "    timeout connect 5s",
            "    timeout client 60s",
            "    timeout server 60s",
            "frontend web",
            f"    bind {LOOPBACK}:{port}",
            "    default_backend nodes",
            "backend nodes",
            "    balance roundrobin",
            *lines,
            "",
        ]
    )


@pytest.fixture(scope="module", params=KINDS)
def front(
    request: pytest.FixtureRequest,
    require_program: RequireProgram,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    program = require_program("haproxy", "the Debian package haproxy")
    directory = tmp_path_factory.mktemp("nodes")
    directory.chmod(0o700)
    folder = tmp_path_factory.mktemp("proxy")
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                running_server(
                    launch_of(request.param, certificates, directory, f"n{number}")
                )
            )
            for number in range(NODES)
        ]
        port = stack.enter_context(reserved_port())
        path = folder / "configuration"
        path.write_text(haproxy(port, [node.port or 0 for node in nodes]), "utf-8")
        proxy = command("haproxy", program, path)
        stack.enter_context(serving(proxy, port, folder / "output"))
        authority = None if nodes[0].launch.tls is None else certificates.authority
        yield Front(port, authority, nodes)
    assert list(directory.iterdir()) == []


def check(front: Front, program: list[str | Path], mode: str, **details: Any) -> None:
    results = run_client(
        program,
        url=front.url,
        mode=mode,
        names=SCENARIOS,
        echoes=ECHOES,
        connection=front.connection,
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
def test_javascript_client(node: str, front: Front, mode: str) -> None:
    check(front, [node, HERE / "node" / "session.mjs"], mode)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(front: Front, mode: str) -> None:
    check(front, [*PYTHON_CLIENT], mode, client="asyncio")


def test_many_clients_get_their_own_and_nothing_else(front: Front) -> None:
    def echoes(name: str) -> str:
        session = front.open_session()
        for number in range(10):
            said = f"4{name} {number}"
            assert front.request(session, said) == (200, "ok")
            assert front.request(session) == (200, said)
        return session.rpartition("sid=")[2].partition("-")[0]

    with ThreadPoolExecutor(16) as pool:
        nodes = set(pool.map(echoes, (f"client{number}" for number in range(32))))
    assert nodes == {"n0", "n1", "n2"}


def test_one_connection_may_have_sessions_everywhere(front: Front) -> None:
    ports = [node.port for node in front.nodes]
    sessions = [front.open_session(port) for port in ports]
    with closing(front.connect(ports[0])) as connection:
        for turn in range(20):
            for number, session in enumerate(sessions):
                said = f"4{number} {turn}"
                assert ask(connection, session, said) == (200, "ok")
                assert ask(connection, session) == (200, said)


def test_the_session_knows_its_client(front: Front) -> None:
    session = front.open_session(front.nodes[1].port)
    other = front.nodes[0].port
    assert front.request(session, "4!address", other) == (200, "ok")
    assert front.request(session, port=other) == (200, f"4{LOOPBACK}")


@contextmanager
def two_nodes(
    kind: str, certificates: Certificates, directory: Path
) -> Iterator[TwoNodes]:
    directory.chmod(0o700)
    launches = [launch_of(kind, certificates, directory, name) for name in "ab"]
    with running_server(launches[0]) as near, running_server(launches[1]) as far:
        authority = None if near.launch.tls is None else certificates.authority
        yield TwoNodes(Front(near.port or 0, authority, [near]), far)


every_kind = pytest.mark.parametrize("kind", [*OWN, *KINDS])


@every_kind
def test_requests_in_one_segment_are_answered_in_order(
    kind: str, certificates: Certificates, tmp_path: Path
) -> None:
    with two_nodes(kind, certificates, tmp_path) as (front, owner):
        sessions = [front.open_session(owner.port), front.open_session()]
        sent = expected = ""
        for turn in range(3):
            # A poll of each gets what was posted before it.
            for session in sessions:
                head = f"{session} HTTP/1.1\r\nHost: x\r\n"
                sent += f"POST {head}Content-Length: 2\r\n\r\n4{turn}GET {head}\r\n"
                expected += f"ok 4{turn} "
        received = ""
        with closing(front.connect()) as connection:
            connection.connect()
            connection.sock.sendall(sent.encode())
            with connection.sock.makefile("rb") as answers:
                for _ in expected.split():
                    assert answers.readline().startswith(b"HTTP/1.1 200")
                    headers = http.client.parse_headers(answers)
                    body = answers.read(int(headers["Content-Length"]))
                    received += f"{body.decode()} "
        assert received == expected


@every_kind
def test_a_node_without_descriptors_gives_no_answer_to_anybody_else(
    kind: str, certificates: Certificates, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")

    def echoes(name: str) -> str:
        try:
            for number in range(20):
                said = f"4{name} {number}"
                status, body = front.request(sessions[name], said)
                if status != 200:
                    # Of two things that mean that the session is lost for its client.
                    assert (status, json.loads(body)["code"]) == (400, 1)
                    return "refused"
                assert body == "ok"
                status, body = front.request(sessions[name])
                if status == 200:
                    # What a request has not got that was refused comes with the next.
                    said_so_far = [f"4{name} {each}" for each in range(number + 1)]
                    got = body.split("\x1e")
                    assert got == said_so_far[-len(got) :]
                else:
                    assert status in (400, 503)
        except (ConnectionError, http.client.HTTPException, ssl.SSLError):
            return "cut off"
        return "served"

    with two_nodes(kind, certificates, tmp_path) as nodes:
        front, owner = nodes
        names = [f"client{number}" for number in range(16)]
        sessions = {name: front.open_session(owner.port) for name in names}
        opened = len(list(Path(f"/proc/{nodes.pid()}/fd").iterdir()))
        before = resource.prlimit(nodes.pid(), resource.RLIMIT_NOFILE)
        few = opened + 4, before[1]
        resource.prlimit(nodes.pid(), resource.RLIMIT_NOFILE, few)
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(echoes, names))
        resource.prlimit(nodes.pid(), resource.RLIMIT_NOFILE, before)
        assert set(outcomes) <= {"served", "refused", "cut off"}
        # It goes on when there is room again.
        session = front.open_session(owner.port)
        assert front.request(session, "4hello") == (200, "ok")
        assert front.request(session) == (200, "4hello")


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_is_stopped_holds_up_its_own_clients_alone(
    kind: str, certificates: Certificates, tmp_path: Path
) -> None:
    with two_nodes(kind, certificates, tmp_path) as nodes:
        front, owner = nodes
        theirs = [front.open_session(owner.port) for _ in range(4)]
        own = front.open_session()
        os.kill(nodes.pid(), signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(4) as pool:
                posted = [
                    pool.submit(front.request, session, f"4{number}")
                    for number, session in enumerate(theirs)
                ]
                for turn in range(20):
                    assert front.request(own, f"4{turn}") == (200, "ok")
                    assert front.request(own) == (200, f"4{turn}")
                assert not any(each.done() for each in posted)
                os.kill(nodes.pid(), signal.SIGCONT)
                assert [each.result() for each in posted] == [(200, "ok")] * 4
        finally:
            os.kill(nodes.pid(), signal.SIGCONT)
        for number, session in enumerate(theirs):
            # Once.
            assert front.request(session) == (200, f"4{number}")
            assert front.request(session, "4!later") == (200, "ok")
            assert front.request(session) == (200, "4!later")


def test_a_node_that_is_killed_is_answered_for_at_once(
    certificates: Certificates, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    kind = "stranger tls"
    killed = ServerProcess(launch_of(kind, certificates, tmp_path, "b"))
    with running_server(launch_of(kind, certificates, tmp_path, "a")) as living:
        front = Front(living.port or 0, certificates.authority, [living])
        try:
            killed.start()
            session = front.open_session(killed.port)
            own = front.open_session()
            assert front.request(session, "4hello") == (200, "ok")
            assert front.request(session) == (200, "4hello")
            with ThreadPoolExecutor(1) as pool:
                parked = pool.submit(front.request, session)
                # Until it is parked: the next request on the node's way is answered.
                other = front.open_session(killed.port)
                assert front.request(other, "4hello") == (200, "ok")
                killed.kill()
                # Nothing else would end it for minutes.
                status, body = parked.result(DEADLINE)
                assert (status, json.loads(body)["code"]) == (400, 1)
        finally:
            killed.close()
        status, body = front.request(session)
        assert (status, json.loads(body)["code"]) == (400, 1)
        assert front.request(own, "4hello") == (200, "ok")
        assert front.request(own) == (200, "4hello")
