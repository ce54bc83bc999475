"""What the nodes of one machine send each other: packets, sockets among them.

The links between them keep packets whole (``SOCK_SEQPACKET``), so that a socket and
the bytes that were read from it are one. In a stream they would be matched by their
order, and a socket that the kernel drops, as the receiver has no descriptor left, would
give each client the answers of the next one.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

__all__ = [
    "Connection",
    "Hello",
    "LostConnection",
    "Packet",
    "connection_packet",
    "hello_packet",
    "receive",
    "send",
]

_HELLO: Final = b"h"
_CONNECTION: Final = b"c"

_ABOUT: Final = struct.Struct("!HQ")
"""Which site a connection is for, and the number of its socket's inode."""

_LONGEST: Final = 1 << 18
"""Bytes: more than any packet has, as they carry what is read at a time."""

_MAX_DESCRIPTORS: Final = 4


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
        socket: Its socket.
        received: What was read from it.
    """

    site: int
    socket: socket.socket
    received: bytes


@dataclass(frozen=True, slots=True)
class LostConnection:
    """A connection that came without its socket; its client's is closed by now."""


Packet = Hello | Connection | LostConnection


def hello_packet(node: str) -> bytes:
    """Return what a link begins with."""
    return _HELLO + node.encode("ascii")


def connection_packet(site: int, client: socket.socket, received: bytes) -> bytes:
    """Return the packet that goes with a socket."""
    inode = os.fstat(client.fileno()).st_ino
    return _CONNECTION + _ABOUT.pack(site, inode) + received


def send(link: socket.socket, packet: bytes, client: socket.socket | None) -> None:
    """Send a packet, and a socket with it.

    Raises:
        OSError: The link takes nothing now (``EAGAIN``, ``ETOOMANYREFS``), or no more.
    """
    if client is None:
        link.send(packet)
    else:
        socket.send_fds(link, [packet], [client.fileno()])


def receive(link: socket.socket) -> Packet | None:
    """Receive a packet.

    Returns:
        The packet; None at the end of the link.

    Raises:
        OSError: There is none now, or the link is broken.
        ValueError: It is nothing that a node sends.
    """
    data, descriptors, flags, _ = socket.recv_fds(link, _LONGEST, _MAX_DESCRIPTORS)
    if not data:
        return None
    # A packet that is cut off, or whose sockets are, is as good as lost.
    whole = not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
    try:
        packet = _decode(data, descriptors if whole else [])
    except BaseException:
        _close(descriptors)
        raise
    if not isinstance(packet, Connection):
        _close(descriptors)
    return packet


def _decode(data: bytes, descriptors: list[int]) -> Packet:
    kind, rest = data[:1], data[1:]
    if kind == _HELLO:
        return Hello(rest.decode("ascii"))
    if kind != _CONNECTION or len(rest) < _ABOUT.size:
        raise ValueError(f"a packet of kind {kind!r}")
    site, inode = _ABOUT.unpack_from(rest)
    # The number is the same in all processes: the socket is the one that was sent.
    if len(descriptors) != 1 or os.fstat(descriptors[0]).st_ino != inode:
        return LostConnection()
    client = socket.socket(fileno=descriptors[0])
    client.setblocking(False)
    return Connection(site, client, rest[_ABOUT.size :])


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
