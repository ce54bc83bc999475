import json
from base64 import b64encode
from hashlib import sha1

import pytest

from benchmarks import frames
from benchmarks.frames import ServerFrame


def test_a_client_frame_is_masked_as_in_the_rfc() -> None:
    # RFC 6455, section 5.7.
    expected = bytes.fromhex("818537fa213d7f9f4d5158")
    assert frames.client_frame(frames.TEXT, b"Hello") == expected


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (125, "82fd"),
        (126, "82fe007e"),
        (65_535, "82feffff"),
        (65_536, "82ff0000000000010000"),
    ],
)
def test_the_length_field_of_a_client_frame(size: int, head: str) -> None:
    frame = frames.client_frame(frames.BINARY, bytes(size))
    mask = bytes.fromhex("37fa213d")
    assert frame.startswith(bytes.fromhex(head) + mask)
    assert len(frame) == len(head) // 2 + len(mask) + size


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_server_frames_come_back(size: int) -> None:
    payloads = [frames.message_binary(size), b"next"]
    data = b"".join(frames.server_frame(frames.BINARY, one) for one in payloads)
    expected = [ServerFrame(frames.BINARY, payload) for payload in payloads]
    assert frames.parse_server_frames(data) == (expected, b"")


@pytest.mark.parametrize("size", [20, 300, 70_000])
def test_a_frame_that_is_cut_short_is_left_over(size: int) -> None:
    first = frames.server_frame(frames.TEXT, b"4a")
    second = frames.server_frame(frames.TEXT, bytes(size))
    for cut in (0, 1, 2, 3, 9, len(second) - 1):
        found, rest = frames.parse_server_frames(first + second[:cut])
        assert found == [ServerFrame(frames.TEXT, b"4a")]
        assert rest == second[:cut]


def test_text_messages_are_neither_json_nor_broadcasts() -> None:
    for number in range(100):
        text = frames.message_text(32, number)
        assert len(text) == 32
        assert not text.startswith("B")
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(text)


def test_a_binary_message_has_its_size() -> None:
    assert len(frames.message_binary(65_536)) == 65_536
    assert frames.message_binary(3) == b"\x00\x01\x02"


def test_a_payload_separates_its_messages() -> None:
    assert frames.payload_of(["a", "€"]) == b"4a\x1e4\xe2\x82\xac"


def test_a_post_names_the_length_of_its_body() -> None:
    head, _, body = frames.post_request("localhost:1", "SID", b"4a").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"POST /engine.io/?EIO=4&transport=polling&sid=SID HTTP/1.1")
    assert b"Content-Length: 2" in head
    assert body == b"4a"


def test_a_handshake_has_no_session_id() -> None:
    assert b"sid" not in frames.poll_request("localhost:1")
    assert b"&sid=SID " in frames.websocket_request("localhost:1", "SID")


def test_the_websocket_key_has_its_answer() -> None:
    joined = frames.WEBSOCKET_KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    answer = b64encode(sha1(joined.encode()).digest()).decode()
    assert answer == frames.WEBSOCKET_ACCEPT


RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", RESPONSES.values(), ids=RESPONSES.keys())
def test_a_response_is_complete_with_its_last_byte(data: bytes) -> None:
    for cut in range(len(data)):
        assert frames.parse_response(data[:cut]) is None
    response = frames.HTTPResponse(200, b"hello")
    assert frames.parse_response(data + b"HTTP/1.1 4") == (response, b"HTTP/1.1 4")


def test_what_follows_a_switch_of_protocols_is_left_over() -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x010"
    response = frames.HTTPResponse(101, b"")
    assert frames.parse_response(data) == (response, b"\x81\x010")
