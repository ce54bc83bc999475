"""Which worker gets a connection, by the address that it comes from.

The kernel spreads the connections to a port over its sockets by chance, and asks a
program instead if there is one. This one gives those from `address_for(n)` to the
socket with that number, and leaves all others to chance.
"""

import ctypes
import os
import socket
import struct
from contextlib import suppress
from typing import Final

_NETWORK: Final = 0x7F000100
"""127.0.1.0, whose addresses choose; the last byte is the number, and one."""

_ATTACH: Final = 51
"""``SO_ATTACH_REUSEPORT_CBPF``, which Python has no name for."""

_SOURCE: Final = 0xFFF00000 + 12
"""``SKF_NET_OFF``, and the place of the source in a header of IPv4."""

# Instructions of the classic Berkeley packet filter, as in `linux/bpf_common.h`.
_LOAD: Final = 0x20
_SUBTRACT: Final = 0x14
_RETURN: Final = 0x16

_PROGRAM: Final = (
    (_LOAD, 0, 0, _SOURCE),
    # What is no number of a socket leaves it to chance.
    (_SUBTRACT, 0, 0, _NETWORK + 1),
    (_RETURN, 0, 0, 0),
)


def address_for(number: int) -> str:
    """Return the address whose connections go to the socket with a number."""
    return socket.inet_ntoa(struct.pack("!I", _NETWORK + 1 + number))


def steer() -> None:
    """Steer the connections to all sockets that this process listens with."""
    code = b"".join(struct.pack("HBBI", *each) for each in _PROGRAM)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(kept))
    for name in os.listdir("/proc/self/fd"):
        # Not a socket, or the descriptor by which the names were read.
        with suppress(OSError), _duplicate(int(name)) as each:
            if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                each.setsockopt(socket.SOL_SOCKET, _ATTACH, program)


def _duplicate(descriptor: int) -> socket.socket:
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
