"""More of the reference's behaviour, as it was seen on the wire."""

from __future__ import annotations

import re

import pytest

from tests.conformance.exchanges import write_request
from tests.conformance.frames import CLOSE, Frame
from tests.conformance.memory import Connection, Exchange, Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    join,
    open_websocket,
    server_for,
)

FORM = "application/x-www-form-urlencoded"


@pytest.mark.behaviour("B228")
@pytest.mark.parametrize(
    ("revision", "eio"),
    [(3, "&EIO=4"), (4, "&EIO=3"), (4, "&EIO=5"), (4, "&EIO="), (4, "")],
)
def test_another_revision_than_the_sessions_is_refused(revision: int, eio: str) -> None:
    server = Server(allow_eio3=True, echo=True)
    peer = PollingPeer(server, revision)
    context = {
        "name": "PROTOCOL_MISMATCH",
        "protocol": 7 - revision,
        "previousProtocol": revision,
    }
    query = f"transport=polling&sid={peer.sid}{eio}"
    poll = server.get(f"?{query}")
    post = server.request("POST", f"?{query}", (), b"4a")
    websocket = WebSocketPeer(server, f"?transport=websocket&sid={peer.sid}{eio}")
    for response in (poll.response, post.response, websocket.response):
        assert response.status == 400
        assert response.json() == {"code": 3, "message": "Bad request"}
    assert [error.context for error in server.errors] == [context] * 3
    peer.post("4still here")
    assert peer.receive() == ["4still here"]


@pytest.mark.behaviour("B229")
def test_a_message_prolongs_the_time_out_once() -> None:
    server = Server(ping_interval=0.3, ping_timeout=0.2)
    peer = PollingPeer(server)
    server.advance(0.45)
    peer.post("4a")
    server.advance(0.15)
    peer.post("4b")
    assert server.messages == ["a", "b"]
    # 0.65 is 0.45 + 0.2; the second message does not count.
    server.advance(0.07)
    assert server.closed == [("ping timeout", None)]


@pytest.mark.behaviour("B229")
def test_a_message_does_not_replace_the_pong() -> None:
    server = Server(ping_interval=0.3, ping_timeout=0.2)
    websocket = open_websocket(server)
    for _ in range(10):
        server.advance(0.1)
        websocket.send("4a")
    assert server.closed == [("ping timeout", None)]
    assert websocket.received() == ["2"]


@pytest.mark.behaviour("B232")
@pytest.mark.parametrize("pong", ["3", "3data"])
def test_a_pong_that_nobody_asked_for_postpones_the_ping(pong: str) -> None:
    server = Server(ping_interval=0.3, ping_timeout=0.2)
    websocket = open_websocket(server)
    server.advance(0.2)
    websocket.send(pong)
    server.advance(0.28)
    assert websocket.received() == []
    server.advance(0.04)
    assert websocket.received() == ["2"]


@pytest.mark.behaviour("B205", "B207")
def test_the_next_ping_is_due_an_interval_after_the_pong() -> None:
    server = Server(ping_interval=0.3, ping_timeout=0.2)
    websocket = open_websocket(server)
    server.advance(0.32)
    assert websocket.received() == ["2"]
    server.advance(0.1)
    websocket.send("3")
    server.advance(0.28)
    assert websocket.received() == []
    server.advance(0.04)
    assert websocket.received() == ["2"]


@pytest.mark.behaviour("B233")
@pytest.mark.parametrize("data", ["", "probe"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_heartbeat_in_the_wrong_direction_ends_the_session(
    revision: int, transport: str, data: str
) -> None:
    server = server_for(revision)
    heartbeat = ("2" if revision == 4 else "3") + data
    if transport == "polling":
        peer = PollingPeer(server, revision)
        poll = peer.poll()
        assert peer.post(heartbeat, "4dropped").status == 200
        assert poll.text == join(revision, "1")
    else:
        websocket = open_websocket(server, revision)
        websocket.send(heartbeat, "4dropped")
        assert websocket.close_code == 1005
    assert server.closed == [("transport error", "invalid heartbeat direction")]
    assert server.messages == []


@pytest.mark.behaviour("B234")
def test_an_oversize_post_ends_the_session(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=10)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    packet = "4" + "x" * (9 if revision == 4 else 7)
    assert len(join(revision, packet)) == 10
    assert peer.post(packet).status == 200
    assert server.messages == [packet[1:]]
    assert poll.pending
    # As with engine.io 6.6.13; before, it cost the client its POST alone.
    refused = peer.post(packet + "x")
    assert refused.status == 413
    assert poll.text == join(revision, "1")
    assert server.messages == [packet[1:]]
    assert [reason for reason, _ in server.closed] == ["transport error"]


@pytest.mark.behaviour("B234")
def test_the_limit_is_about_bytes(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=10)
    peer = PollingPeer(server, revision)
    assert peer.post("4" + "€" * 3).status == (200 if revision == 4 else 413)
    other = PollingPeer(server, revision)
    assert other.post("4" + "€" * 4).status == 413


@pytest.mark.not_forwarded("a POST counts from its end on")
@pytest.mark.behaviour("B235")
def test_posts_that_overlap_end_the_session(revision: int) -> None:
    server = server_for(revision, plain_site=False)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    first = peer.start_post(b"4", 100)
    second = peer.post("4a")
    assert (second.status, second.response.body) == (400, b"")
    assert first.cut_off
    assert poll.text == join(revision, "1")
    message = "data request overlap from client"
    assert server.closed == [("transport error", message)]
    assert server.messages == []
    assert server.errors == []


@pytest.mark.behaviour("B235")
def test_posts_one_after_the_other_do_not_overlap(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    body = join(revision, "4a").encode()
    request = write_request("POST", f"/engine.io/{peer.target}", (), body)
    connection: Connection = server.connect()
    connection.send(request + request)
    assert Exchange(connection).text == "ok"
    assert Exchange(connection).text == "ok"
    assert server.messages == ["a", "a"]


@pytest.mark.behaviour("B235")
def test_a_post_behind_a_parked_poll_waits_for_it(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    body = join(revision, "4a").encode()
    post = server.request("POST", peer.target, (), body, connection=poll.connection)
    assert server.messages == []
    server.session.send("b")
    assert poll.text == join(revision, "4b")
    # Not in the middle of what the application does.
    server.settle()
    assert post.text == "ok"
    assert server.messages == ["a"]


@pytest.mark.behaviour("B236")
@pytest.mark.parametrize("what", ["poll", "post"])
def test_an_aborted_request_ends_the_session(revision: int, what: str) -> None:
    server = server_for(revision, plain_site=False)
    peer = PollingPeer(server, revision)
    if what == "poll":
        peer.poll().connection.abort()
        message = "poll connection closed prematurely"
    else:
        poll = peer.poll()
        peer.start_post(b"4", 100).connection.abort()
        assert poll.text == join(revision, "1")
        message = "data request connection closed prematurely"
    assert server.closed == [("transport error", message)]
    assert not peer.is_alive()


@pytest.mark.behaviour("B237")
def test_close_without_a_parked_poll(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.close()
    assert server.session.ready_state.value == "closing"
    assert peer.post("4ignored").text == "ok"
    assert server.messages == []
    assert peer.receive() == ["6", "1"]
    assert server.closed == [("forced close", None)]
    assert peer.poll().response.json()["code"] == 1


@pytest.mark.behaviour("B237")
def test_close_with_a_packet_in_the_buffer(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("a")
    server.session.close()
    assert peer.receive() == ["4a"]
    assert server.closed == []
    assert peer.receive() == ["6", "1"]
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B237")
def test_send_and_close_with_a_parked_poll(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    server.session.send("a")
    server.session.close()
    assert poll.text == join(revision, "4a")
    assert peer.receive() == ["6", "1"]


@pytest.mark.behaviour("B237")
def test_a_closing_session_takes_its_clients_goodbye(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.close()
    server.session.close()
    assert peer.post("1").status == 200
    assert server.closed == [("transport close", None)]


@pytest.mark.behaviour("B237")
def test_close_and_discard_waits_for_nothing(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("never sent")
    server.session.close()
    server.session.close(discard=True)
    assert server.closed == [("forced close", None)]
    assert peer.poll().status == 400


@pytest.mark.behaviour("B237")
def test_close_in_a_message_handler_drops_the_rest(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.on("message", lambda message: server.session.close())
    assert peer.post("4a", "4b", "4c").text == "ok"
    assert server.messages in ([], ["a"])
    assert peer.receive() == ["6", "1"]


# --- JSONP ----------------------------------------------------------------------------


def wrapped(body: str, index: str = "0") -> str:
    """Return the payload of a script, which must be exactly one call."""
    match = re.fullmatch(rf'___eio\[{index}\]\("(.*)"\);', body)
    assert match is not None, body
    return match[1].replace('\\"', '"').replace("\\\\", "\\")


@pytest.mark.behaviour("B239")
def test_a_jsonp_handshake_and_poll(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0&b64=1")
    response = peer.handshake.response
    assert response.header("Content-Type") == "text/javascript; charset=UTF-8"
    assert response.header("X-Content-Type-Options") == "nosniff"
    assert wrapped(response.text).endswith("}")
    server.session.send("hi")
    poll = peer.poll(query="&j=1&b64=1")
    assert wrapped(poll.text) == join(revision, "4hi")
    assert server.session.transport.name == "polling"


@pytest.mark.behaviour("B239")
@pytest.mark.parametrize(
    ("index", "digits"), [("1a2", "12"), ("-3", "3"), ("%3Cscript%3E", ""), ("", "")]
)
def test_the_index_is_reduced_to_digits(revision: int, index: str, digits: str) -> None:
    peer = PollingPeer(server_for(revision), revision, f"&j={index}")
    assert peer.handshake.text.startswith(f'___eio[{digits}]("')


@pytest.mark.behaviour("B239")
def test_what_could_end_a_script_is_escaped(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0&b64=1")
    server.session.send("\u2028\u2029€</script>\n")
    body = peer.poll().text
    assert "\u2028" not in body
    assert "\u2029" not in body
    assert "\n" not in body
    assert r"\u2028\u2029€" in body


@pytest.mark.behaviour("B239")
@pytest.mark.parametrize(
    ("field", "messages"),
    [
        ("d=4hello", ["hello"]),
        ("d=4a+b%2Bc", ["a b+c"]),
        (r"d=4a\nb", ["a\nb"]),
        (r"d=4a\\nb", [r"a\nb"]),
        ("d=4%E2%82%AC&other=1", ["€"]),
        ("x=4a", []),
        ("d=4a&d=4b", []),
        ("", []),
    ],
)
def test_a_jsonp_post(revision: int, field: str, messages: list[str]) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0&b64=1")
    if revision == 3:
        lengths = {"a b+c": 6, "a\nb": 4, r"a\nb": 5, "hello": 6, "€": 2}
        size = lengths[messages[0]] if messages else 2
        field = field.replace("d=4", f"d={size}%3A4")
    response = peer.post_body(field.encode(), FORM).response
    assert (response.status, response.text) == (200, "ok")
    assert server.messages == messages
    assert peer.is_alive()


@pytest.mark.behaviour("B239")
def test_a_jsonp_post_that_makes_no_sense(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0&b64=1")
    assert peer.post_body(b"d=abc", FORM).status == 400
    assert server.closed == [("parse error", None)]


@pytest.mark.behaviour("B239")
def test_jsonp_close_packets(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0&b64=1")
    poll = peer.poll()
    server.session.close()
    assert wrapped(poll.text) == join(revision, "1")


@pytest.mark.behaviour("B239")
def test_binary_data_is_base64_on_jsonp(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision, "&j=0")
    server.session.send(b"\x01\x02")
    packet = "bAQI=" if revision == 4 else "b4AQI="
    assert wrapped(peer.poll().text) == join(revision, packet)


@pytest.mark.behaviour("B234", "B239")
def test_the_limit_of_a_jsonp_post_is_about_the_form(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=20)
    peer = PollingPeer(server, revision, "&j=0")
    assert peer.post_body(b"d=" + b"x" * 19, FORM).status == 413
    assert not peer.is_alive()


# --- what was sent before the end -----------------------------------------------------


@pytest.mark.behaviour("B200", "B209", "B226")
@pytest.mark.parametrize("end", ["1", "x"])
def test_answers_to_packets_before_the_end_are_sent(revision: int, end: str) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    peer.post("4a", end)
    assert poll.text == join(revision, "4a")
    assert not peer.is_alive()


@pytest.mark.behaviour("B072", "B204", "B223")
@pytest.mark.parametrize("end", [Frame.of("x"), Frame(opcode=3), Frame(opcode=CLOSE)])
def test_answers_to_frames_before_the_end_are_sent(revision: int, end: Frame) -> None:
    server = server_for(revision, echo=True)
    websocket = open_websocket(server, revision)
    websocket.send_frames(Frame.of("4a"), Frame.of("4b"), end)
    assert websocket.received() == ["4a", "4b"]
    assert websocket.closed


@pytest.mark.behaviour("B053")
@pytest.mark.parametrize(("payload", "code"), [(b"\x03\xe8", 1000), (b"", 1005)])
def test_a_close_frame_is_answered_with_its_code(payload: bytes, code: int) -> None:
    websocket = open_websocket(Server())
    websocket.send_frames(Frame(opcode=CLOSE, payload=payload))
    assert websocket.close_code == code
