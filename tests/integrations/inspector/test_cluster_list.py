"""The sessions of several engines, as people get to see them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.cluster.nodes import MemoryNode, deliver_all, make_nodes
from tests.connection import Connection
from txengineio.integrations.inspector.cluster_list import ClusterList, sessions_of
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.integrations.inspector.selection import PAGE_SIZE, Query
from txengineio.server.session import Session

OWN = {"X-Inspector": "1"}


@pytest.fixture
def nodes() -> list[MemoryNode]:
    return make_nodes(3)


@pytest.fixture
def lists(nodes: list[MemoryNode]) -> list[ClusterList]:
    return [sessions_of(node.server.engine) for node in nodes]


def outcome(nodes: list[MemoryNode], work: Any, seconds: float = 0.0) -> Any:
    found: list[Any] = []
    Deferred.fromCoroutine(work).addCallback(found.append)
    deliver_all(nodes)
    for node in nodes:
        node.server.advance(seconds)
    (only,) = found
    return only


def opened(nodes: list[MemoryNode], count: int) -> list[Session[Any]]:
    """Open sessions on all nodes in turn, a second after each other."""
    sessions = []
    for number in range(count):
        sessions.append(nodes[number % len(nodes)].server.open_polling().session)
        for node in nodes:
            node.server.clock.advance(0.01)
    return sessions


def test_any_engine_lists_the_sessions_of_all(
    nodes: list[MemoryNode], lists: list[ClusterList]
) -> None:
    sessions = opened(nodes, 7)
    for each in lists:
        report = outcome(nodes, each.report(Query(sort="opened")))
        ids = [session.id[:9] for session in sessions]
        assert [row["id"] for row in report["sessions"]] == ids
        assert report["total"] == report["matching"] == report["handshakes"] == 7
        assert report["transports"] == {"polling": 7}
        assert report["missing"] == []
        assert report["nodes"] == {"n0": 3, "n1": 2, "n2": 2}
        text = json.dumps(report)
        assert [session for session in sessions if session.id in text] == []


def test_pages_and_searches_go_over_all(
    nodes: list[MemoryNode], lists: list[ClusterList]
) -> None:
    sessions = opened(nodes, PAGE_SIZE + 5)
    query = Query(sort="opened", descending=True, page=2)
    report = outcome(nodes, lists[1].report(query))
    assert (report["page"], report["pages"], report["start"]) == (2, 2, PAGE_SIZE)
    last = [session.id[:9] for session in reversed(sessions[:5])]
    assert [row["id"] for row in report["sessions"]] == last
    found = outcome(nodes, lists[2].report(Query(search=sessions[0].id[:9])))
    assert (found["matching"], found["listed"], found["total"]) == (1, 1, PAGE_SIZE + 5)
    own = outcome(nodes, lists[2].report(Query(own=sessions[9].id[:9])))
    assert own["sessions"][0]["id"] == sessions[9].id[:9]
    assert [row["own"] for row in own["sessions"][:2]] == [True, False]


def test_any_engine_closes_any_session(
    nodes: list[MemoryNode], lists: list[ClusterList]
) -> None:
    sessions = opened(nodes, 3)
    rows = outcome(nodes, lists[0].report(Query(sort="opened")))["sessions"]
    for session, row in zip(sessions, rows, strict=True):
        assert outcome(nodes, lists[0].close(row["handle"])) is True
        for node in nodes:
            node.server.settle()
        assert session.ready_state.value != "open"
    assert outcome(nodes, lists[0].close("nonsense")) is False


def test_who_does_not_answer_is_named(
    nodes: list[MemoryNode], lists: list[ClusterList]
) -> None:
    opened(nodes, 3)
    for node in nodes:
        node.joined.start()
    nodes[0].known["n2"].takes = False
    report = outcome(nodes, lists[0].report(Query()))
    assert (report["total"], report["missing"]) == (2, ["wn2"])
    assert report["nodes"] == {"n0": 1, "n1": 1}
    nodes[0].known["n2"].takes = True
    report = outcome(nodes[:2], lists[0].report(Query()), seconds=1.5)
    assert (report["total"], report["missing"]) == (2, ["wn2"])


def test_several_pages_of_an_engine_have_one_list(nodes: list[MemoryNode]) -> None:
    engine = nodes[0].server.engine
    pages = [inspector_pages(engine, "/io/", echoes=False) for _ in range(2)]
    assert len(pages) == 2
    assert sessions_of(engine) is sessions_of(engine)


def test_the_page_is_told_that_ids_have_names(
    nodes: list[MemoryNode], lists: list[ClusterList]
) -> None:
    server = nodes[0].server
    root = Resource()
    for name, page in inspector_pages(server.engine, "/io/", echoes=False).items():
        root.putChild(name, page)
    connection = Connection(Site(root, reactor=server.clock), server.settle)
    headers = {**OWN, "Host": "127.0.0.1"}
    answer = connection.request("GET", "/inspector/state", None, headers).answer
    state = json.loads(answer.text)
    assert state == {"total": 0, "echoes": False, "run": "", "isNamed": True}
