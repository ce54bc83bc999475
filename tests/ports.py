"""Ports for programs that do not choose one by themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reserved_port"]


@contextmanager
def reserved_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that nobody else is given in the ``with`` block.

    A socket is bound to it, so the kernel takes it neither for a socket that wants any
    port nor for a connection. As that socket does not listen, connections are refused,
    and a server may listen there if it sets SO_REUSEADDR, as servers do: again and
    again, if it is one that is killed.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port
