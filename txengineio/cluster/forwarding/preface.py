"""The client of a request: what stands before it on a connection between nodes.

There it comes from the other node. The session, its limits and its hooks must see the
client: its address, the address that it came to, and whether by TLS. The preface tells
that, and the size of the request that follows. It is believed, so that only other nodes
may connect to a node.

One without a request, which may come before the last request is answered, has words
of the other node itself. They are the id of a session whose client is to poll by
another way: its parked poll is answered now. Or, if they begin with a brace, they are a
greeting, which is answered at once.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.request_parser import Fields

__all__ = [
    "MAX_WORDS",
    "UNKNOWN",
    "Client",
    "about",
    "hurry",
    "preface",
    "read_preface",
    "say",
]

_START: Final = struct.Struct("!IH")
"""The sizes of the request and of what is said about its client, in bytes."""

MAX_WORDS: Final = (1 << 16) - 1
"""Bytes that a node may say without a request."""

_REMEMBERED: Final = 1024
"""Clients that are remembered, as each sends many requests.

With each go the headers of its last GET and its last POST: 16 MiB at the very most, and
1 to 2 MiB with those of browsers.
"""

_UNIX: Final = "UNIX"
_TYPES: Final = {"TCP4": IPv4Address, "TCP6": IPv6Address}
_NAMES: Final = {kind: name for name, kind in _TYPES.items()}

_Address = tuple[str, str, int]
"""Type, host and port; the latter two are nothing for a Unix socket."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from.

    Attributes:
        peer: The address of the client, or of the last proxy.
        host: The address that it came to.
        is_secure: Whether it came over TLS.
        last: The headers that it has sent last with each method.
    """

    peer: IAddress
    host: IAddress
    is_secure: bool
    last: dict[bytes, Fields] = field(default_factory=dict, compare=False)

    def encode(self) -> bytes:
        """Return what is said about it."""
        return _encode(_told(self.peer), _told(self.host), self.is_secure)


UNKNOWN: Final = Client(UNIXAddress(None), UNIXAddress(None), False)
"""Nobody."""


def about(request: IncomingRequest) -> bytes:
    """Return what is said about the client of a request."""
    if not request.is_plain:
        return _about(request)
    # On such a connection each request comes from the same client.
    channel = request.channel
    if channel.about_client is None:
        channel.about_client = _about(request)
    said: bytes = channel.about_client
    return said


def _about(request: IncomingRequest) -> bytes:
    host: IAddress = request.for_application.getHost()
    return Client(request.peer(), host, request.is_secure()).encode()


def preface(said: bytes, size: int) -> bytes:
    """Return what stands before a request.

    Args:
        said: What is said about its client.
        size: Bytes of the request.
    """
    return _START.pack(size, len(said)) + said


def hurry(sid: str) -> bytes:
    """Return what stands before no request: a poll of a session is answered now."""
    return say(sid)


def say(words: str) -> bytes:
    """Return what stands before no request: words of this node."""
    return _START.pack(0, len(words)) + words.encode("ascii")


def read_preface(data: bytes) -> tuple[Client | str, int, int] | None:
    """Read what stands before a request.

    Returns:
        The client, the size of the request and that of the preface; None if more of it
        is still to come. Before no request stand the words of the other node.

    Raises:
        ValueError: It is none.
    """
    if len(data) < _START.size:
        return None
    size, length = _START.unpack_from(data)
    end = _START.size + length
    if len(data) < end:
        return None
    said = data[_START.size : end]
    return (_decode(said) if size else said.decode("ascii")), size, end


def _told(address: IAddress) -> _Address:
    name = _NAMES.get(type(address))
    if name is None:
        return _UNIX, "", 0
    return name, str(address.host), int(address.port)  # type: ignore[attr-defined]


@lru_cache(_REMEMBERED)
def _encode(peer: _Address, host: _Address, is_secure: bool) -> bytes:
    return json.dumps([peer, host, is_secure]).encode("ascii")


@lru_cache(_REMEMBERED)
def _decode(said: bytes) -> Client:
    try:
        peer, host, is_secure = json.loads(said)
        return Client(_address(*peer), _address(*host), bool(is_secure))
    except (KeyError, TypeError) as problem:
        raise ValueError(f"a preface that says {said!r}") from problem


def _address(name: str, host: str, port: int) -> IAddress:
    if name == _UNIX:
        return UNIXAddress(None)
    made: IAddress = _TYPES[name]("TCP", host, port)
    return made
