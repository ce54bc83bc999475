"""Three nodes: requests for a session come to any of them, and are answered."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.cluster.clients import (
    CLOCK,
    HOST,
    POLLING,
    Client,
    Named,
    with_clients,
)
from tests.cluster.machines.nodes import MemoryCluster, Node
from tests.cluster.machines.town import Town
from tests.conftest import FlushLoggedErrors
from txengineio.cluster.forwarding import forwarder, releasing
from txengineio.cluster.machines import greetings, links, peers, unproven
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem
from txengineio.errors import InvalidOption, JoinFailed
from txengineio.server.engine import Engine

pytestmark = pytest.mark.socket

REFUSED = LinkFailed(LinkProblem.REFUSED, "")


@asynccontextmanager
async def running(
    *names: str, town: Town | None = None, **details: Any
) -> AsyncIterator[list[Node]]:
    town = town or Town()
    nodes = [Node(name, town, **details) for name in names]
    for node in nodes:
        await node.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


def is_unknown(answer: tuple[int, bytes]) -> bool:
    return answer[0] == 400 and json.loads(answer[1])["code"] == 1


async def until(condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        await deferLater(CLOCK, 0.05)
    raise AssertionError("it never happened")


async def parked_poll(session: str, at: Node, of: Node) -> Deferred[tuple[int, bytes]]:
    """Poll a session at another node than its own, and wait until that has the poll."""
    polling = with_clients([at], lambda client: client.ask(session))
    answer = Deferred.fromCoroutine(polling)
    found = of.engine.sessions[session.partition("&sid=")[2]]
    await until(lambda: found.transport.writable)
    return answer


@pytest_twisted.ensureDeferred
async def test_any_node_answers_for_all() -> None:
    def work(one: Client, two: Client, three: Client) -> None:
        sessions = [one.open(), two.open(), three.open()]
        large = "x" * 900_000
        for number, session in enumerate(sessions):
            for client in (one, two, three):
                assert client.ask(session, "4hello") == (200, b"ok")
                said = f"4n{number} 5 'hello'".encode()
                assert client.ask(session) == (200, said)
                assert client.ask(session, f"4{large}") == (200, b"ok")
                assert client.ask(session)[1].startswith(b"4n%d 900000" % number)

    async with running("n0", "n1", "n2") as nodes:
        await with_clients(nodes, work)
        for greeted, node in zip((2, 1, 0), nodes, strict=True):
            assert node.engine.cluster is not None
            assert node.engine.cluster.state == "ok"
            assert node.engine.cluster.counts.forwarded == {"answered": 8}
            # Connections are used again, except for greetings.
            links = node.engine.cluster.counts.links
            assert links == {"accepted": 2 + greeted}


@pytest_twisted.ensureDeferred
async def test_each_session_of_a_node_may_have_a_poll_parked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forwarder, "MAX_UNDER_WAY", 0)
    async with running("n0", "n1") as (one, two):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        assert one.engine.cluster is not None
        peers = one.engine.cluster.peers
        await until(lambda: peers()[0].sessions == 1)
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")


@pytest_twisted.ensureDeferred
async def test_the_engine_sees_the_client() -> None:
    async with running("n0", "n1") as (one, two):
        addresses: list[str] = []
        two.engine.use(
            lambda request: addresses.append(
                f"{request.getClientAddress().host} {request.getHost().port}"
            )
        )

        def work(first: Client, second: Client) -> None:
            session = second.open()
            first.ask(session, "4x")

        await with_clients([one, two], work)
        assert addresses == [f"{HOST} {two.port}", f"{HOST} {one.port}"]


@pytest_twisted.ensureDeferred
async def test_broadcasts_and_orders_reach_the_sessions_of_all() -> None:
    async with running("n0", "n1", "n2") as nodes:
        sessions = await with_clients(
            nodes, lambda *clients: [client.open() for client in clients]
        )
        sids = [session.partition("&sid=")[2] for session in sessions]
        engine = nodes[0].engine
        assert engine.cluster is not None
        peers = engine.cluster.peers
        await until(lambda: sum(peer.sessions for peer in peers()) == 2)
        assert engine.broadcast("all") == 1
        assert await engine.send(sids[1], "one") is True
        assert await engine.send("n9-unknown", "none") is False
        said = await with_clients(
            nodes,
            lambda *clients: [
                client.ask(session)
                for client, session in zip(clients, sessions, strict=True)
            ],
        )
        assert said == [(200, b"4all"), (200, b"4all\x1e4one"), (200, b"4all")]
        assert await engine.close_session(sids[2], discard=True) is True
        assert [len(node.engine.sessions) for node in nodes] == [1, 1, 0]


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_is_gone_at_once() -> None:
    async with running("n0", "n1") as (one, two):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        parked = await parked_poll(session, at=one, of=two)
        await two.engine.leave()
        assert is_unknown(await parked)
        assert one.engine.cluster is not None
        assert one.engine.cluster.peers() == []
        assert is_unknown(await with_clients([one], lambda client: client.ask(session)))


@pytest_twisted.ensureDeferred
async def test_a_node_whose_process_ends_is_gone_at_once() -> None:
    """Its membership goes on."""
    async with running("n0", "n1") as (one, two):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        parked = await parked_poll(session, at=one, of=two)
        await two.links.stopListening()
        two.cluster._machines._site.close()  # type: ignore[union-attr]
        assert is_unknown(await parked)
        posted = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert is_unknown(posted)
        assert one.engine.cluster is not None
        assert one.engine.cluster.peers() == []
        assert one.engine.cluster.counts.forwarded == {"lost": 2}
        assert one.engine.cluster.counts.links["refused"] == 1


@pytest_twisted.ensureDeferred
async def test_a_node_that_was_gone_and_says_something_is_there() -> None:
    async with running("n0", "n1") as (one, two):
        machines: Any = one.cluster._machines
        machines._link_failed(machines.peer("n1"), REFUSED)
        assert machines.peers() == []
        await until(machines.peers)
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")


@pytest_twisted.ensureDeferred
async def test_a_node_that_was_gone_for_a_moment_gets_what_is_for_it() -> None:
    """Before it says something: it is still a member."""
    async with running("n0", "n1") as (one, two):
        machines: Any = one.cluster._machines
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        # Nothing is announced any more.
        two.cluster._joined.stop()
        machines._link_failed(machines.peer("n1"), REFUSED)
        assert one.engine.cluster is not None
        assert one.engine.broadcast("all") == 0
        assert one.engine.cluster.counts.told["sent"] == 1
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")
        assert [peer.name for peer in one.engine.cluster.peers()] == ["n1"]
        answer = await with_clients([two], lambda client: client.ask(session))
        assert answer[1].startswith(b"4all\x1e4n1 1")
        two.cluster._joined.start()


@pytest_twisted.ensureDeferred
async def test_a_failure_of_an_old_link_says_nothing_of_a_new_process() -> None:
    async with running("n0", "n1") as (one, two):
        machines: Any = one.cluster._machines
        old, member = machines.peer("n1"), machines._members["n1"]
        for address in (f"{HOST}:1", member.address):
            machines.joined(replace(member, address=address))
        new = machines.peer("n1")
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        old.forwarder._endpoint._failed(REFUSED)
        assert machines.peer("n1") is new
        assert machines.counts.links["refused"] == 1
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")


@pytest_twisted.ensureDeferred
async def test_a_link_for_which_no_descriptor_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_reactor: object, accepted: Any, *_details: object, **_: object) -> None:
        accepted.close()
        raise OSError(errno.EMFILE, "Too many open files")

    async with running("n0", "n1") as (one, two):
        machines: Any = one.cluster._machines
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        monkeypatch.setattr(links, "serve_socket", fails)
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer[0] == 503
        assert machines.counts.links["failed"] == 1
        monkeypatch.undo()
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")


@pytest_twisted.ensureDeferred
async def test_a_link_that_stalls_ends_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unproven, "LINK_TIMEOUT", 0.2)
    async with running("n0", "n1") as (one, two):
        (session,) = await with_clients([two], lambda client: [client.open()])
        # The kernel accepts connections that the process does not see.
        two.links.stopReading()
        asking = with_clients([one], lambda client: client.ask(session, "4x"))
        asked = Deferred.fromCoroutine(asking)
        await deferLater(CLOCK, 1)
        assert not asked.called
        two.links.startReading()
        assert await asked == (200, b"ok")
        assert forwarder_of(one).counts == {"answered": 1}
        monkeypatch.setattr(links, "PATIENCE", 0.3)
        forwarder_of(one).close()
        two.links.stopReading()
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer[0] == 503
        two.links.startReading()


async def greets_nobody(*_: object) -> None:
    """Leave what others know to the membership."""


@pytest_twisted.ensureDeferred
async def test_an_unknown_node_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(greetings.Greetings, "greet", greets_nobody)
    town = Town()
    town.hidden.add("n1")
    async with running("n0", "n1", town=town) as (one, two):
        assert one.engine.cluster is not None
        assert one.engine.cluster.peers() == []
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")
        unknown = f"{POLLING}&sid=n9-unknown"
        for _ in range(3):
            answer = await with_clients([one], lambda client: client.ask(unknown))
            assert is_unknown(answer)
        nonsense = f"{POLLING}&sid=-unknown"
        assert is_unknown(await with_clients([one], lambda each: each.ask(nonsense)))
        assert town.looked_up == ["n1", "n9"]


@pytest_twisted.ensureDeferred
async def test_who_is_cut_off_and_who_joins_meanwhile_know_each_other() -> None:
    town = Town()
    async with running("n0", "n1", town=town) as (cut_off, known):
        # What it has said of itself is gone, but links lead to it.
        lost = town.members.pop("n0")
        async with running("n2", town=town) as (newcomer,):
            nodes = [cut_off, known, newcomer]
            assert [peers_of(node) for node in nodes] == [
                {"n1", "n2"},
                {"n0", "n2"},
                {"n0", "n1"},
            ]
            sessions = await with_clients(
                nodes, lambda *clients: [client.open() for client in clients]
            )

            def ask_each_other(one: Client, _: Client, two: Client) -> None:
                assert one.ask(sessions[2], "4x") == (200, b"ok")
                assert two.ask(sessions[0], "4x") == (200, b"ok")

            await with_clients(nodes, ask_each_other)
            # It is no member, and there only as long as it can be reached.
            far: Any = newcomer.cluster._machines
            stalls = LinkFailed(LinkProblem.TIMEOUT, "")
            far._link_failed(far.peer("n1"), stalls)
            far._link_failed(far.peer("n0"), stalls)
            assert peers_of(newcomer) == {"n1"}
            town.members["n0"] = lost
        await until(lambda: peers_of(cut_off) == {"n1"})


@pytest_twisted.ensureDeferred
async def test_who_was_only_met_by_a_link_and_ends_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "CHECK_INTERVAL", 0.1)
    town = Town()
    async with running("n0", "n1", town=town) as (cut_off, _):
        lost = town.members.pop("n0")
        async with running("n2", town=town):
            assert peers_of(cut_off) == {"n1", "n2"}
        # Nobody tells the one that is cut off.
        await until(lambda: peers_of(cut_off) == {"n1"})
        town.members["n0"] = lost
    async with running("n1", town=town):
        async with running("n0", town=town):
            lost = town.members.pop("n0")
            newcomer = Node("n2", town)
            await newcomer.start()
            assert peers_of(newcomer) == {"n0", "n1"}
        # It was no member when it ended, so that the membership says nothing.
        await until(lambda: peers_of(newcomer) == {"n1"})
        await newcomer.stop()


@pytest_twisted.ensureDeferred
async def test_who_has_left_meets_nobody() -> None:
    town = Town()
    async with running("n0", town=town) as (node,):
        machines: Any = node.cluster._machines
        await node.engine.leave()
        machines._greetings.heard(
            '{"here": ["n1", "127.0.0.1:1", "n1", 0, false], "knows": []}'
        )
        assert peers_of(node) == set()


def peers_of(node: Node) -> set[str]:
    assert node.engine.cluster is not None
    return {peer.name for peer in node.engine.cluster.peers()}


@pytest_twisted.ensureDeferred
async def test_a_node_that_hangs_keeps_no_newcomer_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(greetings, "ANSWER_TIMEOUT", 0.3)
    town = Town()
    async with running("n0", "n1", town=town) as (hung, known):
        hung.links.stopReading()
        async with running("n2", town=town) as (newcomer,):
            # It is a member, for all that is known.
            assert peers_of(newcomer) == {"n0", "n1"}
        # One that is not even that is not known to newcomers.
        lost = town.members.pop("n0")
        async with running("n3", town=town) as (newcomer,):
            assert peers_of(newcomer) == {"n1"}
        town.members["n0"] = lost
        hung.links.startReading()
        assert peers_of(known) == {"n0"}


@pytest_twisted.ensureDeferred
async def test_a_node_that_is_to_leave_waits_for_no_answer() -> None:
    town = Town()
    async with running("n0", town=town) as (hung,):
        hung.links.stopReading()
        newcomer = Node("n1", town)
        joining = Deferred.fromCoroutine(newcomer.start())
        await until(lambda: "n1" in town.members)
        await newcomer.engine.leave()
        assert "n1" not in town.members
        await joining
        await newcomer.stop()
        hung.links.startReading()


@pytest_twisted.ensureDeferred
async def test_requests_are_forwarded_while_the_membership_is_degraded() -> None:
    town = Town()
    async with running("n0", "n1", town=town) as (one, two):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        town.set_up(False)
        assert one.engine.cluster is not None
        assert one.engine.cluster.state == "degraded"
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")
        assert one.engine.broadcast("nobody hears it there") == 0
        assert one.engine.cluster.counts.told["away"] == 1
        town.set_up(True)
        assert one.engine.cluster.state == "ok"


@pytest_twisted.ensureDeferred
async def test_another_secret_opens_no_link(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    town = Town()
    async with (
        running("n0", town=town) as (one,),
        running("n1", town=town, secret=b"another" * 8) as (two,),
    ):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        status, _ = await with_clients([one], lambda client: client.ask(session))
        assert status == 503
        assert one.engine.cluster is not None
        assert one.engine.cluster.counts.links["unproven"] == 1


@pytest_twisted.ensureDeferred
async def test_without_a_secret_nodes_are_on_one_machine() -> None:
    async with running("n0", "n1", secret=None) as (one, two):
        session = (await with_clients([two], lambda client: [client.open()]))[0]
        answer = await with_clients([one], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")
    with pytest.raises(InvalidOption, match="other machines can connect"):
        Node("n0", Town(), secret=None, listen="tcp:0", advertise="10.0.0.1")


@pytest_twisted.ensureDeferred
async def test_a_name_is_given_once() -> None:
    town = Town()
    async with running("n0", town=town):
        other = Node("n0", town)
        with pytest.raises(JoinFailed, match="a node n0 already"):
            await other.start()
        assert other.engine.cluster is not None
        assert other.engine.cluster.state == "joining"
        await other.stop()


@pytest_twisted.ensureDeferred
async def test_a_node_joins_again() -> None:
    async with running("n0", "n1") as (one, two):
        port = await one.engine.listen(f"tcp:0:interface={HOST}")
        await one.engine.close()
        assert two.engine.cluster is not None
        assert two.engine.cluster.peers() == []
        await one.engine.listen(f"tcp:0:interface={HOST}")
        assert [peer.name for peer in two.engine.cluster.peers()] == ["n0"]
        assert port is not None


def test_an_engine_needs_a_name() -> None:
    with pytest.raises(InvalidOption, match="node_name must be the name"):
        Engine(Named, reactor=CLOCK, cluster=MemoryCluster(Town()))


@pytest_twisted.ensureDeferred
async def test_a_node_is_asked_whether_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forwarder, "_REACH_TIMEOUT", 0.3)
    async with running("n0", "n1") as (one, two):
        known = one.cluster._machines
        assert known is not None
        assert await known.reaches("n1")
        # The connection is for the next request.
        peer: Any = known.peer("n1")
        assert len(peer.forwarder._idle) == 1
        assert not await known.reaches("n2")
        # The kernel accepts connections that the process does not see.
        two.links.stopReading()
        assert not await known.reaches("n1")
        two.links.startReading()
        assert await known.reaches("n1")
        await two.links.stopListening()
        assert not await known.reaches("n1")
        # Nobody listens: it has ended.
        assert known.peers() == []


def forwarder_of(node: Node) -> Any:
    """Return what forwards to the only other node."""
    assert node.cluster._machines is not None
    (peer,) = node.cluster._machines.peers()
    return cast(Any, peer).forwarder


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_ends_no_poll_of_anothers_session() -> None:
    async with running("n0", "n1") as (one, two):
        (session,) = await with_clients([two], lambda client: [client.open()])
        polling = with_clients([one], lambda client: client.ask(session))
        parked = Deferred.fromCoroutine(polling)
        await until(forwarder_of(one).is_busy)
        await deferLater(CLOCK, 0.1)
        await one.engine.leave()
        assert await parked == (200, b"6")
        answer = await with_clients([two], lambda client: client.ask(session, "4x"))
        assert answer == (200, b"ok")
        assert len(two.engine.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_waits_for_others_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(releasing, "RELEASE_TIMEOUT", 0.3)
    async with running("n0", "n1") as (one, two):
        (session,) = await with_clients([two], lambda client: [client.open()])
        for each in two.engine.sessions.values():
            each.receive_queue_full()
        waiting = with_clients([one], lambda client: client.ask(session, "4x"))
        posting = Deferred.fromCoroutine(waiting)
        await until(forwarder_of(one).is_busy)
        await deferLater(CLOCK, 0.2)
        began = CLOCK.seconds()
        await one.engine.leave()
        assert 0.3 <= CLOCK.seconds() - began < 1.5
        assert is_unknown(await posting)
