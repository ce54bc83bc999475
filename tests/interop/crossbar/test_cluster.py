"""Nodes of a cluster that find each other by a real Crossbar.io router."""

from __future__ import annotations

import json
import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.protocols.portforward import ProxyFactory

from tests.cluster.broker.recorder import Recorder
from tests.cluster.clients import CLOCK
from tests.interop.certificates import make_certificates
from tests.interop.crossbar.node import Configuration, CrossbarNode
from tests.interop.launch import LOOPBACK
from tests.interop.test_cluster import APP, at, end, is_unknown
from tests.interop.test_proxies import open_session, request
from tests.supervised import until
from tests.test_plugin import PROJECT, Running, error_of
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member, MembershipState
from txengineio.cluster.wamp.maker import make_membership
from txengineio.errors import JoinFailed

# A router takes some seconds to start, and it does twice.
pytestmark = [pytest.mark.socket, pytest.mark.timeout(480)]

PATIENT = ("--ping-timeout", "300")
"""So that no client of a test is too slow."""


@pytest.fixture
def router(tmp_path: Path, port: int) -> Iterator[CrossbarNode]:
    router = CrossbarNode(tmp_path / "node", port)
    router.start()
    yield router
    if not router.has_ended():
        router.stop()


class Nodes:
    """What starts nodes; they end with the test."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self._secret = folder / "secret"
        self._secret.write_text(secrets.token_hex(32), "ascii")
        self._secret.chmod(0o600)

    def start(self, name: str) -> Running:
        node = Running(*APP, *PATIENT, "--metrics", *self._flags(name, self._url))
        self._stack.callback(end, node)
        return node

    def fails_to_start(self, name: str, url: str) -> str:
        """Return the one line of a node that cannot join."""
        return error_of("--port", "0", *self._flags(name, url))

    def _flags(self, name: str, url: str) -> list[str]:
        return [
            *("--cluster", url, "--node-name", name),
            *("--cluster-listen", f"tcp:0:interface={LOOPBACK}"),
            *("--cluster-secret-file", str(self._secret)),
        ]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def knows(node: Running, count: int) -> bool:
    """Whether a node knows so many nodes, itself included."""
    lines = request(at(node), "/metrics").body.splitlines()
    found = [each for each in lines if each.startswith("engineio_cluster_nodes{")]
    return [float(each.rpartition(" ")[2]) for each in found] == [count]


def says(node: Running, state: str) -> bool:
    return f"cluster: {state}\n" in request(at(node), "/healthz").body


def answers_by(session: str, nodes: list[Running]) -> None:
    """Send messages to a session by each node, and get the answers by the next one."""
    for number, node in enumerate(nodes * 2):
        other = nodes[(number + 1) % len(nodes)]
        assert request(at(node), session, body=f"4{number}").body == "ok"
        assert request(at(other), session).body == f"4{number}"


def broadcast(by: Running, session: str, sessions: list[str]) -> None:
    """Let an application send something to all sessions, which get it at any node."""
    assert request(at(by), session, body="4!broadcast 1").body == "ok"
    assert [request(at(by), each).body for each in sessions] == ["4b0"] * len(sessions)


def test_nodes_are_one_server_and_outlive_the_router(
    router: CrossbarNode, tmp_path: Path, stack: ExitStack
) -> None:
    start = Nodes(tmp_path, f"wamp:{router.router}@realm1", stack).start
    nodes = [start("n0"), start("n1"), start("n2")]
    until(lambda: all(knows(each, 3) for each in nodes), str)
    sessions = [open_session(at(node))[0] for node in nodes]
    for session in sessions:
        answers_by(session, nodes)
    broadcast(nodes[0], sessions[0], sessions)

    # The router ends: requests go on, no session ends, new ones open.
    router.stop()
    until(lambda: all(says(each, "degraded") for each in nodes), str)
    sessions.append(open_session(at(nodes[1]))[0])
    for session in sessions:
        answers_by(session, nodes)

    # When it is back, all is as before.
    router.start()
    until(lambda: all(says(each, "ok") for each in nodes), str)
    assert [knows(each, 3) for each in nodes] == [True] * 3
    broadcast(nodes[1], sessions[1], sessions)

    # One that is killed is gone, and nobody else is.
    nodes[2].process.kill()
    until(lambda: all(knows(each, 2) for each in nodes[:2]), str)
    for node in nodes[:2]:
        assert is_unknown(request(at(node), sessions[2], body="4lost"))
    del sessions[2]
    for session in sessions:
        answers_by(session, nodes[:2])

    # Its name is free; the next one knows all others.
    nodes[2] = start("n2")
    assert knows(nodes[2], 3)
    sessions.append(open_session(at(nodes[2]))[0])
    answers_by(sessions[-1], nodes)
    for node in nodes:
        assert "Traceback" not in node.output


def as_documented(worker: Configuration) -> None:
    """Let nodes have their own role, and their own way to the router, with pings."""
    page = (PROJECT / "docs" / "wamp.md").read_text("utf-8")
    (block,) = re.findall(r"^```json\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    documented = json.loads(block)
    worker["realms"][0]["roles"] += documented["realms"][0]["roles"]
    way = dict(documented["transports"][0])
    del way["endpoint"]
    worker["transports"][0]["paths"]["nodes"] = way
    # Others may do what they like, except for what nodes do.
    anybody = worker["realms"][0]["roles"][0]["permissions"]
    nothing = dict.fromkeys(("call", "register", "publish", "subscribe"), False)
    for uri in ("io.txengineio.", "wamp."):
        anybody.append({"uri": uri, "match": "prefix", "allow": nothing})


def test_nodes_with_rights_of_their_own_at_a_router_that_pings(
    tmp_path: Path, port: int, stack: ExitStack
) -> None:
    router = CrossbarNode(tmp_path / "node", port, as_documented)
    router.start()
    stack.callback(router.stop)
    where = f"{LOOPBACK}:{port}"
    url = f"wamp:ws://chat:a%20long%20password@{where}/nodes@realm1"
    nodes = Nodes(tmp_path, url, stack)
    living, hangs = nodes.start("n0"), nodes.start("n1")
    until(lambda: knows(living, 2) and knows(hangs, 2), str)
    session, _ = open_session(at(hangs))
    answers_by(session, [living, hangs])

    # One that hangs is gone, and the router frees its name.
    hangs.process.send_signal(signal.SIGSTOP)
    until(lambda: knows(living, 1), lambda: living.output)
    second = nodes.start("n1")
    assert knows(second, 2)
    # When it goes on, it is no member, and says so to balancers.
    hangs.process.send_signal(signal.SIGCONT)
    until(lambda: says(hangs, "joining"), str)
    assert request(at(hangs), "/healthz").status == 503
    assert knows(living, 2)
    assert is_unknown(request(at(living), session, body="4lost"))

    # Who may not do that, is told which right is missing, or that it is nobody.
    denied = nodes.fails_to_start("n2", f"wamp:{router.router}@realm1")
    assert "the router does not let this node subscribe to wamp.registration" in denied
    wrong = nodes.fails_to_start("n2", url.replace("long", "wr0ng"))
    problem = f"the router at ws://{where}/nodes@realm1 cannot be used: no session in"
    assert problem in wrong
    assert "wr0ng" not in wrong
    nowhere = nodes.fails_to_start("n2", url.replace("realm1", "realm2"))
    assert "cannot be used: no session in the realm realm2" in nowhere
    for each in (living, hangs, second):
        assert "Traceback" not in each.output


@pytest_twisted.ensureDeferred
async def test_a_router_by_tls_and_one_that_is_none(
    router: CrossbarNode, tmp_path: Path
) -> None:
    files = make_certificates(tmp_path)
    tls = DefaultOpenSSLContextFactory(files.server_key, files.server)
    front = CLOCK.listenSSL(
        0, ProxyFactory(LOOPBACK, router.port), tls, interface=LOOPBACK
    )
    address = f"localhost:{front.getHost().port}"
    try:
        for path, trust, problem in [
            ("ws", f"?ca={files.authority}", None),
            ("ws", "", "certificate verify failed"),
            ("none", f"?ca={files.authority}", "nobody answers as a router of WAMP"),
        ]:
            url = f"wamp:wss://{address}/{path}@realm1{trust}"
            membership = make_membership(url, "chat", b"secret", CLOCK)
            joined = membership.join(Member("n0", "h:1", Load("n0")), Recorder())
            if problem is None:
                await joined
                assert membership.state is MembershipState.OK
            else:
                with pytest.raises(JoinFailed, match=problem):
                    await joined
            await membership.leave()
    finally:
        await front.stopListening()
