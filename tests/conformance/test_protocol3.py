"""The protocol, revision 3, as its published test suite checks it."""

from __future__ import annotations

import json

import pytest

from tests.conformance.exchanges import Response
from tests.conformance.memory import Server
from tests.conformance.peers import (
    PollingPeer,
    WebSocketPeer,
    open_websocket,
    server_for,
)

BINARY = "application/octet-stream"


@pytest.fixture
def server() -> Server:
    return server_for(3, echo=True, ping_interval=0.3, ping_timeout=0.2)


@pytest.fixture
def peer(server: Server) -> PollingPeer:
    """A polling client that does not take binary payloads."""
    return PollingPeer(server, 3, "&b64=1")


def opening_of(packet: str) -> list[tuple[str, object]]:
    assert packet[0] == "0"
    values = json.loads(packet[1:])
    assert isinstance(values.pop("sid"), str)
    return list(values.items())


def expected_opening(*upgrades: str) -> list[tuple[str, object]]:
    return [
        ("upgrades", list(upgrades)),
        ("pingInterval", 300),
        ("pingTimeout", 200),
        ("maxPayload", 1000000),
    ]


@pytest.mark.behaviour("B214")
@pytest.mark.parametrize("query", ["?EIO=3&", "?", "?EIO=abc&", "?EIO=5&", "?EIO=04&"])
def test_a_polling_handshake_is_an_open_packet_behind_its_length(
    server: Server, query: str
) -> None:
    response = server.get(f"{query}transport=polling").response
    assert response.status == 200
    assert response.header("Content-Type") == "text/plain; charset=UTF-8"
    length, _, packet = response.text.partition(":")
    assert int(length) == len(packet)
    assert opening_of(packet) == expected_opening("websocket")


@pytest.mark.behaviour("B215")
@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "?EIO=3", 0),
        ("GET", "?EIO=3&transport=abc", 0),
        ("POST", "?EIO=3&transport=polling", 2),
        ("PUT", "?EIO=3&transport=polling", 2),
    ],
)
def test_a_bad_handshake_is_refused(
    server: Server, method: str, query: str, code: int
) -> None:
    response = server.request(method, query).response
    assert response.status == 400
    assert response.json()["code"] == code


@pytest.mark.behaviour("B216", "B030")
def test_the_first_frame_of_a_websocket_is_the_bare_open_packet(server: Server) -> None:
    websocket = WebSocketPeer(server, "?EIO=3&transport=websocket")
    (packet,) = websocket.received()
    assert isinstance(packet, str)
    assert opening_of(packet) == expected_opening()


@pytest.mark.behaviour("B217")
@pytest.mark.parametrize("query", ["", "&transport=abc"])
def test_a_websocket_by_another_transport_is_refused(
    server: Server, query: str
) -> None:
    websocket = WebSocketPeer(server, f"?EIO=3{query}")
    assert websocket.response.status == 400


@pytest.mark.behaviour("B218")
@pytest.mark.parametrize("payload", ["6:4hello", "6:4test16:4test26:4test3"])
def test_messages_come_back_in_the_same_payload(
    peer: PollingPeer, payload: str
) -> None:
    response = peer.post_body(payload.encode()).response
    assert (response.status, response.text) == (200, "ok")
    assert response.header("Content-Type") == "text/html"
    response = peer.poll().response
    assert (response.status, response.text) == (200, payload)
    assert response.header("Content-Type") == "text/plain; charset=UTF-8"
    assert response.header("cache-control") == "no-store"


@pytest.mark.behaviour("B218")
@pytest.mark.parametrize("payload", ["2:4€", "3:4😀", "2:4€3:4😀3:4ab"])
def test_lengths_are_in_utf16_code_units(peer: PollingPeer, payload: str) -> None:
    assert peer.post_body(payload.encode()).status == 200
    assert peer.poll().text == payload


@pytest.mark.behaviour("B219")
def test_text_and_binary_as_base64(peer: PollingPeer) -> None:
    payload = "6:4hello10:b4AQIDBA=="
    assert peer.post_body(payload.encode()).text == "ok"
    assert peer.server.messages == ["hello", b"\x01\x02\x03\x04"]
    assert peer.poll().text == payload


def hexadecimal(response: Response) -> str:
    assert response.status == 200
    assert response.header("Content-Type") == BINARY
    return response.body.hex(" ")


@pytest.mark.behaviour("B220")
def test_text_and_binary_as_a_binary_payload(server: Server) -> None:
    peer = PollingPeer(server, 3)
    assert peer.post_body(b"6:4hello10:b4AQIDBA==").text == "ok"
    assert hexadecimal(peer.poll().response) == (
        "00 06 ff 34 68 65 6c 6c 6f 01 05 ff 04 01 02 03 04"
    )


@pytest.mark.behaviour("B220")
def test_without_binary_data_the_payload_is_text(server: Server) -> None:
    peer = PollingPeer(server, 3)
    peer.post_body(b"6:4hello")
    response = peer.poll().response
    assert response.header("Content-Type") == "text/plain; charset=UTF-8"
    assert response.text == "6:4hello"


@pytest.mark.behaviour("B220")
def test_a_posted_binary_payload(server: Server) -> None:
    peer = PollingPeer(server, 3)
    body = bytes.fromhex("00 04 ff 34 e2 82 ac 01 05 ff 04 01 02 03 04")
    assert peer.post_body(body, BINARY).text == "ok"
    assert server.messages == ["€", b"\x01\x02\x03\x04"]
    assert peer.poll().response.body == body


@pytest.mark.behaviour("B220")
@pytest.mark.parametrize(
    ("query", "is_binary"), [("&b64=0", False), ("&b64=", True), ("&b64=1", False)]
)
def test_any_value_of_b64_asks_for_base64(
    server: Server, query: str, is_binary: bool
) -> None:
    peer = PollingPeer(server, 3, query)
    server.session.send(b"\x01")
    # Only the handshake counts.
    response = peer.poll(query="&b64=1").response
    assert (response.header("Content-Type") == BINARY) is is_binary


@pytest.mark.behaviour("B221")
@pytest.mark.parametrize(
    "body", ["abc", "", "3:4a", "1:", "4hello", "02:4a\u0664:4abc", "2:9a", "x:4a"]
)
def test_an_unparsable_payload_ends_the_session(peer: PollingPeer, body: str) -> None:
    assert peer.post_body(body.encode()).status == 400
    assert peer.poll().status == 400
    assert peer.server.closed == [("parse error", None)]


@pytest.mark.behaviour("B221")
@pytest.mark.parametrize("body", ["00 02 34 61", "02 02 ff 34 61", "00 05 ff 34 61"])
def test_an_unparsable_binary_payload_ends_the_session(
    server: Server, body: str
) -> None:
    peer = PollingPeer(server, 3)
    assert peer.post_body(bytes.fromhex(body), BINARY).status == 400
    assert not peer.is_alive()


@pytest.mark.behaviour("B222")
def test_a_second_poll_ends_the_session(peer: PollingPeer) -> None:
    first, second = peer.poll(), peer.poll()
    assert (first.status, first.text) == (200, "1:1")
    assert (second.status, second.text) == (400, "")
    assert peer.server.closed == [("transport error", "overlap from client")]


@pytest.mark.behaviour("B223")
@pytest.mark.parametrize("frame", ["4hello", b"\x04\x01\x02\x03\x04", b"\x04"])
def test_a_websocket_echoes(server: Server, frame: str | bytes) -> None:
    websocket = open_websocket(server, 3)
    websocket.send(frame)
    assert websocket.received() == [frame]


@pytest.mark.behaviour("B223")
def test_a_websocket_that_wants_base64_gets_it(server: Server) -> None:
    websocket = open_websocket(server, 3, "&b64=1")
    websocket.send(b"\x04\x01\x02", "b4AQI=")
    assert websocket.received() == ["b4AQI=", "b4AQI="]


@pytest.mark.behaviour("B223")
@pytest.mark.parametrize("frame", ["abc", "", b"\x09\x01", b"", "b9AA", "b"])
def test_an_unparsable_frame_closes_the_websocket(
    server: Server, frame: str | bytes
) -> None:
    websocket = open_websocket(server, 3)
    websocket.send(frame)
    assert websocket.closed
    assert server.closed == [("parse error", None)]


@pytest.mark.behaviour("B224")
@pytest.mark.parametrize("ping", ["2", "2probe"])
def test_pings_are_answered_by_polling_without_their_data(
    peer: PollingPeer, ping: str
) -> None:
    for _ in range(3):
        peer.server.advance(0.3)
        assert peer.post(ping).status == 200
        assert peer.poll().text == "1:3"


@pytest.mark.behaviour("B224", "B076")
@pytest.mark.parametrize("ping", ["2", "2probe", b"\x02"])
def test_pings_are_answered_by_websocket_without_their_data(
    server: Server, ping: str | bytes
) -> None:
    websocket = open_websocket(server, 3)
    for _ in range(3):
        server.advance(0.3)
        websocket.send(ping)
        assert websocket.received() == ["3"]


@pytest.mark.behaviour("B225")
def test_a_silent_polling_client_is_given_up(peer: PollingPeer) -> None:
    peer.server.advance(0.45)
    # Messages are no heartbeat.
    assert peer.post("4a").status == 200
    peer.server.advance(0.1)
    assert peer.post("4a").status == 400
    assert peer.server.closed == [("ping timeout", None)]


@pytest.mark.behaviour("B225")
def test_a_silent_websocket_is_closed(server: Server) -> None:
    websocket = open_websocket(server, 3)
    server.advance(0.45)
    assert not websocket.closed
    server.advance(0.1)
    assert websocket.closed


@pytest.mark.behaviour("B226")
def test_a_close_packet_ends_the_parked_poll_with_a_noop(peer: PollingPeer) -> None:
    poll = peer.poll()
    assert peer.post_body(b"1:1").text == "ok"
    assert (poll.status, poll.text) == (200, "1:6")
    assert peer.poll().status == 400


@pytest.mark.behaviour("B226")
def test_a_close_packet_closes_a_websocket_at_once(server: Server) -> None:
    websocket = open_websocket(server, 3)
    websocket.send("1")
    assert websocket.closed
    assert server.closed == [("transport close", None)]


@pytest.mark.behaviour("B227")
def test_upgrade(peer: PollingPeer) -> None:
    websocket = peer.websocket()
    websocket.send("2probe")
    assert websocket.received() == ["3probe"]
    poll = peer.poll()
    assert poll.pending
    peer.server.advance(0.11)
    assert poll.text == "1:6"
    websocket.send("5")
    websocket.send("4hello")
    assert websocket.received() == ["4hello"]
    assert peer.poll().status == 400
    second = peer.websocket()
    assert second.closed
    websocket.send("4again")
    assert websocket.received() == ["4again"]


@pytest.mark.behaviour("B227")
def test_an_upgraded_client_that_falls_silent_is_given_up(peer: PollingPeer) -> None:
    websocket = peer.upgrade()
    peer.server.advance(0.55)
    assert websocket.closed
    assert peer.server.closed == [("ping timeout", None)]
