"""The packets that the nodes of one machine send each other, sockets included.

The links between them keep packets whole (``SOCK_SEQPACKET``), so that a socket and the
bytes that were read from it stay together. In a stream they would be matched by their
order, and if the kernel dropped one socket because the receiver has no descriptor left,
each later client would get the answers of the next one.

=======  ==========================================================  =================
tag      then                                                        it is
=======  ==========================================================  =================
``h``    the name of a node                                          `Hello`
``c``    site (2 bytes), inode (8), what was read; and a socket      `Connection`
``m``    kind (1), size of the message (4), offset (4), some of it   `Piece`
=======  ==========================================================  =================
"""

from __future__ import annotations

import os
import socket
import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

__all__ = [
    "MAX_MESSAGE",
    "MOVABLE",
    "PIECE",
    "Connection",
    "Hello",
    "LostConnection",
    "Packet",
    "Piece",
    "connection_packet",
    "hello_packet",
    "new_buffer",
    "pieces_of",
    "receive",
    "send",
]

MAX_MESSAGE: Final = 8 << 20
"""Bytes of a message from one node to another, at most."""

PIECE: Final = 1 << 16
"""Bytes of a message that a packet carries, at most."""

_HELLO: Final = b"h"
_CONNECTION: Final = b"c"
_PIECE: Final = b"m"

_ABOUT: Final = struct.Struct("!cHQ")
"""The tag, which site a connection is for, and the number of its socket's inode."""

_PLACE: Final = struct.Struct("!ccII")
"""The tag, the kind of a message, its size, and where in it a piece belongs."""

MOVABLE: Final = 1 << 17
"""Bytes of what was received that a connection can move with, at most.

They go in one packet, of which Linux takes 208 KiB unless it is told otherwise
(``net.core.wmem_default``); one read may bring more.
"""

_LONGEST: Final = 1 << 18
"""Bytes: more than any packet has."""

_MAX_DESCRIPTORS: Final = 4
# Programs that the application starts meanwhile are not to have them.
_CLOSE_ON_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
# A number, which is quicker than flags.
_CUT_OFF: Final = int(socket.MSG_CTRUNC | socket.MSG_TRUNC)

_DESCRIPTORS_SIZE: Final = socket.CMSG_LEN(_MAX_DESCRIPTORS * array("i").itemsize)


@dataclass(frozen=True, slots=True)
class Hello:
    """Another node has opened a link; these are its first words.

    Attributes:
        node: Its name.
    """

    node: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A client's connection, given away.

    Attributes:
        site: The number of the site that it came to.
        socket: Its socket; it may block.
        received: What was read from it.
    """

    site: int
    socket: socket.socket
    received: bytes


@dataclass(frozen=True, slots=True)
class LostConnection:
    """A connection that came without its socket; the client's end is closed by now."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a message; the pieces of one come in order, and nothing between them.

    Attributes:
        kind: What the message is: one byte.
        size: How long it is.
        offset: Where in it this belongs.
        data: The bytes.
    """

    kind: bytes
    size: int
    offset: int
    data: bytes


Packet = Hello | Connection | LostConnection | Piece


def hello_packet(node: str) -> bytes:
    """Return the packet that a link begins with."""
    return _HELLO + node.encode("ascii")


def connection_packet(site: int, client: socket.socket, received: bytes) -> bytes:
    """Return the packet that goes with a socket."""
    inode = os.fstat(client.fileno()).st_ino
    return _ABOUT.pack(_CONNECTION, site, inode) + received


def pieces_of(kind: bytes, payload: bytes) -> Iterator[Sequence[bytes | memoryview]]:
    """Return the packets that a message travels in; nothing of it is copied."""
    size = len(payload)
    if size <= PIECE:
        yield _PLACE.pack(_PIECE, kind, size, 0), payload
        return
    view = memoryview(payload)
    for offset in range(0, size, PIECE):
        head = _PLACE.pack(_PIECE, kind, size, offset)
        yield head, view[offset : offset + PIECE]


def send(
    link: socket.socket,
    packet: Sequence[bytes | memoryview],
    client: socket.socket | None,
) -> None:
    """Send a packet, and a socket with it.

    Raises:
        OSError: The link takes nothing now (``EAGAIN``, ``ETOOMANYREFS``), or no more.
    """
    if client is None:
        link.sendmsg(packet)
    else:
        socket.send_fds(link, packet, [client.fileno()])


def new_buffer() -> bytearray:
    """Return a buffer for `receive`: longer than any packet, to be used again."""
    return bytearray(_LONGEST)


def receive(link: socket.socket, buffer: bytearray) -> Packet | None:
    """Receive a packet.

    Args:
        link: The link.
        buffer: See `new_buffer`.

    Returns:
        The packet; None at the end of the link.

    Raises:
        OSError: There is none now, or the link is broken.
        ValueError: No node sends such a packet.
    """
    size, ancillary, flags, _ = link.recvmsg_into(
        [buffer], _DESCRIPTORS_SIZE, _CLOSE_ON_EXEC
    )
    if not size:
        return None
    descriptors = _descriptors_in(ancillary) if ancillary else []
    # A packet that is cut off, or whose sockets are, is as good as lost.
    whole = not flags & _CUT_OFF
    try:
        packet = _decode(buffer, size, descriptors if whole else [])
    except BaseException:
        _close(descriptors)
        raise
    if descriptors and not isinstance(packet, Connection):
        _close(descriptors)
    return packet


def _descriptors_in(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    numbers = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return numbers.tolist()


def _decode(buffer: bytearray, size: int, descriptors: list[int]) -> Packet:
    tag = buffer[:1]
    if tag == _CONNECTION and size >= _ABOUT.size:
        _, site, inode = _ABOUT.unpack_from(buffer)
        # The number is the same in all processes: the socket is the one that was sent.
        if len(descriptors) != 1 or os.fstat(descriptors[0]).st_ino != inode:
            return LostConnection()
        client = socket.socket(fileno=descriptors[0])
        return Connection(site, client, _cut(buffer, _ABOUT.size, size))
    if tag == _PIECE and size >= _PLACE.size:
        _, kind, whole, offset = _PLACE.unpack_from(buffer)
        return Piece(kind, whole, offset, _cut(buffer, _PLACE.size, size))
    if tag == _HELLO:
        return Hello(str(_cut(buffer, 1, size), "ascii"))
    raise ValueError(f"a packet of {size} bytes with tag {bytes(tag)!r}")


def _cut(buffer: bytearray, start: int, end: int) -> bytes:
    """Return a part of a buffer, copied once."""
    with memoryview(buffer) as view:
        return bytes(view[start:end])


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
