"""Compression: of the answers to polls, and of WebSocket messages."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.exchanges import Response
from tests.conformance.frames import TEXT, Frame, deflate
from tests.conformance.memory import Server
from tests.conformance.peers import PollingPeer, WebSocketPeer, open_websocket

Options = dict[str, Any]

BOTH = "gzip, deflate"


def polled(
    size: int,
    accept: str | None = BOTH,
    *,
    compress: bool = True,
    query: str = "",
    **options: Any,
) -> Response:
    """Return the answer that carries a message of some size to a client."""
    server = Server(
        allow_eio3=True,
        transports=("polling",),
        on_connection=lambda session: session.send(bytes(size), compress=compress),
        **options,
    )
    peer = PollingPeer(server, 3, query)
    headers = {} if accept is None else {"Accept-Encoding": accept}
    return peer.poll(headers).response


def payload_of(message: bytes) -> bytes:
    digits = bytes(int(digit) for digit in str(len(message) + 1))
    return b"\x01" + digits + b"\xff\x04" + message


@pytest.mark.behaviour("B130")
def test_gzip_from_1024_bytes_on() -> None:
    response = polled(1024)
    assert response.header("Content-Encoding") == "gzip"
    assert response.header("Content-Type") == "application/octet-stream"
    assert gzip.decompress(response.body) == payload_of(bytes(1024))


@pytest.mark.behaviour("B130", "B135")
@pytest.mark.parametrize(("size", "encoding"), [(1023, None), (1024, "gzip")])
def test_the_threshold_is_about_the_body(size: int, encoding: str | None) -> None:
    overhead = len(payload_of(bytes(size - 10))) - (size - 10)
    response = polled(size - overhead)
    assert response.header("Content-Encoding") == encoding


@pytest.mark.behaviour("B131")
def test_deflate_for_a_client_that_knows_nothing_else() -> None:
    response = polled(1024, "deflate")
    assert response.header("Content-Encoding") == "deflate"
    assert response.body[0] == 0x78
    assert zlib.decompress(response.body) == payload_of(bytes(1024))


@pytest.mark.behaviour("B130", "B131")
@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("*", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.4, deflate;q=0.5", "deflate"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0", None),
        ("identity;q=1, gzip;q=0.5", "gzip"),
        ("GZIP", "gzip"),
    ],
)
def test_the_client_chooses_the_encoding(
    accept: str | None, encoding: str | None
) -> None:
    response = polled(2000, accept)
    if accept == "gzip;q=0, *":
        # That gzip is out is what matters; what else the client knows is a guess.
        assert response.header("Content-Encoding") in {None, "deflate"}
    else:
        assert response.header("Content-Encoding") == encoding
    assert response.header("Vary") == "Accept-Encoding"


@pytest.mark.behaviour("B132")
def test_threshold_zero_compresses_everything() -> None:
    response = polled(10, http_compression={"threshold": 0})
    assert response.header("Content-Encoding") == "gzip"


@pytest.mark.behaviour("B133")
def test_compression_switched_off() -> None:
    response = polled(1024, http_compression=False)
    assert response.header("Content-Encoding") is None
    assert response.body == payload_of(bytes(1024))


@pytest.mark.behaviour("B134")
def test_a_message_that_is_not_to_be_compressed() -> None:
    response = polled(1024, compress=False)
    assert response.header("Content-Encoding") is None


@pytest.mark.behaviour("B134")
def test_one_message_that_may_be_compressed_is_enough() -> None:
    server = Server()
    peer = PollingPeer(server)
    server.session.send("a" * 1024, compress=False)
    server.session.send("b")
    headers = {"Accept-Encoding": "gzip"}
    assert peer.poll(headers).response.header("Content-Encoding") == "gzip"


@pytest.mark.behaviour("B135")
def test_below_the_threshold_nothing_is_compressed() -> None:
    assert polled(100).header("Content-Encoding") is None


@pytest.mark.behaviour("B130", "B239")
def test_jsonp_is_compressed_like_the_rest() -> None:
    server = Server()
    peer = PollingPeer(server, query="&j=0")
    server.session.send("a" * 1024)
    response = peer.poll({"Accept-Encoding": "gzip"}).response
    text = "a" * 1024
    expected = f'___eio[0]("4{text}");'.encode()
    assert gzip.decompress(response.body) == expected


@pytest.mark.behaviour("B130")
def test_answers_to_posts_and_errors_are_not_compressed() -> None:
    server = Server(http_compression={"threshold": 0})
    peer = PollingPeer(server)
    headers = {"Accept-Encoding": "gzip"}
    post = peer.post_body(b"4a", headers=headers)
    assert post.text == "ok"
    error = server.get("?EIO=4&transport=polling&sid=none", headers)
    assert error.response.json()["code"] == 1


@pytest.mark.behaviour("B231")
def test_a_compressed_poll_calls_back_once() -> None:
    ran: list[str] = []
    server = Server()
    peer = PollingPeer(server)
    poll = peer.poll({"Accept-Encoding": "gzip"})
    server.session.send(
        "a" * 2000, on_flushed=lambda transport: ran.append(transport.name)
    )
    server.settle()
    assert poll.response.header("Content-Encoding") == "gzip"
    poll.connection.abort()
    server.advance(1)
    assert ran == ["polling"]
    assert peer.is_alive()


# --- WebSocket ------------------------------------------------------------------------

EXTENSION = "permessage-deflate"


def deflating(offer: str = EXTENSION, **options: Any) -> tuple[Server, WebSocketPeer]:
    server = Server(echo=True, per_message_deflate=options or True)
    headers = {"Sec-WebSocket-Extensions": offer}
    return server, open_websocket(server, headers=headers)


def accepted(websocket: WebSocketPeer) -> list[str]:
    header = websocket.response.header("Sec-WebSocket-Extensions") or ""
    return [part.strip() for part in header.split(";")]


@pytest.mark.behaviour("B124")
@pytest.mark.parametrize(("size", "compressed"), [(1022, False), (1023, True)])
def test_websocket_messages_are_compressed_from_the_threshold_on(
    size: int, compressed: bool
) -> None:
    server, websocket = deflating()
    assert accepted(websocket)[0] == EXTENSION
    server.session.send("a" * size)
    assert websocket.received() == ["4" + "a" * size]
    assert websocket.frames[-1].compressed is compressed


@pytest.mark.behaviour("B124", "B134")
def test_websocket_messages_that_are_not_to_be_compressed() -> None:
    server, websocket = deflating()
    server.session.send("a" * 2000, compress=False)
    assert not websocket.frames or not websocket.frames[-1].compressed
    assert websocket.received() == ["4" + "a" * 2000]


@pytest.mark.behaviour("B124")
def test_compressed_websocket_messages_are_taken() -> None:
    server, websocket = deflating()
    payload = deflate(b"4" + b"a" * 2000)
    websocket.send_frames(Frame(opcode=TEXT, payload=payload, compressed=True))
    assert server.messages == ["a" * 2000]


@pytest.mark.behaviour("B087", "B124")
def test_the_size_limit_is_about_the_inflated_message() -> None:
    server = Server(per_message_deflate=True, max_http_buffer_size=1000)
    headers = {"Sec-WebSocket-Extensions": EXTENSION}
    websocket = open_websocket(server, headers=headers)
    payload = deflate(b"4" + b"a" * 100_000)
    assert len(payload) < 1000
    websocket.send_frames(Frame(opcode=TEXT, payload=payload, compressed=True))
    assert websocket.close_code == 1009
    assert server.messages == []


@pytest.mark.behaviour("B124")
@pytest.mark.parametrize(
    ("offer", "options", "parameters"),
    [
        (EXTENSION, {}, set()),
        (
            f"{EXTENSION}; server_no_context_takeover",
            {},
            {"server_no_context_takeover"},
        ),
        (
            EXTENSION,
            {"server_no_context_takeover": True},
            {"server_no_context_takeover"},
        ),
        (
            EXTENSION,
            {"client_no_context_takeover": True},
            {"client_no_context_takeover"},
        ),
        (f"{EXTENSION}; server_max_window_bits=10", {}, {"server_max_window_bits=10"}),
        (
            f"{EXTENSION}; client_max_window_bits",
            {"client_max_window_bits": 11},
            {"client_max_window_bits=11"},
        ),
        (
            EXTENSION,
            {"server_max_window_bits": 12},
            {"server_max_window_bits=12"},
        ),
    ],
)
def test_the_parameters_of_the_extension(
    offer: str, options: Options, parameters: set[str]
) -> None:
    _, websocket = deflating(offer, **options)
    assert set(accepted(websocket)) == {EXTENSION, *parameters}


@pytest.mark.behaviour("B124")
@pytest.mark.parametrize(
    "server_of",
    [Server, lambda: Server(per_message_deflate=False)],
    ids=["default", "off"],
)
def test_the_extension_is_not_accepted_unless_it_is_on(
    server_of: Callable[[], Server],
) -> None:
    headers = {"Sec-WebSocket-Extensions": EXTENSION}
    websocket = open_websocket(server_of(), headers=headers)
    assert websocket.response.header("Sec-WebSocket-Extensions") is None


@pytest.mark.behaviour("B056", "B124")
@pytest.mark.parametrize("offer", ["=", f"{EXTENSION};;", f"{EXTENSION}, ,"])
def test_a_broken_offer_is_refused(offer: str) -> None:
    server = Server(per_message_deflate=True)
    headers = {"Sec-WebSocket-Extensions": offer}
    websocket = WebSocketPeer(server, "?EIO=4&transport=websocket", headers)
    assert websocket.response.status == 400
    assert server.sessions == []


@pytest.mark.behaviour("B124")
def test_an_unknown_extension_is_ignored() -> None:
    _, websocket = deflating("x-unknown; a=1, permessage-deflate")
    assert accepted(websocket) == [EXTENSION]
