"""Opening sessions one after the other, with blocking reads."""

import json
import socket
from collections.abc import Callable
from typing import TypeVar

from benchmarks import frames
from benchmarks.load.loop import Address, LoadError, connect

_Parsed = TypeVar("_Parsed")

_RECEIVE_SIZE = 65_536
_OK = 200
_SWITCHING_PROTOCOLS = 101


def check_websocket_response(response: frames.HTTPResponse) -> None:
    """Check the answer to a WebSocket handshake.

    Raises:
        LoadError: The server does not switch protocols.
    """
    if response.status != _SWITCHING_PROTOCOLS:
        raise LoadError(f"no WebSocket: {response.status} {response.body!r}")


def check_open_frame(frame: frames.ServerFrame) -> None:
    """Check that `frame` carries an open packet.

    Raises:
        LoadError: It carries something else.
    """
    if frame.opcode != frames.TEXT or not frame.payload.startswith(b"0{"):
        raise LoadError(f"no open packet: {frame!r}")


def sid_of(response: frames.HTTPResponse) -> str:
    """Return the session id from the answer to a polling handshake.

    Raises:
        LoadError: The answer is no open packet.
    """
    if response.status != _OK or not response.body.startswith(b"0{"):
        raise LoadError(f"no open packet: {response.status} {response.body!r}")
    return str(json.loads(response.body[1:])["sid"])


def exchange(
    opened: socket.socket, request: bytes
) -> tuple[frames.HTTPResponse, bytes]:
    """Send a request and wait for the answer; also return what follows it."""
    opened.sendall(request)
    return _receive(opened, b"", frames.parse_response)


def open_polling(
    address: Address, source: str | None = None
) -> tuple[socket.socket, str]:
    """Open a polling session on a kept connection."""
    opened = connect(address, source=source)
    response, _ = exchange(opened, frames.poll_request(str(address)))
    return opened, sid_of(response)


def open_websocket(
    address: Address, source: str | None = None
) -> tuple[socket.socket, bytes]:
    """Open a WebSocket session; also return what follows the open packet."""
    opened = connect(address, source=source)
    response, rest = exchange(opened, frames.websocket_request(str(address)))
    check_websocket_response(response)
    frame, rest = receive_frame(opened, rest)
    check_open_frame(frame)
    return opened, rest


def move_to_websocket(
    address: Address, opened: socket.socket, sid: str
) -> tuple[socket.socket, bytes]:
    """Make a connection the WebSocket of a polling session; also return what follows.

    Raises:
        LoadError: The session does not move.
    """
    response, rest = exchange(opened, frames.websocket_request(str(address), sid))
    check_websocket_response(response)
    opened.sendall(frames.client_frame(frames.TEXT, b"2probe"))
    frame, rest = receive_frame(opened, rest)
    if frame.payload != b"3probe":
        raise LoadError(f"no probe: {frame!r}")
    opened.sendall(frames.client_frame(frames.TEXT, b"5"))
    return opened, rest


def receive_frame(
    opened: socket.socket, data: bytes
) -> tuple[frames.ServerFrame, bytes]:
    """Read until there is a frame in `data`; also return what follows it.

    Raises:
        LoadError: The server closed the connection.
    """
    return _receive(opened, data, _first_frame)


def receive_exactly(opened: socket.socket, data: bytes, size: int) -> bytes:
    """Read until `data` is `size` bytes long; more is an error.

    Raises:
        LoadError: The server sent more, or closed the connection.
    """
    received, _ = _receive(
        opened, data, lambda data: (data, b"") if len(data) >= size else None
    )
    if len(received) != size:
        raise LoadError(f"more than expected: {received[:200]!r}")
    return received


def _first_frame(data: bytes) -> tuple[frames.ServerFrame, bytes] | None:
    found, rest = frames.parse_server_frames(data)
    if not found:
        return None
    following = b"".join(frames.server_frame(*frame) for frame in found[1:])
    return found[0], following + rest


def _receive(
    opened: socket.socket,
    data: bytes,
    parse: Callable[[bytes], tuple[_Parsed, bytes] | None],
) -> tuple[_Parsed, bytes]:
    while (parsed := parse(data)) is None:
        more = opened.recv(_RECEIVE_SIZE)
        if not more:
            raise LoadError(f"the server closed the connection after {data!r}")
        data += more
    return parsed
