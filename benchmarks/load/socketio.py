"""Socket.IO over WebSocket: events with acknowledgements, rooms, and connecting."""

import socket
from collections.abc import Callable
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.load.crowd import BroadcastLoad
from benchmarks.load.echo import EchoLoad, Messages
from benchmarks.load.loop import Address, Connection, LoadError
from benchmarks.load.sessions import (
    check_open_frame,
    check_websocket_response,
    open_websocket,
    receive_exactly,
    receive_frame,
)
from benchmarks.load.visits import Visit, VisitLoad

_CONNECT = frames.client_frame(frames.TEXT, b"40")
# The numbers of acknowledgements have three digits, so that all have the same length.
_FIRST_NUMBER = 100
_JOIN = frames.client_frame(frames.TEXT, b'42100["join"]')
_JOINED = frames.server_frame(frames.TEXT, b"43100[]")


class AcknowledgedEvents(Messages):
    """Events whose acknowledgements say what the events have said."""

    def __init__(self, size: int, window: int) -> None:
        numbers = range(_FIRST_NUMBER, _FIRST_NUMBER + window)
        texts = [frames.message_text(size, number % 100) for number in numbers]
        super().__init__(
            frames.TEXT,
            [
                f'42{number}["echo","{text}"]'.encode()
                for number, text in zip(numbers, texts, strict=True)
            ],
            [
                f'43{number}["{text}"]'.encode()
                for number, text in zip(numbers, texts, strict=True)
            ],
        )


def open_client(address: Address) -> tuple[socket.socket, bytes]:
    """Open a session and connect it to the main namespace.

    Returns:
        The connection, and what follows the answer on it.

    Raises:
        LoadError: The server does not let it in.
    """
    opened, rest = open_websocket(address)
    opened.sendall(_CONNECT)
    frame, rest = receive_frame(opened, rest)
    check_connect_frame(frame)
    return opened, rest


def check_connect_frame(frame: frames.ServerFrame) -> None:
    """Check that `frame` says that the client is connected.

    Raises:
        LoadError: It says something else.
    """
    if not frame.payload.startswith(b'40{"sid":'):
        raise LoadError(f"not connected: {frame!r}")


class AcknowledgedLoad(EchoLoad):
    """Events with acknowledgements, from clients of the main namespace."""

    @override
    def open_sessions(self, count: int) -> list[tuple[socket.socket, bytes]]:
        """Open that many clients."""
        return [open_client(self.address) for _ in range(count)]


class RoomLoad(BroadcastLoad):
    """A client of a room says something to the room; an operation is one delivery.

    As many are outside the room, and must hear nothing.
    """

    def __init__(self, address: Address, *, members: int, size: int) -> None:
        text = frames.message_text(size)
        super().__init__(
            address,
            sessions=members,
            request=f'42["tell","{text}"]'.encode(),
            reply=f'42["told","{text}"]'.encode(),
        )

    @override
    def prepare(self) -> None:
        """Open those who are outside as well."""
        for _ in range(self.sessions):
            self.add_outsider()
        super().prepare()

    def add_outsider(self) -> None:
        """Open a client that is not in the room.

        Raises:
            LoadError: The server tells it something.
        """
        opened, rest = open_client(self.address)
        if rest:
            raise LoadError(f"the server sent {rest!r} unasked")
        Connection(self.loop, opened, _overheard, _left)

    @override
    def open_session(self) -> tuple[socket.socket, bytes]:
        """Open a client that is in the room."""
        opened, rest = open_client(self.address)
        opened.sendall(_JOIN)
        if receive_exactly(opened, rest, len(_JOINED)) != _JOINED:
            raise LoadError("not in the room")
        return opened, b""


def _overheard(data: bytes) -> None:
    raise LoadError(f"somebody outside the room was told {data[:80]!r}")


def _left() -> None:
    raise LoadError("the server closed the connection of somebody outside the room")


class ConnectLoad(VisitLoad):
    """Clients that connect to the main namespace and leave."""

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Be connected; the closing handshake belongs to the cost."""
        began_at = perf_counter()
        link = self.link(resume)
        link.send(frames.websocket_request(self.host))
        check_websocket_response((yield from link.response()))
        check_open_frame((yield from link.frame()))
        link.send(_CONNECT)
        check_connect_frame((yield from link.frame()))
        self.count(began_at)
        yield from link.end()
