"""Requests for another node's sessions, answered as if their clients had gone there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.web.http import Request

from tests.cluster.forwarding.nodes import TwoNodes, two_nodes
from tests.connection import make_request
from tests.doubles import ended_with
from tests.frames import BINARY, TEXT
from txengineio.cluster.forwarding import forwarder
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication

LARGE = "x" * 900_000


@pytest.fixture(params=[True, False], ids=["own site", "a stranger's site"])
def nodes(request: pytest.FixtureRequest) -> TwoNodes:
    return two_nodes(own_site=request.param)


def test_polls_and_posts_are_answered(nodes: TwoNodes) -> None:
    client = nodes.open()
    for turn in range(3):
        posted = client.post(f"4hello {turn}", "4ö")
        assert (posted.answer.status, posted.answer.text) == (200, "ok")
    received = nodes.protocol_of(client).messages
    assert received == [each for turn in range(3) for each in (f"hello {turn}", "ö")]
    poll = client.poll()
    assert poll.is_pending
    nodes.send(client, "wörld")
    assert poll.answer.packets == ["4wörld"]
    assert poll.answer.header("Content-Type") == "text/plain; charset=UTF-8"
    assert len(poll.answer.all("Date")) == 1
    # One connection was enough.
    assert len(list(nodes.links())) == 1
    assert nodes.counts == {"answered": 4}


def test_answers_go_to_whoever_has_asked(nodes: TwoNodes) -> None:
    clients = [nodes.open() for _ in range(20)]
    polls = [client.poll() for client in clients]
    for number, client in reversed(list(enumerate(clients))):
        nodes.send(client, f"for {number}")
    for number, poll in enumerate(polls):
        assert poll.answer.packets == [f"4for {number}"]
    assert len(list(nodes.links())) == 20
    assert clients[0].post("4x").answer.text == "ok"
    assert len(list(nodes.links())) == 20


def test_large_bodies_come_whole(nodes: TwoNodes) -> None:
    client = nodes.open()
    assert client.post("4" + LARGE).answer.text == "ok"
    assert nodes.protocol_of(client).messages == [LARGE]
    poll = client.poll()
    nodes.send(client, LARGE)
    assert poll.answer.packets == ["4" + LARGE]
    assert client.post("4again").answer.text == "ok"


def test_a_chunked_body_comes_whole(nodes: TwoNodes) -> None:
    client = nodes.open()
    exchange = client.start_post(None)
    exchange.connection.send(b"3\r\n4he\r\n", b"3\r\nllo\r\n", b"0\r\n\r\n")
    assert exchange.answer.text == "ok"
    assert nodes.protocol_of(client).messages == ["hello"]


def test_the_next_request_on_a_connection_may_be_for_this_node(nodes: TwoNodes) -> None:
    there = nodes.open()
    here = nodes.near.open_polling()
    connection = nodes.near.connect()
    for turn in range(3):
        for client in (there, here):
            target = nodes.near.target(sid=client.sid)
            body = f"4{turn}".encode()
            posted = connection.request("POST", target, body)
            assert posted.answer.text == "ok"
    assert nodes.protocol_of(there).messages == ["0", "1", "2"]
    assert here.protocol.messages == ["0", "1", "2"]


def test_requests_in_one_segment_are_answered_in_their_order(nodes: TwoNodes) -> None:
    there, here = nodes.open(), nodes.near.open_polling()
    connection = nodes.near.connect()
    sent = b""
    exchanges = []
    for turn, client in enumerate((there, here, there)):
        target = nodes.near.target(sid=client.sid)
        exchanges.append(connection.expect("POST"))
        sent += make_request("POST", target, f"4{turn}".encode())
    connection.send(sent)
    assert [each.answer.text for each in exchanges] == ["ok"] * 3
    assert nodes.protocol_of(there).messages == ["0", "2"]
    assert here.protocol.messages == ["1"]


def test_refusals_are_those_of_the_other_node(nodes: TwoNodes) -> None:
    client = nodes.open()
    wrong = nodes.near.request(sid=client.sid, transport="carrier-pigeon")
    assert (wrong.answer.status, wrong.answer.json["code"]) == (400, 0)
    unknown = nodes.near.request(sid="far-nobody")
    assert (unknown.answer.status, unknown.answer.json["code"]) == (400, 1)
    put = nodes.near.request("PUT", sid=client.sid, body=b"4x")
    assert put.answer.status == 405
    assert put.answer.header("Allow") == "GET, POST"
    assert nodes.near.request("HEAD", sid=client.sid).answer.body == b""
    assert client.post("4x").answer.text == "ok"


def test_http_1_0_is_answered_and_closed(nodes: TwoNodes) -> None:
    client = nodes.open()
    connection = nodes.near.connect()
    target = nodes.near.target(sid=client.sid)
    exchange = connection.expect("POST")
    connection.send(f"POST {target} HTTP/1.0\r\nContent-Length: 2\r\n\r\n4x".encode())
    assert exchange.answer.text == "ok"
    assert connection.is_closed
    assert nodes.protocol_of(client).messages == ["x"]


def test_the_other_node_sees_the_client(nodes: TwoNodes) -> None:
    seen: list[Any] = []

    def look(request: Request) -> None:
        address: Any = request.getClientAddress()
        host: Any = request.getHost()
        seen.append((address.host, address.port, host.host, request.isSecure()))
        seen.append(request.requestHeaders.getRawHeaders("X-Said"))
        request.setHeader("X-Seen", "yes")

    nodes.far.engine.use(look)
    client = nodes.open()
    seen.clear()
    posted = client.post("4x", headers={"X-Said": "a", "Connection": "X-Hop"})
    assert seen == [("192.0.2.1", 54321, "192.0.2.2", False), ["a"]]
    assert posted.answer.header("X-Seen") == "yes"


def test_it_sees_each_client_of_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = two_nodes()
    seen: list[int] = []

    def look(request: Request) -> None:
        address: Any = request.getClientAddress()
        seen.append(address.port)

    nodes.far.engine.use(look)
    sid = nodes.open().sid
    seen.clear()
    clients = [nodes.near.connect() for _ in range(2)]
    for port, client in enumerate(clients):
        address = IPv4Address("TCP", "192.0.2.1", port)
        monkeypatch.setattr(client.transport, "getPeer", lambda given=address: given)
    target = nodes.near.target(sid=sid)
    for client in clients * 2:
        assert client.request("POST", target, b"4x").answer.text == "ok"
    assert seen == [0, 1, 0, 1]
    assert len(list(nodes.links())) == 1


def test_a_middleware_of_the_other_node_may_answer(nodes: TwoNodes) -> None:
    async def answer(request: Request) -> None:
        if request.uri.startswith(b"/engine.io/?sid"):
            # Without a length: in chunks.
            request.setResponseCode(418)
            request.addCookie("a", "1")
            request.addCookie("b", "2")
            request.write(b"short ")
            request.write(b"and stout")
            request.finish()

    nodes.far.engine.use(answer)
    client = nodes.open()
    for _ in range(2):
        target = f"/engine.io/?sid={client.sid}&EIO=4&transport=polling"
        exchange = nodes.near.connect().request("GET", target)
        assert (exchange.answer.status, exchange.answer.text) == (
            418,
            "short and stout",
        )
        assert exchange.answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert client.post("4x").answer.text == "ok"


def test_middlewares_run_at_the_other_node_alone(nodes: TwoNodes) -> None:
    ran: list[str] = []
    nodes.near.engine.use(lambda request: ran.append("near"))
    nodes.far.engine.use(lambda request: ran.append("far"))
    client = nodes.open()
    ran.clear()
    assert client.post("4x").answer.text == "ok"
    assert ran == ["far"]


# --- who leaves -----------------------------------------------------------------------


def test_a_client_that_leaves_has_left_the_other_node(nodes: TwoNodes) -> None:
    client = nodes.open()
    poll = client.poll()
    assert poll.is_pending
    poll.abort()
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_ERROR
    assert nodes.counts == {"left": 1}
    assert list(nodes.links()) == []


def test_a_node_that_dies_is_answered_for(nodes: TwoNodes) -> None:
    ran: list[bytes] = []
    nodes.near.engine.use(lambda request: ran.append(request.method))
    client = nodes.open()
    poll = client.poll()
    assert poll.is_pending
    nodes.break_links()
    assert (poll.answer.status, poll.answer.json["code"]) == (400, 1)
    assert nodes.counts == {"lost": 1}
    assert ran == [b"GET"]


def test_an_answer_that_is_cut_off_ends_its_connection(nodes: TwoNodes) -> None:
    client = nodes.open()
    connection = nodes.near.connect()
    connection.transport.stop_reading()
    poll = connection.request("GET", nodes.near.target(sid=client.sid))
    nodes.send(client, LARGE)
    nodes.break_links()
    connection.transport.start_reading()
    nodes.near.settle()
    assert connection.is_closed
    assert connection.peek().startswith(b"HTTP/1.1 200")
    assert poll.is_pending
    assert nodes.counts == {"cut": 1}


def test_a_slow_reader_holds_up_the_other_node(nodes: TwoNodes) -> None:
    client = nodes.open()
    connection = nodes.near.connect()
    connection.transport.stop_reading()
    poll = connection.request("GET", nodes.near.target(sid=client.sid))
    (link,) = nodes.links()
    nodes.send(client, LARGE)
    assert not link.is_read()
    assert link.other.unread > len(LARGE) / 2
    connection.transport.start_reading()
    nodes.near.settle()
    assert poll.answer.packets == ["4" + LARGE]


def test_what_a_slow_reader_leaves_holds_up_nobody_else(nodes: TwoNodes) -> None:
    client, other = nodes.open(), nodes.open()
    connection = nodes.near.connect()
    connection.transport.stop_reading()
    connection.request("GET", nodes.near.target(sid=client.sid))
    # The last piece of it is more than the client's connection takes.
    connection.transport.BUFFER_SIZE = 66_000
    nodes.send(client, "x" * 66_000)
    assert nodes.counts == {"answered": 1}
    assert other.post("4x").answer.text == "ok"
    assert len(list(nodes.links())) == 1


def test_a_slow_client_of_the_same_link_costs_nobody_the_session(
    nodes: TwoNodes,
) -> None:
    one, two = nodes.open(), nodes.open()
    poll = one.poll()
    nodes.send(one, LARGE)
    assert poll.answer.packets == ["4" + LARGE]
    connection = nodes.near.connect()
    connection.transport.stop_reading()
    connection.request("GET", nodes.near.target(sid=two.sid))
    nodes.send(two, LARGE)
    assert len(list(nodes.links())) == 1
    assert one.poll().is_pending


# --- a node that leaves ---------------------------------------------------------------


def test_clients_of_a_node_that_leaves_go_on_by_another_way(nodes: TwoNodes) -> None:
    client = nodes.open()
    poll = client.poll()
    assert poll.is_pending
    assert nodes.forwarder.is_busy()
    nodes.forwarder.release()
    nodes.near.settle()
    assert poll.answer.packets == ["6"]
    assert poll.answer.header("Connection") == "close"
    assert not nodes.forwarder.is_busy()
    assert list(nodes.links()) == []
    # One that comes all the same does not stay.
    poll = client.poll()
    assert poll.answer.packets == ["6"]
    client.server = nodes.far
    poll = client.poll()
    assert poll.is_pending
    nodes.send(client, "still there")
    nodes.far.settle()
    assert poll.answer.packets == ["4still there"]
    assert client.sid in nodes.far.engine.sessions


def test_what_a_node_that_leaves_waits_for(nodes: TwoNodes) -> None:
    client, other = nodes.open(), nodes.open()
    websocket = other.upgrade()
    session = nodes.far.session(client.sid)
    session.receive_queue_full()
    post = client.post("4hello")
    assert post.is_pending
    nodes.forwarder.release()
    nodes.near.settle()
    # It is acknowledged when the application takes it, and not before.
    assert post.is_pending
    assert nodes.forwarder.is_busy()
    session.receive_queue_emptied()
    nodes.near.settle()
    assert post.answer.text == "ok"
    assert post.answer.header("Connection") == "close"
    assert not nodes.forwarder.is_busy()
    # Tunnels last as long as the node does.
    websocket.send("4hello")
    assert nodes.protocol_of(other).messages == ["hello"]


def test_connections_that_may_be_ending_are_left(nodes: TwoNodes) -> None:
    parked, busy, idle = nodes.open(), nodes.open(), nodes.open()
    poll = parked.poll()
    session = nodes.far.session(busy.sid)
    session.receive_queue_full()
    post = busy.post("4hello")
    assert idle.post("4x").answer.text == "ok"
    assert len(list(nodes.links())) == 3
    nodes.forwarder.renew()
    nodes.near.settle()
    # This node does not leave.
    assert poll.answer.packets == ["6"]
    assert poll.answer.header("Connection") is None
    assert len(list(nodes.links())) == 1
    session.receive_queue_emptied()
    nodes.near.settle()
    assert post.answer.text == "ok"
    assert list(nodes.links()) == []
    # New ones are kept.
    assert parked.post("4x").answer.text == "ok"
    assert parked.poll().is_pending
    assert len(list(nodes.links())) == 1


def test_a_websocket_that_is_about_to_open_is_not_disturbed(nodes: TwoNodes) -> None:
    waiting: Deferred[None] = Deferred()

    async def wait(_request: Request) -> None:
        await waiting

    client = nodes.open()
    nodes.far.engine.use(wait)
    websocket = client.open_websocket()
    assert websocket.opening.is_pending
    waiting.callback(None)
    # The answer, after which come frames, is on its way.
    nodes.forwarder.release()
    nodes.near.settle()
    websocket.send("2probe")
    assert websocket.packets() == ["3probe"]


def test_bytes_are_counted(nodes: TwoNodes) -> None:
    client = nodes.open()
    assert client.post(f"4{LARGE}").answer.text == "ok"
    assert 0 < nodes.carried.bytes_out - len(LARGE) < 1000
    assert 0 < nodes.carried.bytes_in < 1000
    before = replace(nodes.carried)
    websocket = client.upgrade()
    websocket.send(f"4{LARGE}")
    nodes.send(client, LARGE[:1000])
    assert 0 < nodes.carried.bytes_out - before.bytes_out - len(LARGE) < 2000
    assert 0 < nodes.carried.bytes_in - before.bytes_in - 1000 < 1000


# --- WebSockets -----------------------------------------------------------------------


def test_a_websocket_is_a_tunnel(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.upgrade()
    session = nodes.far.session(client.sid)
    assert session.upgraded
    websocket.send("4hello", b"\1\2")
    assert nodes.protocol_of(client).messages == ["hello", b"\1\2"]
    nodes.send(client, "back", b"\3")
    assert websocket.frames() == [(TEXT, b"4back"), (BINARY, b"\3")]
    nodes.send(client, LARGE)
    assert websocket.packets() == ["4" + LARGE]
    assert nodes.counts == {"tunnels": 1}
    websocket.close()
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_CLOSE
    assert websocket.connection.is_closed
    assert list(nodes.links()) == []


def test_what_comes_with_the_opening_goes_with_it(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.open_websocket(early=b"\x81\x86\0\0\0\x002probe")
    assert websocket.packets() == ["3probe"]


def test_the_end_of_a_session_ends_the_tunnel(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.upgrade()
    nodes.far.session(client.sid).close()
    nodes.near.settle()
    assert websocket.close_code() == 1005
    websocket.close()
    assert websocket.connection.is_closed


def test_a_client_that_resets_a_tunnel_is_gone_there(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.upgrade()
    websocket.connection.lose()
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_CLOSE


def test_a_node_that_dies_ends_its_tunnels(nodes: TwoNodes) -> None:
    websocket = nodes.open().upgrade()
    nodes.break_links()
    assert websocket.connection.is_closed


def test_a_tunnel_is_read_as_fast_as_it_is_taken(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.upgrade()
    websocket.connection.transport.stop_reading()
    (link,) = nodes.links()
    for _ in range(20):
        nodes.send(client, "x" * 10_000)
    assert not link.is_read()
    websocket.connection.transport.start_reading()
    nodes.near.settle()
    assert websocket.packets() == ["4" + "x" * 10_000] * 20


def test_a_client_that_never_reads_does_not_keep_a_tunnel(nodes: TwoNodes) -> None:
    client = nodes.open()
    websocket = client.upgrade()
    websocket.connection.transport.stop_reading()
    nodes.send(client, "x" * 10_000)
    nodes.break_links()
    assert not websocket.connection.is_closed
    nodes.near.advance(6)
    assert websocket.connection.was_reset


@pytest.mark.parametrize("size", [9, None])
def test_a_client_that_leaves_in_a_post_has_left_the_other_node(
    size: int | None,
) -> None:
    nodes = two_nodes()
    client = nodes.open()
    for _ in range(2):
        assert client.post("4x").answer.text == "ok"
    client.start_post(size).abort()
    error = nodes.protocol_of(client).lost[0].value
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_ERROR
    assert "closed prematurely" in str(error.__cause__ or error.description)
    assert nodes.counts == {"answered": 2, "abandoned": 1}
    assert list(nodes.links()) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_body_beyond_the_limit_costs_the_session(is_known: bool) -> None:
    nodes = two_nodes()
    client = nodes.open()
    exchange = client.start_post(2_000_000 if is_known else None)
    if not is_known:
        exchange.connection.send(b"%x\r\n" % 2_000_000, b"x" * 1_100_000)
    assert exchange.answer.status == 413
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_ERROR


def test_a_body_beyond_the_limit_is_refused_there_for_a_strangers_site() -> None:
    nodes = two_nodes(own_site=False)
    client = nodes.open()
    assert client.post("4" + "x" * 1_100_000).answer.status == 413
    assert ended_with(nodes.protocol_of(client)) is CloseReason.TRANSPORT_ERROR


def test_an_abandoned_post_that_cannot_be_told_is_forgotten() -> None:
    nodes = two_nodes()
    client = nodes.open()
    nodes.network.refuses = True
    with capturedLogs() as logs:
        client.start_post(9).abort()
    assert no_connection_in(logs) == 1
    assert nodes.protocol_of(client).lost == []


def no_connection_in(logs: Iterable[LogEvent]) -> int:
    return sum("no connection to another" in formatEvent(each) for each in logs)


# --- limits ---------------------------------------------------------------------------


def test_so_many_requests_are_forwarded_at_a_time(
    nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "MAX_UNDER_WAY", 3)
    clients = [nodes.open() for _ in range(4)]
    polls = [client.poll() for client in clients]
    assert [poll.is_pending for poll in polls] == [True, True, True, False]
    assert polls[3].answer.status == 503
    assert polls[3].answer.header("Retry-After") == "1"
    assert nodes.counts == {"busy": 1}
    nodes.send(clients[0], "x")
    assert polls[0].answer.packets == ["4x"]
    assert clients[0].post("4x").answer.text == "ok"
    # A tunnel counts no more.
    clients[0].upgrade()
    assert clients[3].poll().is_pending


def test_each_session_of_the_node_may_have_its_poll_parked(
    nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "MAX_UNDER_WAY", 2)
    clients = [nodes.open() for _ in range(6)]
    nodes.network.sessions = len(clients) - 1
    assert all(client.poll().is_pending for client in clients)
    # They poll, and there is room for others that do something else.
    assert clients[0].post("4x").answer.text == "ok"
    other = nodes.open()
    assert other.poll().is_pending
    assert other.post("4x").answer.status == 503
    nodes.network.sessions = 8
    assert other.post("4x").answer.text == "ok"


def test_a_node_that_takes_no_connection_costs_503(nodes: TwoNodes) -> None:
    client = nodes.open()
    nodes.network.refuses = True
    with capturedLogs() as logs:
        for _ in range(9):
            assert client.poll().answer.status == 503
    # One line a minute is enough.
    assert no_connection_in(logs) == 1
    assert nodes.counts == {"busy": 9}
    nodes.network.refuses = False
    assert client.poll().is_pending


def test_connections_that_idle_are_closed(nodes: TwoNodes) -> None:
    clients = [nodes.open() for _ in range(3)]
    polls = [client.poll() for client in clients]
    for client in clients:
        nodes.send(client, "x")
    assert all(not poll.is_pending for poll in polls)
    assert len(list(nodes.links())) == 3
    nodes.near.advance(20)
    assert clients[0].post("4x").answer.text == "ok"
    nodes.near.advance(15)
    assert len(list(nodes.links())) == 1
    nodes.near.advance(31)
    assert list(nodes.links()) == []


def test_what_is_under_way_outlives_the_last_link(nodes: TwoNodes) -> None:
    client = nodes.open()
    poll = client.poll()
    nodes.forwarder.close()
    nodes.send(client, "x")
    assert poll.answer.packets == ["4x"]
    assert list(nodes.links()) == []


def test_a_client_that_leaves_while_a_connection_is_made() -> None:
    nodes = two_nodes()
    client = nodes.open()
    waiting: list[Deferred[Any]] = []
    nodes.network.waiting = waiting
    with capturedLogs() as logs:
        client.poll().abort()
        nodes.near.settle()
    # It is not made in vain.
    (connecting,) = waiting
    assert connecting.called
    assert nodes.counts == {"left": 1}
    assert no_connection_in(logs) == 0


def test_connections_that_are_being_made_end_with_this_node() -> None:
    nodes = two_nodes()
    client, other = nodes.open(), nodes.open()
    waiting: list[Deferred[Any]] = []
    nodes.network.waiting = waiting
    poll = client.poll()
    other.start_post(9).abort()
    nodes.near.settle()
    assert [each.called for each in waiting] == [False, False]
    with capturedLogs() as logs:
        nodes.forwarder.abort()
    assert [each.called for each in waiting] == [True, True]
    assert (poll.answer.status, poll.answer.json["code"]) == (400, 1)
    assert nodes.counts == {"abandoned": 1, "lost": 1}
    assert no_connection_in(logs) == 0


def test_the_end_of_this_node_gives_everything_back(nodes: TwoNodes) -> None:
    client, other = nodes.open(), nodes.open()
    websocket = other.upgrade()
    poll = client.poll()
    nodes.forwarder.abort()
    nodes.near.settle()
    assert (poll.answer.status, poll.answer.json["code"]) == (400, 1)
    assert websocket.connection.is_closed


def test_the_last_answers_of_a_node_that_has_left_still_come(nodes: TwoNodes) -> None:
    client, other = nodes.open(), nodes.open()
    websocket = other.upgrade()
    poll = client.poll()
    nodes.forwarder.end()
    nodes.near.settle()
    assert poll.is_pending
    nodes.far.session(client.sid).close()
    nodes.far.session(other.sid).close()
    nodes.near.settle()
    assert poll.answer.text == "1"
    assert websocket.close_code() == 1005
    websocket.close()
    assert websocket.connection.is_closed
    nodes.near.assert_nothing_left()


def test_a_node_that_has_left_is_waited_for_only_so_long(nodes: TwoNodes) -> None:
    client, other = nodes.open(), nodes.open()
    websocket = other.upgrade()
    poll = client.poll()
    nodes.forwarder.end()
    nodes.near.advance(forwarder.LAST_ANSWERS - 0.1)
    assert poll.is_pending
    nodes.near.advance(0.2)
    assert (poll.answer.status, poll.answer.json["code"]) == (400, 1)
    assert websocket.connection.is_closed


def test_nothing_is_left() -> None:
    nodes = two_nodes(application=RecordingApplication())
    client = nodes.open()
    client.post("4x")
    client.upgrade().close()
    nodes.near.advance(31)
    nodes.near.assert_nothing_left()
    nodes.far.assert_nothing_left()
