"""How a session ends, and who learns what of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.frames import Frame
from tests.conformance.memory import Exchange, Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    join,
    open_websocket,
    server_for,
)
from txengineio import CloseReason, Session


def farewell(revision: int) -> str:
    """What a parked poll is told when the session has ended."""
    return join(revision, "1")


@pytest.mark.behaviour("B043")
def test_the_write_buffer_can_be_read_in_the_close_handler(revision: int) -> None:
    lengths: list[int] = []
    server = server_for(revision)
    PollingPeer(server, revision)
    session = server.session
    session.send("never sent")
    session.on("close", lambda *_: lengths.append(len(session.write_buffer)))
    session.close(discard=True)
    assert lengths == [1]
    assert len(session.write_buffer) == 0


@pytest.mark.behaviour("B045", "B048", "B071")
def test_a_polling_client_that_never_answers_times_out(revision: int) -> None:
    server = server_for(revision, ping_interval=0.05, ping_timeout=0.05)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    server.advance(0.09)
    assert peer.is_alive()
    server.advance(0.03)
    assert server.closed == [("ping timeout", None)]
    assert poll.text == join(revision, "2" if revision == 4 else "1")
    assert not peer.is_alive()


@pytest.mark.behaviour("B045", "B070")
def test_a_websocket_that_never_answers_times_out(revision: int) -> None:
    server = server_for(revision, ping_interval=0.05, ping_timeout=0.03)
    websocket = open_websocket(server, revision)
    server.advance(0.1)
    assert server.closed == [("ping timeout", None)]
    assert websocket.close_code == 1005
    server.settle()
    assert websocket.connection.lost


@pytest.mark.behaviour("B070")
def test_a_websocket_that_does_not_answer_the_close_frame_is_dropped(
    revision: int,
) -> None:
    server = server_for(revision)
    target = f"?EIO={revision}&transport=websocket"
    websocket = WebSocketPeer(server, target, muted=True)
    server.session.close()
    assert websocket.close_code == 1005
    assert not websocket.connection.lost
    server.advance(30)
    assert websocket.connection.lost


@pytest.mark.behaviour("B046")
def test_close_waits_for_a_polling_client_only_until_it_times_out(
    revision: int,
) -> None:
    server = server_for(revision, ping_interval=0.5, ping_timeout=0.5)
    PollingPeer(server, revision)
    server.session.close()
    server.advance(0.95)
    assert server.session.ready_state.value == "closing"
    server.advance(0.1)
    assert server.closed == [("ping timeout", None)]


@pytest.mark.behaviour("B046")
def test_close_waits_for_a_polling_client_thirty_seconds(revision: int) -> None:
    server = server_for(revision, ping_interval=60)
    PollingPeer(server, revision)
    server.session.close()
    server.clock.advance(29.9)
    assert server.closed == []
    server.clock.advance(0.2)
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B049")
def test_close_by_polling(revision: int) -> None:
    server = server_for(revision)
    poll = PollingPeer(server, revision).poll()
    server.advance(0.01)
    server.session.close()
    assert poll.text == farewell(revision)
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B050")
def test_close_by_websocket(revision: int) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    server.advance(0.01)
    server.session.close()
    assert server.closed == [("forced close", None)]
    assert websocket.close_code == 1005
    assert websocket.received() == []


@pytest.mark.behaviour("B051")
def test_an_engine_can_listen_again(revision: int) -> None:
    server = server_for(revision)
    target = f"?EIO={revision}&transport=websocket"
    server.engine.close()
    assert WebSocketPeer(server, target).response.status == 503
    assert server.get(f"?EIO={revision}&transport=polling").status == 503
    server.listen()
    websocket = open_websocket(server, revision)
    server.session.close()
    assert websocket.close_code == 1005


@pytest.mark.behaviour("B052")
def test_a_polling_client_closes(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    assert peer.post("1").text == "ok"
    assert poll.text == join(revision, "6")
    assert server.closed == [("transport close", None)]


@pytest.mark.behaviour("B053")
@pytest.mark.parametrize("how", ["close frame", "lost"])
def test_a_websocket_client_closes(revision: int, how: str) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    if how == "lost":
        websocket.connection.abort()
    else:
        websocket.close()
    assert server.closed == [("transport close", None)]
    assert websocket.connection.lost


@pytest.mark.behaviour("B054")
def test_what_follows_a_close_packet_is_not_handled(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    peer.post("4before", "1", "4this should not be handled")
    assert server.messages == ["before"]
    assert server.closed == [("transport close", None)]
    websocket = open_websocket(server, revision)
    websocket.send("1", "4this should not be handled")
    assert server.messages == ["before"]


@pytest.mark.behaviour("B055")
@pytest.mark.parametrize("frames", [(), ("2probe",), ("2probe", "5")])
def test_a_client_that_closes_during_its_upgrade_is_no_error(
    revision: int, frames: tuple[str, ...]
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    websocket.send(*frames)
    if frames[-1:] == ("5",):
        websocket.close()
    else:
        peer.post("1")
    server.advance(0.1)
    assert server.closed == [("transport close", None)]
    assert websocket.closed


@pytest.mark.behaviour("B057")
def test_a_lost_poll_ends_the_session(revision: int) -> None:
    states: list[str] = []
    server = server_for(revision)
    poll = PollingPeer(server, revision).poll()
    states.append(server.session.ready_state.value)
    poll.connection.abort()
    states.append(server.session.ready_state.value)
    assert states == ["open", "closed"]
    message = "poll connection closed prematurely"
    assert server.closed == [("transport error", message)]


@pytest.mark.behaviour("B057")
def test_a_connection_lost_after_the_answer_means_nothing(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    server.session.send("a")
    assert poll.status == 200
    poll.connection.abort()
    peer.handshake.connection.abort()
    assert peer.is_alive()


@pytest.mark.behaviour("B058")
def test_a_new_connection_for_every_request(revision: int) -> None:
    server = server_for(revision, echo=True)
    close = {"Connection": "close"}
    peer = PollingPeer(server, revision, headers=close)
    post = peer.post_body(join(revision, "4a").encode(), headers=close)
    poll = peer.poll(close)
    assert post.text == "ok"
    assert poll.text == join(revision, "4a")
    server.settle()
    connections = [exchange.connection for exchange in (peer.handshake, post, poll)]
    assert all(connection.lost for connection in connections)
    assert peer.is_alive()


@pytest.mark.behaviour("B058")
def test_one_connection_for_every_request(revision: int) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    connection = peer.handshake.connection
    body = join(revision, "4a").encode()
    for _ in range(3):
        post = server.request("POST", peer.target, (), body, connection=connection)
        assert post.text == "ok"
        poll = server.request("GET", peer.target, connection=connection)
        assert poll.text == join(revision, "4a")


@pytest.mark.behaviour("B061")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_close_shortly_after_a_heartbeat(revision: int, transport: str) -> None:
    server = server_for(revision, ping_interval=0.08, ping_timeout=0.05)
    heartbeat = "3" if revision == 4 else "2"
    if transport == "polling":
        peer = PollingPeer(server, revision)
        server.advance(0.085)
        peer.post(heartbeat)
        peer.receive()
        poll: Exchange = peer.poll()
        server.advance(0.02)
        server.session.close()
        assert poll.text == farewell(revision)
    else:
        websocket = open_websocket(server, revision)
        server.advance(0.085)
        websocket.send(heartbeat)
        server.advance(0.02)
        server.session.close()
        assert websocket.close_code == 1005
    assert server.closed == [("forced close", None)]


@pytest.mark.not_forwarded("a POST counts from its end on")
@pytest.mark.behaviour("B064")
@pytest.mark.parametrize("discard", [True, False])
def test_close_cuts_off_a_post_that_is_still_arriving(
    revision: int, discard: bool
) -> None:
    server = server_for(revision, plain_site=False)
    peer = PollingPeer(server, revision)
    post = peer.start_post(b"4a", 100)
    assert post.pending
    if not discard:
        poll = peer.poll()
    server.session.close(discard)
    server.settle()
    if not discard:
        assert poll.text == farewell(revision)
    assert post.cut_off
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B065")
@pytest.mark.parametrize("plain_site", [True, False])
def test_a_post_of_octets_ends_the_session(plain_site: bool) -> None:
    server = Server(plain_site=plain_site)
    peer = PollingPeer(server)
    response = peer.post_body(b"4a", "application/octet-stream").response
    assert (response.status, response.body) == (400, b"")
    assert server.closed == [("transport error", "invalid content")]
    assert server.messages == []
    assert peer.poll().status == 400


@pytest.mark.behaviour("B065")
@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream; charset=x", "Application/Octet-Stream", "text/html"],
)
def test_any_other_content_type_is_text(content_type: str) -> None:
    server = Server()
    peer = PollingPeer(server)
    assert peer.post_body(b"4a", content_type).status == 200
    assert server.messages == ["a"]


@pytest.mark.behaviour("B072")
def test_an_unparsable_frame_is_a_parse_error(revision: int) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    websocket.send("invalid")
    assert server.closed == [("parse error", None)]
    assert websocket.close_code == 1005


@pytest.mark.behaviour("B073")
def test_an_unparsable_post_is_a_parse_error(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    assert peer.post_body(b"invalid").status == 400
    assert server.closed == [("parse error", None)]
    assert poll.text == farewell(revision)


@pytest.mark.behaviour("B074")
@pytest.mark.parametrize("parked", [True, False])
def test_close_as_an_upgrade_starts_closes_the_websocket(
    revision: int, parked: bool
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.on("upgrading", lambda transport: server.session.close())
    if parked:
        poll = peer.poll()
    websocket = peer.websocket()
    websocket.send("2probe")
    if parked:
        assert poll.text == farewell(revision)
    else:
        assert not websocket.closed
        websocket.send("5")
    assert websocket.closed
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B075")
def test_an_upgrade_that_is_not_finished_in_time_is_closed(revision: int) -> None:
    server = server_for(revision, upgrade_timeout=0.1)
    peer = PollingPeer(server, revision)
    websocket = peer.websocket()
    server.advance(0.08)
    websocket.send("2probe")
    assert not websocket.closed
    server.advance(0.03)
    assert websocket.close_code == 1005
    assert peer.is_alive()


@pytest.mark.behaviour("B076")
def test_an_upgraded_session_that_answers_heartbeats_stays(revision: int) -> None:
    server = server_for(revision, ping_interval=0.2, ping_timeout=0.02)
    websocket = PollingPeer(server, revision).upgrade()
    for _ in range(5):
        server.advance(0.205)
        websocket.send("3" if revision == 4 else "2")
    assert websocket.received() == ["2" if revision == 4 else "3"] * 5
    assert not websocket.closed


@pytest.mark.behaviour("B077")
def test_the_engine_closes_as_soon_as_a_client_is_open(revision: int) -> None:
    server = server_for(revision)
    server.engine.on("connection", lambda session: server.engine.close())
    peer = PollingPeer(server, revision)
    assert server.closed == [] or server.closed[0][0] == "forced close"
    assert not peer.is_alive()


def send_only(session: Session) -> None:
    session.send("hello")


def send_and_close(session: Session) -> None:
    session.send("hello")
    session.close()


@pytest.mark.behaviour("B078", "B079")
@pytest.mark.parametrize("before", [send_only, send_and_close])
def test_what_is_buffered_is_dropped_when_the_engine_closes(
    revision: int, before: Callable[[Session], None]
) -> None:
    server = server_for(revision)
    server.engine.on("connection", before)
    server.engine.on("connection", lambda session: server.engine.close())
    peer = PollingPeer(server, revision)
    assert peer.poll().status in {400, 503}
    assert server.session.closed is not None
    assert server.session.closed.reason is CloseReason.FORCED_CLOSE


@pytest.mark.behaviour("B080")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_send_then_close_sends(revision: int, transport: str) -> None:
    server = server_for(revision, on_connection=send_and_close)
    if transport == "polling":
        peer = PollingPeer(server, revision)
        assert peer.receive() == ["4hello"]
        assert peer.receive() == ["6", "1"]
    else:
        websocket = open_websocket(server, revision)
        assert websocket.received() == ["4hello"]
        assert websocket.close_code == 1005
    assert server.session.closed is not None


def upgrading(peer: PollingPeer) -> None:
    peer.websocket().send("2probe")


def polling(peer: PollingPeer) -> None:
    peer.poll()


def closing(peer: PollingPeer) -> None:
    peer.server.session.close()


@pytest.mark.not_forwarded("a connection between nodes stays for a while")
@pytest.mark.behaviour("B081", "B082", "B083")
@pytest.mark.parametrize(
    "situation", [polling, closing, upgrading, PollingPeer.upgrade, lambda peer: None]
)
def test_nothing_is_scheduled_after_the_engine_closed(
    revision: int, situation: Callable[[PollingPeer], Any]
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    situation(peer)
    done = server.engine.close()
    for connection in server.connections:
        connection.abort()
    server.settle()
    assert server.clock.getDelayedCalls() == []
    assert done.called
    assert server.session.ready_state.value == "closed"


@pytest.mark.behaviour("B053")
@pytest.mark.parametrize(
    "frame",
    [
        Frame(opcode=3),
        Frame(opcode=1, payload=b"4\xff"),
        Frame(opcode=0, payload=b"4a"),
        Frame(opcode=9, payload=b"x", final=False),
        Frame(opcode=1, payload=b"4a", compressed=True),
    ],
    ids=["reserved opcode", "not UTF-8", "stray continuation", "split ping", "bit"],
)
def test_a_broken_frame_is_a_transport_error(revision: int, frame: Frame) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    websocket.send_frames(frame)
    assert websocket.close_code == (1007 if b"\xff" in frame.payload else 1002)
    assert server.closed[0][0] == "transport error"


@pytest.mark.behaviour("B053")
def test_a_frame_without_a_mask_is_a_transport_error(revision: int) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    websocket.connection.send(Frame.of("4a").to_bytes(masked=False))
    assert websocket.close_code == 1002
    assert server.closed[0][0] == "transport error"
    assert server.messages == []
