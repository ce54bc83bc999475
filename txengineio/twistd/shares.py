"""The limits of a machine, divided among its workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.python.usage import UsageError

from txengineio.server.options.engine import EngineOptions

__all__ = ["DIVIDED", "check_shares", "shares_of"]

_COUNTS: Final = ("max_sessions", "max_total_buffered_bytes")
_RATES: Final = ("handshakes_per_second",)

DIVIDED: Final = (*_COUNTS, *_RATES)
"""The options that hold for the machine. All others hold for each worker."""


def shares_of(options: Mapping[str, Any], workers: int, slot: int) -> dict[str, Any]:
    """Return the options that workers share, with this worker's share of each.

    Args:
        options: Those of the command line, which are for the machine.
        workers: How many workers share them.
        slot: Which of them this is, from 0: the first ones get the remainder.
    """
    complete = EngineOptions.from_mapping(options)
    shares: dict[str, Any] = {}
    for name in _COUNTS:
        whole = getattr(complete, name)
        if whole is not None:
            shares[name] = whole // workers + (slot < whole % workers)
    for name in _RATES:
        whole = getattr(complete, name)
        if whole is not None:
            shares[name] = whole / workers
    return shares


def check_shares(options: Mapping[str, Any], workers: int) -> None:
    """Check that each worker gets a share.

    Raises:
        UsageError: A limit is too small for that.
    """
    complete = EngineOptions.from_mapping(options)
    for name in _COUNTS:
        whole = getattr(complete, name)
        if whole is not None and whole < workers:
            flag = name.replace("_", "-")
            raise UsageError(
                f"--{flag} {whole} is for all --workers together, of which there are "
                f"{workers}: expected {workers} or more"
            )
