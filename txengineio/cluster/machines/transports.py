"""The transport of a link: the certificate of its TLS, and what the kernel sees to."""

from __future__ import annotations

import socket
from hashlib import sha256
from typing import Any, Final

from OpenSSL import crypto
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOProtocol

__all__ = ["binding_of", "watch_over"]

_SILENCE: Final = 15
"""Seconds after which a link counts as broken whose other end acknowledges nothing."""

_PROBES: Final = 3

_OPTIONS: Final = (
    ("TCP_KEEPIDLE", _SILENCE // _PROBES),
    ("TCP_KEEPINTVL", _SILENCE // _PROBES),
    ("TCP_KEEPCNT", _PROBES - 1),
    ("TCP_USER_TIMEOUT", _SILENCE * 1000),
)
"""Let the kernel find out that a link's other end is not there any more."""


def binding_of(transport: Any, *, own: bool) -> bytes:
    """Return the fingerprint of the certificate that the answerer shows; none if plain.

    Args:
        transport: The connection.
        own: Whether this side is the answerer.
    """
    if not isinstance(transport, TLSMemoryBIOProtocol):
        return b""
    # The same for both sides, whoever has signed it.
    connection: Any = transport.getHandle()
    shown = connection.get_certificate() if own else connection.get_peer_certificate()
    if shown is None:
        return b""
    return sha256(crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)).digest()


def watch_over(transport: Any) -> None:
    """Have the kernel find out when the other end of a connection is gone."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if not isinstance(transport, Connection):
        return
    connection: Any = transport.getHandle()
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(True)
    for name, value in _OPTIONS:
        # Not every system has all of them.
        number: int | None = getattr(socket, name, None)
        if number is not None:
            connection.setsockopt(socket.IPPROTO_TCP, number, value)
