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

__all__ = ["can_write_directly", "has_unsent_bytes", "write_directly"]


def can_write_directly(transport: Any) -> bool:
    """Whether a transport is a plain stream socket, with nothing in between."""
    return isinstance(transport, Connection) and not getattr(transport, "TLS", False)


def write_directly(transport: Any, data: bytes) -> None:
    """Write to a transport of which `can_write_directly` is true.

    The order of what is written is kept, whichever way it was written.
    """
    if (
        not transport.dataBuffer
        and not transport._tempDataBuffer
        and transport.connected
        and not transport.disconnecting
    ):
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        # An exception stands for a lost connection; the reactor finds that out as well.
        if isinstance(sent, int) and sent > 0:
            data = data[sent:]
    transport.write(data)


def has_unsent_bytes(transport: Any) -> bool:
    """Whether a transport has not handed all that was written to it to the kernel.

    Of a transport that does not tell, below all wrappers, this is believed.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if not isinstance(transport, Connection):
        return True
    unsent = len(transport.dataBuffer) > transport.offset or transport._tempDataBuffer
    return bool(unsent and transport.connected)
