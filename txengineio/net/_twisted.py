"""All that is private or undocumented in ``twisted.internet`` and is used here.

Each name has a canary in ``tests/net/test_twisted_names.py``, which says
what stops working without it. Nothing else in the package may use such names:
``tests/test_doors.py``.

======================  ==============================================================
``dataBuffer``          what a transport has to write, from ``offset`` on
``offset``              how much of that the kernel has taken
``_tempDataBuffer``     what was written since, in pieces
``_tempDataLen``        the bytes in these
``_aborting``           whether a connection is about to be dropped
======================  ==============================================================

All of them are of ``twisted.internet.abstract.FileDescriptor`` and
``twisted.internet.tcp.Connection`` of Twisted 26.10.
"""

from __future__ import annotations

from typing import Any

__all__ = ["is_aborting", "to_write", "write_directly"]


def write_directly(transport: Any, data: bytes) -> None:
    """Write to a transport of which `can_write_directly` is true.

    The order of what is written is kept, whichever way it was written. It is here, not
    beside `can_write_directly`, as each message comes here: a call less is 3 % of one.
    """
    if (
        not transport.dataBuffer
        and not transport._tempDataBuffer
        and transport.connected
        and not transport.disconnecting
        # It may have been started since the transport was asked.
        and not transport.TLS
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:
            # It is full, or the connection is lost: the reactor finds out which.
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def to_write(transport: Any) -> int:
    """Count the bytes that wait in a stream transport until its socket takes them."""
    size: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return size


def is_aborting(transport: Any) -> bool:
    """Whether a stream transport is about to be dropped by ``abortConnection``.

    Twisted replaces its methods that read and write then, and expects to be asked for
    nothing else.
    """
    return bool(transport._aborting)
