"""The end of a node that has requests under way at another one."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.cluster.forwarding.nodes import TwoNodes, two_nodes
from txengineio.cluster.forwarding.releasing import RELEASE_TIMEOUT, release


def released(nodes: TwoNodes) -> list[None]:
    """Release; return a list that has something once that is done."""
    done: list[None] = []
    releasing = Deferred.fromCoroutine(release([nodes.forwarder], nodes.near.clock))
    releasing.addCallback(done.append)
    nodes.near.settle()
    return done


def test_polls_are_answered_and_nothing_is_waited_for() -> None:
    nodes = two_nodes()
    client = nodes.open()
    poll = client.poll()
    done = released(nodes)
    assert poll.answer.packets == ["6"]
    assert poll.answer.header("Connection") == "close"
    assert not done
    nodes.near.advance(0.1)
    assert done == [None]
    assert client.sid in nodes.far.engine.sessions


def test_who_has_nothing_under_way_is_done_at_once() -> None:
    assert released(two_nodes()) == [None]


def test_a_post_is_waited_for_and_not_for_ever() -> None:
    nodes = two_nodes()
    client = nodes.open()
    nodes.far.session(client.sid).receive_queue_full()
    post = client.post("4hello")
    done = released(nodes)
    nodes.near.advance(RELEASE_TIMEOUT - 0.5)
    assert not done
    for _ in range(20):
        nodes.near.advance(0.05)
    assert done == [None]
    assert post.is_pending
