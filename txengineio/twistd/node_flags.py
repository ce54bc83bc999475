"""The flags of ``twistd engineio`` for several processes with the same clients."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twisted.python.usage import UsageError

from txengineio.cluster.workers import Workers
from txengineio.command_line import NONE, Flag
from txengineio.server.engine import Engine
from txengineio.twistd.limit_flags import engine_flag

__all__ = ["NODE", "check_node", "workers_for"]

NODE: Final = (
    engine_flag(
        "node-name",
        "NAME",
        "Name of this process among those behind one proxy, which the ids of its "
        "sessions begin with: 1 to 12 letters and digits.",
        expected="1 to 12 ASCII letters and digits",
    ),
    Flag(
        name="node-directory",
        value="PATH",
        text="Directory where the processes of this machine that serve the same "
        "clients find each other; each has a --node-name of its own. Connections "
        "move to the process of their session; requests over TLS are forwarded to it.",
        shown_default=NONE,
    ),
)
"""Who a process is among others, and where it finds them."""


def check_node(line: Mapping[str, Any]) -> None:
    """Check what a command line says about other processes on this machine.

    Raises:
        UsageError: That makes no sense.
    """
    if line["node-directory"] is None:
        return
    if line["node-name"] is None:
        raise UsageError("--node-directory needs a --node-name")
    if not hasattr(socket, "SO_PEERCRED"):
        raise UsageError("--node-directory needs Linux")


def workers_for(
    line: Mapping[str, Any], engine: Engine, reactor: Any
) -> Workers | None:
    """Return the node that the process is among others."""
    if line["node-directory"] is None:
        return None
    return Workers(engine, Path(line["node-directory"]), reactor)
