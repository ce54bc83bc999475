"""Writing to a connection at once, without waiting for the reactor to ask for it.

Twisted keeps what is written until the reactor finds the socket writable: two calls to
the kernel to ask for that and to stop asking, and a turn of the loop. A socket whose
buffer is empty nearly always takes a message as it is; only what it does not take goes
the long way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

from txengineio.net._twisted import to_write, write_directly

__all__ = [
    "can_write_directly",
    "has_unsent_bytes",
    "unsent_bytes",
    "write_directly",
]


def can_write_directly(transport: Any) -> bool:
    """Whether a transport is a plain stream socket, with nothing in between."""
    return isinstance(transport, Connection) and not transport.TLS


def has_unsent_bytes(transport: Any) -> bool:
    """Whether a transport has not handed all that was written to it to the kernel.

    A transport that does not tell how much that is counts as one that has not.
    """
    return unsent_bytes(transport) != 0


def unsent_bytes(transport: Any) -> int | None:
    """Count what was written and the kernel has not taken; None if nobody knows."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if not isinstance(transport, Connection):
        return None
    if not transport.connected:
        return 0
    return to_write(transport)
