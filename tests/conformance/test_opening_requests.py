"""Requests that ask for a WebSocket: what is refused, and what is chosen."""

from __future__ import annotations

import pytest

from tests.conformance.exchanges import write_request
from tests.conformance.memory import Server
from tests.conformance.peers import (
    WEBSOCKET_HEADERS,
    PollingPeer,
    join,
    open_websocket,
    server_for,
)


@pytest.mark.behaviour("B056")
@pytest.mark.parametrize("query", ["", "?EIO=4&transport=websocket"])
def test_a_bare_upgrade_request_is_refused(query: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert server_for(3).get(f"/engine.io/{query}", headers).status == 400


@pytest.mark.behaviour("B056")
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Sec-WebSocket-Key", "", 400),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==", 400),
        ("Sec-WebSocket-Version", "12", 400),
        ("Sec-WebSocket-Version", "", 400),
        ("Sec-WebSocket-Protocol", "a, a", 400),
        ("Sec-WebSocket-Protocol", "b\x40", 400),
    ],
)
def test_a_bad_opening_request_is_refused(header: str, value: str, status: int) -> None:
    server = Server()
    headers = {**WEBSOCKET_HEADERS, header: value}
    response = server.get("?EIO=4&transport=websocket", headers).response
    assert response.status == status
    if header == "Sec-WebSocket-Version":
        assert response.header("Sec-WebSocket-Version") == "13, 8"
    assert server.sessions == []


@pytest.mark.behaviour("B056")
def test_an_opening_request_by_another_method_is_refused() -> None:
    server = Server()
    peer = PollingPeer(server)
    target = f"/engine.io/?EIO=4&transport=websocket&sid={peer.sid}"
    response = server.request("POST", target, WEBSOCKET_HEADERS).response
    assert response.status == 405


@pytest.mark.behaviour("B056")
def test_the_first_subprotocol_is_chosen() -> None:
    server = Server()
    headers = {"Sec-WebSocket-Protocol": "first, second"}
    websocket = open_websocket(server, headers=headers)
    assert websocket.response.header("Sec-WebSocket-Protocol") == "first"


@pytest.mark.behaviour("B056")
def test_version_8_is_spoken_too() -> None:
    server = Server(echo=True)
    headers = {**WEBSOCKET_HEADERS, "Sec-WebSocket-Version": "8"}
    connection = server.connect()
    target = "/engine.io/?EIO=4&transport=websocket"
    connection.send(write_request("GET", target, headers))
    assert connection.received.startswith(b"HTTP/1.1 101 ")


@pytest.mark.behaviour("B056")
def test_an_offer_of_another_protocol_is_plain_http(revision: int) -> None:
    server = server_for(revision)
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    peer = PollingPeer(server, revision, headers=headers)
    server.session.send("a")
    assert peer.poll(headers).text == join(revision, "4a")
