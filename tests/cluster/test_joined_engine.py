"""What concerns the sessions of all nodes, from the view of one engine."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.cluster.nodes import MemoryNode, deliver_all, make_nodes
from tests.conftest import FlushLoggedErrors
from tests.doubles import ended_with, has_fired
from tests.wiring import WebSocketClient
from txengineio.cluster.joined_engine import ANNOUNCE_INTERVAL, ORDER_TIMEOUT
from txengineio.errors import CloseReason
from txengineio.server.broadcast import EncodedMessage
from txengineio.server.cluster import Peer


@pytest.fixture
def nodes() -> list[MemoryNode]:
    return make_nodes(3)


@pytest.fixture
def clients(nodes: list[MemoryNode]) -> list[WebSocketClient]:
    """Two on each node."""
    opened = [node.server.open_websocket() for node in nodes for _ in range(2)]
    assert all(client.sid for client in opened)
    return opened


def outcome(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addCallback(found.append)
    (only,) = found
    return only


def received(nodes: list[MemoryNode], client: WebSocketClient) -> list[str | bytes]:
    deliver_all(nodes)
    for node in nodes:
        node.server.settle()
    return client.packets()


def sid_of(nodes: list[MemoryNode], number: int) -> str:
    """The session of a client."""
    return list(nodes[number // 2].server.engine.sessions)[number % 2]


def test_a_broadcast_reaches_everybody_once(
    nodes: list[MemoryNode],
    clients: list[WebSocketClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[object] = []

    class Recording(EncodedMessage):
        def __init__(self, message: object) -> None:
            encoded.append(message)
            super().__init__(message)

    monkeypatch.setattr("txengineio.server.engine.EncodedMessage", Recording)
    assert nodes[0].server.engine.broadcast("héllo") == 2
    for client in clients:
        assert received(nodes, client) == ["4héllo"]
    assert encoded == ["héllo"] * 3
    assert nodes[0].server.engine.broadcast(b"\0\xff") == 2
    for client in clients:
        assert received(nodes, client) == [b"\0\xff"]


def test_a_local_broadcast_stays(
    nodes: list[MemoryNode], clients: list[WebSocketClient]
) -> None:
    assert nodes[1].server.engine.broadcast("here", local=True) == 2
    expected = [[], [], ["4here"], ["4here"], [], []]
    assert [received(nodes, client) for client in clients] == expected
    assert nodes[1].told == []


def test_what_is_sent_comes_in_order(
    nodes: list[MemoryNode], clients: list[WebSocketClient]
) -> None:
    engine = nodes[0].server.engine
    sid = sid_of(nodes, 5)
    sent = [engine.send(sid, "1"), engine.send(sid, b"2", compress=False)]
    engine.broadcast("3")
    sent.append(engine.send(sid, "4"))
    assert received(nodes, clients[5]) == ["41", b"2", "43", "44"]
    assert [outcome(each) for each in sent] == [True, True, True]
    assert outcome(engine.send(sid_of(nodes, 0), "own")) is True
    assert received(nodes, clients[0]) == ["43", "4own"]


@pytest.mark.parametrize(
    "sid", ["nobody", "n9-nobody", "n0-nobody", "n1-nobody", "n1-é", "n1-", "", "n1"]
)
def test_an_unknown_session_is_none(nodes: list[MemoryNode], sid: str) -> None:
    engine = nodes[0].server.engine
    done = [engine.send(sid, "message"), engine.close_session(sid)]
    deliver_all(nodes)
    assert [outcome(each) for each in done] == [False, False]


def test_what_is_no_message_is_refused_for_any_session(
    nodes: list[MemoryNode],
) -> None:
    bad: Any = 5
    for sid in ("nobody", "n1-nobody"):
        with pytest.raises(TypeError, match="a message is a str or bytes-like"):
            nodes[0].server.engine.send(sid, bad)


def test_a_session_is_closed_from_anywhere(
    nodes: list[MemoryNode], clients: list[WebSocketClient]
) -> None:
    sid, other = sid_of(nodes, 0), sid_of(nodes, 1)
    for node in (1, 2):
        closed = nodes[node].server.engine.close_session(sid, discard=node == 2)
        deliver_all(nodes)
        assert outcome(closed) is (node == 1)
        nodes[0].server.settle()
    assert ended_with(nodes[0].server.application.built[0]) is CloseReason.FORCED_CLOSE
    assert outcome(nodes[0].server.engine.close_session(other)) is True


def test_an_engine_alone_has_its_own_sessions_and_no_others() -> None:
    node = MemoryNode("n0")
    engine = node.server.engine
    engine.cluster = None
    client = node.server.open_websocket()
    assert outcome(engine.send(client.sid, "hello")) is True
    assert outcome(engine.send("n1-x", "hello")) is False
    assert outcome(engine.close_session("n1-x")) is False
    assert engine.broadcast("all") == 1
    assert client.packets() == ["4hello", "4all"]


def test_a_node_that_takes_nothing_or_does_not_answer_has_no_session(
    nodes: list[MemoryNode], clients: list[WebSocketClient]
) -> None:
    engine, sid = nodes[0].server.engine, sid_of(nodes, 2)
    nodes[0].known["n1"].takes = False
    assert outcome(engine.send(sid, "dropped")) is False
    assert engine.broadcast("most") == 2
    nodes[0].known["n1"].takes = True
    hanging = engine.send(sid, "late")
    nodes[0].server.clock.pump([0.5] * int(2 * ORDER_TIMEOUT + 1))
    assert outcome(hanging) is False
    gone = engine.send(sid, "never")
    assert not has_fired(gone)
    nodes[0].loses("n1")
    assert outcome(gone) is False
    assert received(nodes, clients[2]) == ["4late", "4never"]
    assert nodes[0].joined.counts.told["late"] == 2


def test_all_sessions_are_counted(
    nodes: list[MemoryNode], clients: list[WebSocketClient]
) -> None:
    for node in nodes:
        assert node.server.engine.cluster is node.joined
        node.joined.start()
    for node in nodes:
        assert node.joined.sessions == 6
    clients[5].connection.lose()
    nodes[2].server.settle()
    assert [node.joined.sessions for node in nodes] == [6, 6, 5]
    nodes[2].server.engine.drain(0)
    nodes[2].server.clock.advance(ANNOUNCE_INTERVAL)
    assert [node.joined.sessions for node in nodes] == [4, 4, 4]
    assert nodes[0].joined.node == "n0"
    assert nodes[0].joined.peers() == [
        Peer(name="n1", worker="wn1", sessions=2, draining=False, silence=0.0),
        Peer(name="n2", worker="wn2", sessions=0, draining=True, silence=0.0),
    ]
    for node in nodes:
        node.joined.stop()
        node.server.engine.close()
        node.server.settle()


def test_what_is_published_is_for_the_others(nodes: list[MemoryNode]) -> None:
    heard: list[tuple[int, str, bytes]] = []
    for number, node in enumerate(nodes):

        def hear(name: str, data: bytes, number: int = number) -> None:
            heard.append((number, name, data))

        node.joined.subscribe("news", hear)
    assert nodes[1].joined.publish("news", b"data") == 2
    assert nodes[1].joined.publish("other", b"data") == 2
    deliver_all(nodes)
    assert heard == [(0, "n1", b"data"), (2, "n1", b"data")]
    with pytest.raises(ValueError, match="a name of 1 to 255 bytes"):
        nodes[0].joined.publish("", b"data")


def test_all_others_are_asked(nodes: list[MemoryNode]) -> None:
    nodes[1].joined.answer("what", lambda node, data: f"{node} {data!r}".encode())
    asked = nodes[0].joined.ask("what", b"!")
    deliver_all(nodes)
    assert outcome(asked) == {"n1": b"n0 b'!'", "n2": None}
    slow = nodes[0].joined.ask("what")
    nodes[0].server.clock.pump([0.5] * 3)
    assert outcome(slow) == {"n1": None, "n2": None}
    assert outcome(MemoryNode("alone").joined.ask("what")) == {}


def test_what_makes_no_sense_is_counted(
    nodes: list[MemoryNode],
    clients: list[WebSocketClient],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    peer = nodes[0].known["n1"]
    peer.tell(b"b", b"")
    peer.tell(b"b", b"\0\xff")
    peer.tell(b"?", b"of a later version")
    assert received(nodes, clients[2]) == []
    assert nodes[1].joined.counts.told == {"broken": 2, "unknown": 1}
    for channel in ("engineio.send", "engineio.close"):
        asked = nodes[0].joined.ask(channel, b"\0")
        deliver_all(nodes)
        assert outcome(asked) == {"n1": None, "n2": None}
    assert len(flush_logged_errors(ValueError)) == 4
