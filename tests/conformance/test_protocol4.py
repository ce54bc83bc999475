"""The protocol, revision 4, as its published test suite checks it."""

from __future__ import annotations

import json

import pytest

from tests.conformance.memory import Server
from tests.conformance.peers import RS, PollingPeer, WebSocketPeer, open_websocket


@pytest.fixture
def server() -> Server:
    return Server(echo=True, ping_interval=0.3, ping_timeout=0.2)


@pytest.mark.behaviour("B190")
def test_a_polling_handshake_has_an_open_packet_with_five_members(
    server: Server,
) -> None:
    response = server.get("?EIO=4&transport=polling").response
    assert response.status == 200
    assert response.text[0] == "0"
    values = json.loads(response.text[1:])
    assert isinstance(values.pop("sid"), str)
    assert list(values.items()) == [
        ("upgrades", ["websocket"]),
        ("pingInterval", 300),
        ("pingTimeout", 200),
        ("maxPayload", 1000000),
    ]


@pytest.mark.behaviour("B191")
@pytest.mark.parametrize("query", ["", "&EIO=abc", "&EIO=5", "&EIO=", "&EIO=04"])
def test_polling_in_another_revision_is_refused(server: Server, query: str) -> None:
    response = server.get(f"?transport=polling{query}").response
    assert response.status == 400
    assert response.json() == {"code": 5, "message": "Unsupported protocol version"}


@pytest.mark.behaviour("B192")
@pytest.mark.parametrize("query", ["", "&transport=abc", "&transport=Polling"])
def test_polling_by_another_transport_is_refused(server: Server, query: str) -> None:
    response = server.get(f"?EIO=4{query}").response
    assert response.status == 400
    assert response.json() == {"code": 0, "message": "Transport unknown"}


@pytest.mark.behaviour("B193")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_handshake_by_another_method_is_refused(server: Server, method: str) -> None:
    response = server.request(method, "?EIO=4&transport=polling").response
    assert response.status == 400
    assert response.json() == {"code": 2, "message": "Bad handshake method"}


@pytest.mark.behaviour("B193")
def test_a_handshake_by_head_is_refused_without_a_body(server: Server) -> None:
    exchange = server.request("HEAD", "?EIO=4&transport=polling")
    assert exchange.status == 400
    assert exchange.connection.received == b""


@pytest.mark.behaviour("B194", "B030")
def test_the_first_frame_of_a_websocket_is_the_open_packet(server: Server) -> None:
    websocket = WebSocketPeer(server, "?EIO=4&transport=websocket")
    (message,) = websocket.received()
    assert isinstance(message, str)
    values = json.loads(message[1:])
    assert message[0] == "0"
    assert isinstance(values.pop("sid"), str)
    assert list(values.items()) == [
        ("upgrades", []),
        ("pingInterval", 300),
        ("pingTimeout", 200),
        ("maxPayload", 1000000),
    ]


@pytest.mark.behaviour("B195")
@pytest.mark.parametrize("query", ["", "&EIO=abc"])
def test_a_websocket_in_another_revision_is_refused_before_the_101(
    server: Server, query: str
) -> None:
    websocket = WebSocketPeer(server, f"?transport=websocket{query}")
    assert websocket.response.status == 400
    assert websocket.response.json()["code"] == 5


@pytest.mark.behaviour("B196")
@pytest.mark.parametrize("query", ["", "&transport=abc", "&transport=polling"])
def test_a_websocket_by_another_transport_is_refused(
    server: Server, query: str
) -> None:
    websocket = WebSocketPeer(server, f"?EIO=4{query}")
    assert websocket.response.status == 400
    assert server.sessions == []


@pytest.mark.behaviour("B197")
def test_a_post_is_answered_and_echoed_by_the_next_poll(server: Server) -> None:
    peer = PollingPeer(server)
    response = peer.post("4hello").response
    assert (response.status, response.text) == (200, "ok")
    assert response.header("Content-Type") == "text/html"
    assert response.header("cache-control") == "no-store"
    response = peer.poll().response
    assert (response.status, response.text) == (200, "4hello")
    assert response.header("Content-Type") == "text/plain; charset=UTF-8"
    assert response.header("Content-Length") == "6"


@pytest.mark.behaviour("B198")
def test_three_messages_come_back_in_one_payload(server: Server) -> None:
    peer = PollingPeer(server)
    payload = RS.join(["4test1", "4test2", "4test3"])
    assert peer.post(payload).text == "ok"
    assert peer.poll().text == payload


@pytest.mark.behaviour("B199")
def test_text_and_binary_come_back_in_one_payload(server: Server) -> None:
    peer = PollingPeer(server)
    assert peer.post("4hello", "bAQIDBA==").text == "ok"
    assert server.messages == ["hello", b"\x01\x02\x03\x04"]
    assert peer.receive() == ["4hello", "bAQIDBA=="]


@pytest.mark.behaviour("B200")
@pytest.mark.parametrize(
    "body",
    ["abc", "", RS, f"4a{RS}", f"{RS}4a", "7", "b!!!", "bA", "\ufeff4a"],
    ids=repr,
)
def test_an_unparsable_payload_ends_the_session(server: Server, body: str) -> None:
    peer = PollingPeer(server)
    assert peer.post(body).status == 400
    assert server.closed == [("parse error", None)]
    assert peer.poll().status == 400


@pytest.mark.behaviour("B200")
def test_what_precedes_the_error_in_a_payload_is_delivered(server: Server) -> None:
    peer = PollingPeer(server)
    poll = peer.poll()
    assert peer.post("4good", "abc", "4bad").status == 400
    assert server.messages == ["good"]
    assert poll.status == 200


@pytest.mark.behaviour("B200")
def test_a_post_that_is_not_utf8_ends_the_session(server: Server) -> None:
    peer = PollingPeer(server)
    assert peer.post_body(b"4\xff").status == 400
    assert server.closed[0][0] == "parse error"
    assert server.messages == []


@pytest.mark.behaviour("B201")
def test_a_second_poll_ends_the_session(server: Server) -> None:
    peer = PollingPeer(server)
    first = peer.poll()
    server.advance(0.005)
    second = peer.poll()
    assert (first.status, first.text) == (200, "1")
    assert (second.status, second.text) == (400, "")
    assert peer.poll().status == 400
    assert server.closed == [("transport error", "overlap from client")]
    assert len(server.errors) == 1


@pytest.mark.behaviour("B202")
def test_a_websocket_echoes_text(server: Server) -> None:
    websocket = open_websocket(server)
    websocket.send("4hello")
    assert websocket.received() == ["4hello"]


@pytest.mark.behaviour("B203")
@pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b"", b"4hello"])
def test_a_websocket_echoes_binary(server: Server, data: bytes) -> None:
    websocket = open_websocket(server)
    websocket.send(data)
    assert websocket.received() == [data]


@pytest.mark.behaviour("B204")
@pytest.mark.parametrize("frame", ["abc", "", "7", "b!!!"])
def test_an_unparsable_frame_closes_the_websocket(server: Server, frame: str) -> None:
    websocket = open_websocket(server)
    websocket.send(frame)
    assert websocket.closed
    assert websocket.close_code == 1005
    assert server.closed == [("parse error", None)]


@pytest.mark.behaviour("B205")
def test_three_heartbeats_by_polling(server: Server) -> None:
    peer = PollingPeer(server)
    for _ in range(3):
        poll = peer.poll()
        server.advance(0.32)
        assert poll.text == "2"
        assert peer.post("3").status == 200
    assert server.closed == []


@pytest.mark.behaviour("B206")
def test_a_silent_polling_client_is_given_up(server: Server) -> None:
    peer = PollingPeer(server)
    server.advance(0.45)
    assert peer.is_alive()
    server.advance(0.1)
    assert peer.poll().status == 400
    assert server.closed == [("ping timeout", None)]


@pytest.mark.behaviour("B207", "B076")
def test_three_heartbeats_by_websocket(server: Server) -> None:
    websocket = open_websocket(server)
    for _ in range(3):
        server.advance(0.32)
        assert websocket.received() == ["2"]
        websocket.send("3")
    assert not websocket.closed


@pytest.mark.behaviour("B208")
def test_a_silent_websocket_is_closed(server: Server) -> None:
    websocket = open_websocket(server)
    server.advance(0.55)
    assert websocket.received() == ["2"]
    assert websocket.closed
    assert server.closed == [("ping timeout", None)]


@pytest.mark.behaviour("B209")
def test_a_close_packet_ends_the_parked_poll_with_a_noop(server: Server) -> None:
    peer = PollingPeer(server)
    poll = peer.poll()
    assert peer.post("1").text == "ok"
    assert (poll.status, poll.text) == (200, "6")
    assert peer.poll().status == 400
    assert server.closed == [("transport close", None)]


@pytest.mark.behaviour("B210")
def test_a_close_packet_closes_a_websocket_at_once(server: Server) -> None:
    websocket = open_websocket(server)
    websocket.send("1")
    assert websocket.closed
    assert server.closed == [("transport close", None)]


@pytest.mark.behaviour("B211")
def test_upgrade(server: Server) -> None:
    peer = PollingPeer(server)
    websocket = peer.websocket()
    websocket.send("2probe")
    assert websocket.received() == ["3probe"]
    poll = peer.poll()
    server.advance(0.11)
    assert (poll.status, poll.text) == (200, "6")
    websocket.send("5")
    websocket.send("4hello")
    assert websocket.received() == ["4hello"]


@pytest.mark.behaviour("B212")
def test_upgrade_with_both_packets_back_to_back(server: Server) -> None:
    peer = PollingPeer(server)
    websocket = peer.websocket()
    websocket.send("2probe", "5")
    assert peer.poll().status == 400
    websocket.send("4hello")
    assert websocket.received() == ["3probe", "4hello"]


@pytest.mark.behaviour("B213", "B008")
def test_after_an_upgrade_a_second_websocket_is_closed(server: Server) -> None:
    peer = PollingPeer(server)
    first = peer.upgrade()
    second = peer.websocket()
    assert second.closed
    first.send("4hello")
    assert first.received() == ["4hello"]
    assert server.closed == []
