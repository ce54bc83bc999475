"""The bytes that a client puts on the wire, built ahead, and their replies.

Nothing here does I/O. Masks and keys are constants, because a load generator
that draws random numbers spends the time that it should measure.
"""

import re
import struct
from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9

RECORD_SEPARATOR = "\x1e"

# The key of RFC 6455, section 1.3, and the answer that belongs to it.
WEBSOCKET_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

# Not zero: a server may not get around unmasking.
_MASK = bytes.fromhex("37fa213d")

_FINAL = 0x80
_MASKED = 0x80
_LENGTH_BITS = 0x7F
_OPCODE_BITS = 0x0F
_TWO_BYTE_LENGTH = 126
_EIGHT_BYTE_LENGTH = 127
_TWO_BYTE_LIMIT = 0x10000

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


class ServerFrame(NamedTuple):
    """One unfragmented frame as a server sends it."""

    opcode: int
    payload: bytes


class HTTPResponse(NamedTuple):
    """An answer whose body has arrived whole."""

    status: int
    body: bytes


def _length_field(length: int, masked: int) -> bytes:
    if length < _TWO_BYTE_LENGTH:
        return struct.pack("!B", masked | length)
    if length < _TWO_BYTE_LIMIT:
        return struct.pack("!BH", masked | _TWO_BYTE_LENGTH, length)
    return struct.pack("!BQ", masked | _EIGHT_BYTE_LENGTH, length)


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Build a masked frame."""
    first = _FINAL | opcode if final else opcode
    head = bytes([first]) + _length_field(len(payload), _MASKED)
    masked = bytes(a ^ b for a, b in zip(payload, cycle(_MASK), strict=False))
    return head + _MASK + masked


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Build the frame in which a server sends `payload`."""
    return bytes([_FINAL | opcode]) + _length_field(len(payload), 0) + payload


def parse_server_frames(data: bytes) -> tuple[list[ServerFrame], bytes]:
    """Split `data` into complete server frames and what is left over."""
    frames: list[ServerFrame] = []
    position = 0
    while True:
        start, length = _payload_bounds(data, position)
        if len(data) < start + length:
            return frames, data[position:]
        payload = data[start : start + length]
        frames.append(ServerFrame(data[position] & _OPCODE_BITS, payload))
        position = start + length


def _payload_bounds(data: bytes, position: int) -> tuple[int, int]:
    """Return where a frame's payload starts, and its length.

    For a head that is not complete, the start lies beyond the end of `data`.
    """
    beyond = len(data) + 1, 0
    if len(data) < position + 2:
        return beyond
    length = data[position + 1] & _LENGTH_BITS
    start = position + 2
    if length == _TWO_BYTE_LENGTH:
        if len(data) < start + 2:
            return beyond
        return start + 2, int.from_bytes(data[start : start + 2])
    if length == _EIGHT_BYTE_LENGTH:
        if len(data) < start + 8:
            return beyond
        return start + 8, int.from_bytes(data[start : start + 8])
    return start, length


def message_text(size: int, number: int = 0) -> str:
    """Return a text message of `size` bytes which is not valid JSON.

    It does not begin with "B" either, as that would ask for a broadcast.
    """
    return f"message {number:02} ".ljust(size, "abcdefghij"[number % 10])[:size]


def message_binary(size: int) -> bytes:
    """Return a binary message of `size` bytes, all byte values in it."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def payload_of(messages: Sequence[str]) -> bytes:
    """Encode text messages as one polling payload."""
    return RECORD_SEPARATOR.join(f"4{message}" for message in messages).encode()


def _target(transport: str, sid: str | None) -> str:
    path = f"/engine.io/?EIO=4&transport={transport}"
    return path if sid is None else f"{path}&sid={sid}"


def poll_request(host: str, sid: str | None = None) -> bytes:
    """Build a polling GET; without `sid` it is the handshake."""
    return (
        f"GET {_target('polling', sid)} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: benchmark\r\nAccept: */*\r\n\r\n"
    ).encode()


def post_request(host: str, sid: str, body: bytes) -> bytes:
    """Build a polling POST."""
    return (
        f"POST {_target('polling', sid)} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: benchmark\r\nAccept: */*\r\n"
        "Content-Type: text/plain;charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def websocket_request(host: str, sid: str | None = None) -> bytes:
    """Build a WebSocket handshake; with `sid` it begins an upgrade."""
    return (
        f"GET {_target('websocket', sid)} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: benchmark\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def parse_response(data: bytes) -> tuple[HTTPResponse, bytes] | None:
    """Split an HTTP response off `data`; None while it is not complete.

    A response that names no length and is not chunked has no body.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 2]
    status = int(head[9:12])
    if _CHUNKED.search(head):
        return _parse_chunks(status, data, end + 4)
    found = _CONTENT_LENGTH.search(head)
    start = end + 4
    stop = start + (int(found[1]) if found else 0)
    if len(data) < stop:
        return None
    return HTTPResponse(status, data[start:stop]), data[stop:]


def _parse_chunks(
    status: int, data: bytes, position: int
) -> tuple[HTTPResponse, bytes] | None:
    body: list[bytes] = []
    while (line_end := data.find(b"\r\n", position)) >= 0:
        size = int(data[position:line_end], 16)
        start = line_end + 2
        position = start + size + 2
        if len(data) < position:
            return None
        if not size:
            return HTTPResponse(status, b"".join(body)), data[position:]
        body.append(data[start : start + size])
    return None
