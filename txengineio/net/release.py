"""Releasing a socket so that another process can go on using it."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from txengineio.net.direct_writes import can_write_directly, has_unsent_bytes

__all__ = ["can_be_released", "release_socket"]


def can_be_released(transport: Any) -> bool:
    """Whether a transport is a plain socket that has nothing left to do."""
    return (
        can_write_directly(transport)
        and bool(transport.connected)
        and not transport.disconnecting
        and not has_unsent_bytes(transport)
    )


def release_socket(transport: Any) -> socket.socket:
    """Take the socket from a transport, which cannot be used afterwards.

    Twisted's ways to end a connection shut it down or have it reset, which would end it
    for the new owner of the socket, too. Here it only stops being watched. The protocol
    is told that the connection is lost, and cleans up.

    Args:
        transport: One that `can_be_released`.
    """
    transport.unregisterProducer()
    transport.stopReading()
    transport.stopWriting()
    transport.connected = 0
    transport.disconnected = 1
    released: socket.socket = transport.socket
    protocol = transport.protocol
    del transport.socket, transport.fileno, transport.protocol
    protocol.connectionLost(Failure(CONNECTION_DONE))
    return released
