"""The flags of ``twistd engineio`` for several processes with the same clients."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from twisted.python.usage import UsageError

from txengineio.cluster.workers import Workers
from txengineio.command_line import NONE, Flag, as_float, as_int
from txengineio.errors import InvalidOption
from txengineio.server.engine import Engine
from txengineio.twistd.limit_flags import engine_flag
from txengineio.twistd.supervisor.control import Assignment
from txengineio.twistd.supervisor.logs import label_of

__all__ = ["DEFAULT_WORKER_TIMEOUT", "NODE", "WORKERS", "check_node", "workers_for"]

DEFAULT_WORKER_TIMEOUT: Final = 10.0
"""Seconds without a sign of life after which a worker is killed."""

_AUTO: Final = "auto"

_MAX_WORKERS: Final = 1000
"""More than any machine has cores: a slip of the hand."""


def _as_workers(text: str) -> int:
    if text == _AUTO:
        return _cores()
    number = as_int(text)
    if isinstance(number, str) or not 1 <= number <= _MAX_WORKERS:
        expected = f"a whole number from 1 to {_MAX_WORKERS}, or {_AUTO}"
        raise InvalidOption("workers", expected, text)
    return number


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _as_timeout(text: str) -> float:
    seconds = as_float(text)
    if isinstance(seconds, str) or not (isfinite(seconds) and seconds > 0):
        raise InvalidOption("time", "a positive, finite number of seconds", text)
    return seconds


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
"""The name of a process among others, and the place where it finds them."""

WORKERS: Final = (
    Flag(
        name="workers",
        value="NUMBER",
        text="Processes that serve, each of them on a core of its own: a number, or "
        "auto for as many as there are cores. This process watches over them.",
        take=_as_workers,
        shown_default="this process serves by itself",
    ),
    Flag(
        name="worker-timeout",
        value="SECONDS",
        text="Time without a sign of life after which one of the --workers is killed, "
        "and replaced.",
        take=_as_timeout,
        shown_default=f"{DEFAULT_WORKER_TIMEOUT:g}",
    ),
)
"""How many processes serve."""


def check_node(line: Mapping[str, Any]) -> None:
    """Check what a command line says about other processes on this machine.

    Raises:
        UsageError: That makes no sense.
    """
    if line["workers"] is not None:
        names_itself = line["node-name"] is not None and line["cluster"] is None
        if names_itself or line["node-directory"] is not None:
            raise UsageError(
                "--workers names its processes itself: it goes neither with "
                "--node-name nor with --node-directory; only in a --cluster their "
                "names begin with a --node-name"
            )
        _check_system("--workers")
        return
    if line["worker-timeout"] is not None:
        raise UsageError("--worker-timeout goes with --workers")
    if line["node-directory"] is None:
        return
    if line["node-name"] is None:
        raise UsageError("--node-directory needs a --node-name")
    _check_system("--node-directory")


def _check_system(flag: str) -> None:
    """Check that connections can be moved between processes here."""
    if not hasattr(socket, "SO_PEERCRED"):
        raise UsageError(f"{flag} needs Linux")


def workers_for(
    line: Mapping[str, Any], engine: Engine, reactor: Any
) -> Workers | None:
    """Return the node that the process is among others."""
    if line["node-directory"] is None:
        return None
    directory = Path(line["node-directory"])
    assignment: Assignment | None = line["assignment"]
    is_part = line["cluster"] is not None
    if assignment is None:
        # Nothing says how the others here are called.
        machine = "" if is_part else None
        return Workers(engine, directory, reactor, machine=machine)
    worker = assignment.settings
    slot = str(worker.slot)
    beginning = f"{line['node-name']}{label_of(worker.slot).removesuffix(slot)}"
    machine = beginning if is_part else None
    return Workers(engine, directory, reactor, slot, worker.restarts, machine)
