"""Two machines with two nodes each, in one process."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.cluster.clients import (
    CLOCK,
    DEADLINE,
    HOST,
    POLLING,
    Client,
    Named,
    with_clients,
)
from tests.cluster.machines.nodes import MemoryCluster
from tests.cluster.machines.test_machines import is_unknown, until
from tests.cluster.machines.town import MemoryMembership, Town
from tests.interop.certificates import make_certificates
from txengineio.cluster.interfaces import Load
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem
from txengineio.cluster.membership import Member
from txengineio.cluster.workers import Workers
from txengineio.server.engine import Engine
from txengineio.server.web.site import engine_site

pytestmark = pytest.mark.socket


class Worker:
    """A node among those of its machine, and those of others."""

    def __init__(
        self, machine: str, slot: int, folder: Path, town: Town, listen: str
    ) -> None:
        self.name = f"{machine}w{slot}a"
        self.engine = Engine(Named, reactor=CLOCK, node_name=self.name)
        self.site = engine_site(self.engine, reactor=CLOCK)
        self.near = Workers(
            self.engine, folder / machine, CLOCK, str(slot), machine=f"{machine}w"
        )
        self.near.serve(self.site)
        self.cluster = MemoryCluster(town, listen)
        self.cluster.attach(self.engine, self.near)
        self.port = 0
        self._listener: Any = None

    @property
    def counts(self) -> Any:
        return self.near.counts

    async def start(self) -> None:
        self.near.start()
        await self.engine.join()
        self._listener = CLOCK.listenTCP(0, self.site, interface=HOST)
        self.port = self._listener.getHost().port

    async def stop(self) -> None:
        await self._listener.stopListening()
        await self.engine.close()
        await self.engine.leave()
        self.near.stop()


def knows(engine: Engine, sessions: int) -> bool:
    return engine.cluster is not None and engine.cluster.sessions == sessions


@asynccontextmanager
async def machines(
    folder: Path, listen: str = f"tcp:0:interface={HOST}"
) -> AsyncIterator[list[Worker]]:
    """Two machines; all nodes of one are reached by the address of the first."""
    town = Town()
    made = [
        Worker(machine, slot, folder, town, listen)
        for machine in ("a", "b")
        for slot in range(2)
    ]
    for worker in made:
        (folder / worker.name[0]).mkdir(mode=0o700, exist_ok=True)
        await worker.start()
    for machine in (made[:2], made[2:]):
        _share_address(town, machine)
    try:
        yield made
    finally:
        for worker in made:
            await worker.stop()


def _share_address(town: Town, workers: list[Worker]) -> None:
    """Let a machine's nodes have one port, as under a supervisor."""
    first, second = (town.members[worker.name].member for worker in workers)
    moved = type(second)(second.name, first.address, second.load)
    town.members[second.name].member = moved
    for member in town.members.values():
        if member.member.name != second.name:
            member.listener.joined(moved)


@pytest.mark.parametrize("with_tls", [False, True])
@pytest_twisted.ensureDeferred
async def test_any_node_of_any_machine_answers(tmp_path: Path, with_tls: bool) -> None:
    listen = tls_of(tmp_path) if with_tls else f"tcp:0:interface={HOST}"

    def work(*clients: Any) -> None:
        sessions = [client.open() for client in clients]
        for number, session in enumerate(sessions):
            for client in clients:
                assert client.ask(session, "4hello") == (200, b"ok")
                said = f"4{'ab'[number // 2]}w{number % 2}a 5 'hello'".encode()
                assert client.ask(session) == (200, said)
                large = "x" * 300_000
                assert client.ask(session, f"4{large}") == (200, b"ok")
                assert client.ask(session)[0] == 200

    async with machines(tmp_path, listen) as workers:
        for worker in workers:
            # Newcomers have greeted those who were there.
            worker.counts.links.clear()
        await with_clients(workers, work)
        for machine in (workers[:2], workers[2:]):
            forwarded = [worker.counts.forwarded for worker in machine]
            # Those for the other node of the machine came with their connections.
            assert sum(each["answered"] for each in forwarded) == 16
            assert sum(sum(each.values()) for each in forwarded) == 16
            one, two = (worker.counts.links["accepted"] for worker in machine)
            # Those for the other one have come here, too.
            assert (one >= 2, two) == (True, 0)


def tls_of(folder: Path) -> str:
    files = make_certificates(folder)
    pair = f"privateKey={files.self_signed_key}:certKey={files.self_signed}"
    return f"ssl:0:{pair}:interface={HOST}"


@pytest.mark.parametrize("with_tls", [False, True])
@pytest_twisted.ensureDeferred
async def test_greetings_come_to_the_node_that_they_are_for(
    tmp_path: Path, with_tls: bool
) -> None:
    """Also if another one of its machine has taken the link."""
    listen = tls_of(tmp_path) if with_tls else f"tcp:0:interface={HOST}"
    async with machines(tmp_path, listen) as workers:
        newcomer = Member("cw0a", f"{HOST}:1", Load("cw0a", 3))
        first, *others = workers
        greets: Any = first.cluster._machines
        await greets._greetings.greet(newcomer)
        for each in others:
            peer = each.engine.cluster._nodes.peer("cw0a")  # type: ignore[union-attr]
            assert (peer.address, peer.load.sessions) == (f"{HOST}:1", 3)


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_ends_no_poll_of_anothers_session(
    tmp_path: Path,
) -> None:
    """Neither of one of its machine, nor of one elsewhere."""

    def poll(one: Client, _two: Client, *others: Client) -> list[bytes]:
        with ExitStack() as stack:
            answers = []
            for session in sessions:
                line = f"GET {session} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
                made = socket.create_connection((HOST, one.http.port), DEADLINE)
                opened = stack.enter_context(made)
                opened.settimeout(DEADLINE)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # In pieces, so that it cannot be moved.
                opened.sendall(line[:30])
                one.ask("/healthz")
                opened.sendall(line[30:])
                answers.append(opened)
            return [each.recv(4096) for each in answers]

    async with machines(tmp_path) as workers:
        leaving, near, far, _ = workers
        sessions = await with_clients(
            [near, far], lambda *clients: [client.open() for client in clients]
        )
        polling = Deferred.fromCoroutine(with_clients(workers, poll))
        owners = [near.engine, far.engine]
        await until(
            lambda: all(
                session.transport.writable
                for engine in owners
                for session in engine.sessions.values()
            )
        )
        await leaving.engine.leave()
        for answer in await polling:
            assert b"\r\nConnection: close\r\n" in answer
            assert answer.endswith(b"\r\n\r\n6")
        assert [len(engine.sessions) for engine in owners] == [1, 1]


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_ends_no_poll_that_comes_through_it(
    tmp_path: Path,
) -> None:
    """By a link of TLS, which it cannot give to the node of the session."""
    async with machines(tmp_path, tls_of(tmp_path)) as workers:
        asking, _, leaving, owner = workers
        (session,) = await with_clients([owner], lambda client: [client.open()])
        polling = with_clients([asking], lambda client: client.ask(session))
        polled = Deferred.fromCoroutine(polling)
        (found,) = owner.engine.sessions.values()
        await until(lambda: found.transport.writable)
        pipes = leaving.near._moves.pipes
        assert len(pipes) == 1
        await leaving.engine.leave()
        await leaving.near.flush()
        assert pipes == set()
        leaving.near.stop()
        assert await polled == (200, b"6")
        assert len(owner.engine.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_everybody_hears_everything_once(tmp_path: Path) -> None:
    async with machines(tmp_path) as workers:
        sessions = await with_clients(
            workers, lambda *clients: [client.open() for client in clients]
        )
        engine = workers[0].engine
        assert engine.cluster is not None
        await until(lambda: knows(engine, 4))
        assert engine.broadcast("all") == 1
        for session in sessions[1:]:
            assert await engine.send(session.partition("&sid=")[2], "you") is True
        said = await with_clients(
            workers,
            lambda *clients: [
                client.ask(session)
                for client, session in zip(clients, sessions, strict=True)
            ],
        )
        assert said == [(200, b"4all"), *[(200, b"4all\x1e4you")] * 3]
        assert engine.cluster.publish("news", b"x") == 3
        labels = {peer.worker: peer.is_near for peer in engine.cluster.peers()}
        assert labels == {"1": True, "bw0a": False, "bw1a": False}
        assert engine.cluster.worker == "0"
        asked = await engine.cluster.ask("unknown", near=True)
        assert list(asked) == ["aw1a"]
        assert len(await engine.cluster.ask("unknown")) == 3


@pytest_twisted.ensureDeferred
async def test_what_comes_after_its_sender_has_ended_is_heard_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Any] = []

    def publish(membership: MemoryMembership, kind: bytes, payload: bytes) -> bool:
        late.append((membership, kind, payload))
        return True

    async with machines(tmp_path) as workers:
        sessions = await with_clients(
            workers, lambda *clients: [client.open() for client in clients]
        )
        with monkeypatch.context() as patch:
            patch.setattr(MemoryMembership, "publish", publish)
            workers[1].engine.broadcast("once")
        near, far = workers[0].counts.told, workers[2].counts.told
        await until(lambda: near["received"])
        workers[1].near.stop()
        await until(lambda: not workers[0].near.has(workers[1].name))
        received = far["received"]
        for each in late:
            MemoryMembership.publish(*each)
        assert far["received"] == received + 1
        assert (
            await with_clients(
                [workers[0], workers[2]],
                lambda *clients: [
                    clients[0].ask(sessions[0]),
                    clients[1].ask(sessions[2]),
                ],
            )
            == [(200, b"4once")] * 2
        )


@pytest_twisted.ensureDeferred
async def test_a_node_that_has_ended_is_unknown_on_its_machine(tmp_path: Path) -> None:
    async with machines(tmp_path) as workers:
        two, far = workers[1], workers[2]
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        assert json.dumps(session)
        # Its process has ended; the membership does not know yet.
        two.near.stop()
        assert is_unknown(await with_clients([far], lambda each: each.ask(session)))
        assert far.counts.links["unknown"] == 1
        assert POLLING in session


@pytest_twisted.ensureDeferred
async def test_members_hear_what_is_published_while_no_link_leads_to_them(
    tmp_path: Path,
) -> None:
    async with machines(tmp_path) as workers:
        await until(workers[0].near.peers)
        far: Any = workers[0].cluster._machines
        for worker in workers:
            worker.cluster._joined.stop()
        for name in ("bw0a", "bw1a"):
            refused = LinkFailed(LinkProblem.REFUSED, "")
            far._link_failed(far.peer(name), refused)
        engine = workers[0].engine
        assert engine.cluster is not None
        assert [peer.name for peer in engine.cluster.peers()] == ["aw1a"]
        heard: list[str] = []
        for worker in workers[1:]:
            assert worker.engine.cluster is not None
            worker.engine.cluster.subscribe("news", lambda node, _: heard.append(node))
        assert engine.cluster.publish("news", b"x") == 3
        await until(lambda: len(heard) == 3)
        for worker in workers:
            worker.cluster._joined.start()
