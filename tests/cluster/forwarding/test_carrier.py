"""A connection to another node that does not what is expected."""

from __future__ import annotations

import pytest

from tests.cluster.forwarding.nodes import Pipe, TwoNodes, two_nodes
from tests.conftest import FlushLoggedErrors
from tests.connection import Exchange


@pytest.fixture(params=[True, False], ids=["own site", "a stranger's site"])
def nodes(request: pytest.FixtureRequest) -> TwoNodes:
    return two_nodes(own_site=request.param)


def parked(nodes: TwoNodes) -> tuple[Exchange, Pipe]:
    """A poll that waits, and the far end of the connection that carries it."""
    poll = nodes.open().poll()
    (link,) = nodes.links()
    return poll, link.other


def test_nonsense_is_no_answer(
    nodes: TwoNodes, flush_logged_errors: FlushLoggedErrors
) -> None:
    poll, far = parked(nodes)
    far.write(b"nonsense\r\n\r\n")
    nodes.near.settle()
    assert (poll.answer.status, poll.answer.json["code"]) == (400, 1)
    assert nodes.counts == {"lost": 1}
    assert len(flush_logged_errors(ValueError)) == 1


def test_nonsense_after_the_head_cuts_the_answer_off(
    nodes: TwoNodes, flush_logged_errors: FlushLoggedErrors
) -> None:
    poll, far = parked(nodes)
    far.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    nodes.near.settle()
    far.write(b"many\r\n")
    nodes.near.settle()
    assert poll.is_pending
    assert poll.connection.is_closed
    assert nodes.counts == {"cut": 1}
    assert len(flush_logged_errors(ValueError)) == 1


def test_an_answer_may_end_with_its_connection(nodes: TwoNodes) -> None:
    poll, far = parked(nodes)
    far.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall")
    nodes.near.settle()
    far.write(b" of it")
    nodes.near.settle()
    far.loseConnection()
    nodes.near.settle()
    assert poll.answer.text == "all of it"
    assert nodes.counts == {"answered": 1}


def test_the_last_answer_of_a_connection_is_its_last(nodes: TwoNodes) -> None:
    poll, far = parked(nodes)
    far.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
    nodes.near.settle()
    assert poll.answer.text == "x"
    assert list(nodes.links()) == []


def test_what_nobody_has_asked_for_ends_it(nodes: TwoNodes) -> None:
    client = nodes.open()
    assert client.post("4x").answer.text == "ok"
    (link,) = nodes.links()
    link.other.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    nodes.near.settle()
    assert list(nodes.links()) == []
    assert client.post("4x").answer.text == "ok"


def test_one_that_is_about_to_end_carries_nothing_more(nodes: TwoNodes) -> None:
    client = nodes.open()
    assert client.post("4x").answer.text == "ok"
    (link,) = nodes.links()
    link.disconnecting = True
    assert client.post("4x").answer.text == "ok"
    assert nodes.counts == {"answered": 2}


def test_a_client_that_leaves_in_the_middle_of_its_answer(nodes: TwoNodes) -> None:
    poll, far = parked(nodes)
    far.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    nodes.near.settle()
    poll.abort()
    assert list(nodes.links()) == []
    assert nodes.counts == {"left": 1}
