"""Writing to a connection at once, without waiting for the reactor to ask for it.

Twisted keeps what is written until the reactor finds the socket writable: two calls to
the kernel to ask for that and to stop asking, and a turn of the loop. A socket whose
buffer is empty nearly always takes a message as it is; only what it does not take goes
the long way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection

__all__ = ["can_write_directly", "write_directly"]


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
