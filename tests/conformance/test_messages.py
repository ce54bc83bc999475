"""Messages, both ways, on both transports."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from tests.conformance.exchanges import write_request
from tests.conformance.frames import BINARY, CONTINUATION, PING, TEXT, Frame
from tests.conformance.memory import Exchange
from tests.conformance.peers import (
    RS,
    PollingPeer,
    join,
    open_websocket,
    server_for,
)

CHINESE = ["Почему", "你好世界", "我们是一家人", "😀 and €"]
NUMBERS = array("i", [(i + 100) * 9823 for i in range(5)])


def binary_frame(revision: int, data: bytes) -> bytes:
    """The data of a WebSocket's binary frame that carries a message."""
    return data if revision == 4 else b"\x04" + data


@pytest.mark.behaviour("B084")
def test_a_text_message_by_polling(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send("a")
    assert peer.receive() == ["4a"]


@pytest.mark.behaviour("B085")
def test_messages_with_pauses_before_a_close_by_polling(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    received: list[str] = []
    for message in ("a", "b", "c"):
        poll = peer.poll()
        server.session.send(message)
        if message == "c":
            server.session.close()
        received.append(poll.text)
        server.advance(0.05)
    assert received == [join(revision, f"4{each}") for each in "abc"]
    assert peer.receive() == ["6", "1"]
    assert server.closed == [("forced close", None)]


@pytest.mark.behaviour("B084")
def test_a_parked_poll_takes_the_first_of_several_messages(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    poll = peer.poll()
    for message in ("a", "b", "c"):
        server.session.send(message)
    assert poll.text == join(revision, "4a")
    assert peer.receive() == ["4b", "4c"]


@pytest.mark.behaviour("B086")
@pytest.mark.parametrize("plain_site", [True, False])
def test_an_oversize_post_is_refused(revision: int, plain_site: bool) -> None:
    server = server_for(revision, max_http_buffer_size=5, plain_site=plain_site)
    peer = PollingPeer(server, revision)
    response = peer.post("4" + "x" * 48).response
    assert (response.status, response.body) == (413, b"")
    assert server.messages == []
    assert not peer.is_alive()
    assert [reason for reason, _ in server.closed] == ["transport error"]


@pytest.mark.behaviour("B086")
def test_an_oversize_post_is_refused_before_it_has_arrived(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=5, plain_site=False)
    peer = PollingPeer(server, revision)
    announced = peer.start_post(b"", 1000)
    assert announced.status == 413
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "text/plain"}
    chunk = b"10\r\n4xxxxxxxxxxxxxxx\r\n"
    growing = server.request("POST", peer.target, headers, chunk)
    assert growing.status == 413
    server.advance(30)
    assert announced.connection.lost
    assert growing.connection.lost


@pytest.mark.behaviour("B087")
@pytest.mark.parametrize("whole", [True, False])
def test_an_oversize_websocket_message_is_refused(revision: int, whole: bool) -> None:
    server = server_for(revision, max_http_buffer_size=5)
    websocket = open_websocket(server, revision)
    data = b"4" + b"x" * 48
    if whole:
        websocket.send_frames(Frame(opcode=TEXT, payload=data))
    else:
        for start in range(0, len(data), 4):
            websocket.send_frames(
                Frame(
                    opcode=CONTINUATION if start else TEXT,
                    payload=data[start : start + 4],
                    final=start + 4 > len(data),
                )
            )
            if websocket.closed:
                break
    assert websocket.close_code == 1009
    assert server.messages == []
    assert server.closed == [("transport error", "Max payload size exceeded")]


@pytest.mark.behaviour("B087")
def test_a_websocket_message_of_exactly_the_limit_passes(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=5)
    websocket = open_websocket(server, revision)
    websocket.send("4xxxx")
    assert server.messages == ["xxxx"]


@pytest.mark.behaviour("B088")
def test_a_post_within_a_small_limit(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=5)
    peer = PollingPeer(server, revision)
    assert peer.post("4a").text == "ok"
    assert server.messages == ["a"]


@pytest.mark.behaviour("B089")
def test_a_text_message_by_websocket(revision: int) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    server.session.send("a")
    server.session.send("")
    assert websocket.received() == ["4a", "4"]


@pytest.mark.behaviour("B090", "B091")
@pytest.mark.parametrize("pause", [0.05, 0])
def test_messages_before_a_close_by_websocket(revision: int, pause: float) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    for message in ("a", "b", "c"):
        server.session.send(message)
        if pause:
            server.advance(pause)
    server.session.close()
    assert websocket.received() == ["4a", "4b", "4c"]
    assert websocket.close_code == 1005


@pytest.mark.behaviour("B092", "B093", "B094", "B095")
@pytest.mark.parametrize(
    ("message", "data"),
    [
        (array("b", range(5)), bytes(range(5))),
        (NUMBERS, NUMBERS.tobytes()),
        (memoryview(NUMBERS), NUMBERS.tobytes()),
        (memoryview(bytes(range(9)))[2:7], bytes(range(2, 7))),
        (bytearray(range(5)), bytes(range(5))),
        (bytes(range(5)), bytes(range(5))),
        (b"", b""),
    ],
    ids=["signed bytes", "numbers", "buffer", "part", "bytearray", "bytes", "nothing"],
)
def test_binary_messages_by_websocket(revision: int, message: Any, data: bytes) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision)
    server.session.send(message)
    assert websocket.received() == [binary_frame(revision, data)]
    assert websocket.frames[-1].opcode == BINARY


@pytest.mark.behaviour("B095")
def test_binary_messages_as_base64_by_websocket(revision: int) -> None:
    server = server_for(revision)
    websocket = open_websocket(server, revision, "&b64=1")
    server.session.send(b"\x01\x02")
    prefix = "b" if revision == 4 else "b4"
    assert websocket.received() == [f"{prefix}AQI="]
    websocket.send(f"{prefix}AQI=", binary_frame(revision, b"\x03"))
    assert server.messages == [b"\x01\x02", b"\x03"]


@pytest.mark.behaviour("B096")
def test_binary_messages_by_polling(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    server.session.send(bytes(range(5)))
    body = peer.poll().response.body
    expected = b"bAAECAwQ=" if revision == 4 else b"\x01\x06\xff\x04\0\1\2\3\4"
    assert body == expected


@pytest.mark.behaviour("B098")
def test_a_million_characters_in_one_post(revision: int) -> None:
    server = server_for(revision, max_http_buffer_size=10**10)
    peer = PollingPeer(server, revision)
    body = join(revision, "4" + "x" * 1_000_000).encode()
    exchange = peer.start_post(b"", len(body))
    for start in range(0, len(body), 65536):
        exchange.connection.send(body[start : start + 65536])
    assert exchange.text == "ok"
    assert server.messages == ["x" * 1_000_000]


@pytest.mark.behaviour("B099")
@pytest.mark.parametrize("plain_site", [True, False])
def test_a_post_in_chunks(revision: int, plain_site: bool) -> None:
    server = server_for(revision, plain_site=plain_site)
    peer = PollingPeer(server, revision)
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "text/plain"}
    exchange = server.request("POST", peer.target, headers)
    for piece in ("41" if revision == 4 else "4:41", "2", "3"):
        exchange.connection.send(f"{len(piece):x}\r\n{piece}\r\n".encode())
        assert exchange.pending
    exchange.connection.send(b"0\r\n\r\n")
    assert exchange.text == "ok"
    assert server.messages == ["123"]


@pytest.mark.behaviour("B099")
def test_a_post_in_pieces_of_one_byte(revision: int) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    body = join(revision, "4€").encode()
    target = f"/engine.io/{peer.target}"
    connection = server.connect()
    for byte in write_request("POST", target, (), body):
        connection.send(bytes([byte]))
    assert Exchange(connection).text == "ok"
    assert server.messages == ["€"]


@pytest.mark.behaviour("B099")
def test_a_websocket_in_pieces_of_one_byte(revision: int) -> None:
    server = server_for(revision, echo=True)
    websocket = open_websocket(server, revision)
    parts = [
        Frame(opcode=TEXT, payload=b"4one, ", final=False),
        Frame(opcode=PING, payload=b"?"),
        Frame(opcode=CONTINUATION, payload="two €".encode()),
        Frame.of(binary_frame(revision, b"three")),
    ]
    for byte in b"".join(frame.to_bytes() for frame in parts):
        websocket.connection.send(bytes([byte]))
    assert server.messages == ["one, two €", b"three"]
    assert websocket.received() == ["4one, two €", binary_frame(revision, b"three")]


@pytest.mark.behaviour("B101")
def test_flush_and_drain(revision: int) -> None:
    seen: list[tuple[str, object]] = []
    server = server_for(revision)

    def send(session: Any) -> None:
        session.on("flush", lambda packets: seen.append(("flush", len(packets))))
        session.on("drain", lambda: seen.append(("drain", len(session.write_buffer))))
        session.send("a")

    server.engine.on("connection", send)
    server.engine.on(
        "flush", lambda session, packets: seen.append(("engine flush", len(packets)))
    )
    server.engine.on("drain", lambda session: seen.append(("engine drain", session)))
    open_websocket(server, revision)
    session = server.session
    assert seen == [
        # The open packet goes before anybody knows the session.
        ("engine flush", 1),
        ("engine drain", session),
        ("flush", 1),
        ("engine flush", 1),
        ("drain", 0),
        ("engine drain", session),
    ]


@pytest.mark.behaviour("B102")
def test_a_hundred_large_messages_by_websocket(revision: int) -> None:
    text = "a" * 65540
    server = server_for(
        revision,
        ping_interval=0.2,
        ping_timeout=0.1,
        on_connection=lambda session: [session.send(text) for _ in range(100)],
    )
    websocket = open_websocket(server, revision)
    assert websocket.received() == [f"4{text}"] * 100
    assert not websocket.closed


@pytest.mark.behaviour("B103")
def test_text_beyond_ascii_in_order_both_ways(revision: int) -> None:
    server = server_for(revision, echo=True)
    peer = PollingPeer(server, revision)
    peer.post(*(f"4{text}" for text in CHINESE))
    assert server.messages == CHINESE
    assert peer.receive() == [f"4{text}" for text in CHINESE]
    websocket = open_websocket(server, revision)
    websocket.send(*(f"4{text}" for text in CHINESE))
    assert websocket.received() == [f"4{text}" for text in CHINESE]


@pytest.mark.behaviour("B103")
def test_a_separator_in_a_message_is_nothing_special_on_websocket(
    revision: int,
) -> None:
    server = server_for(revision, echo=True)
    websocket = open_websocket(server, revision)
    websocket.send(f"4a{RS}4b")
    assert server.messages == [f"a{RS}4b"]
    assert websocket.received() == [f"4a{RS}4b"]
