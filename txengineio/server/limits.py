"""The limits of an engine: what no client may make it do, and how to allow more.

They are options of the engine like the others. Each has a default that ordinary clients
never meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from txengineio.checks import check_size

__all__ = ["LIMIT_CHECKS", "Limits"]

_MIB: Final = 1 << 20


def _optional_size(name: str, value: object) -> int | None:
    return None if value is None else check_size(name, value)


LIMIT_CHECKS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "max_buffered_bytes": _optional_size,
    "max_total_buffered_bytes": _optional_size,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an engine puts up with.

    Attributes:
        max_buffered_bytes: Memory that may wait for a client that does not read as fast
            as it is sent to; None for no limit. Above it the session ends with
            ``buffer overflow``.
        max_total_buffered_bytes: The same for all sessions together; above it the one
            for which most waits is ended. What a broadcast sends counts for each.

    Raises:
        InvalidOption: A value makes no sense.
    """

    max_buffered_bytes: int | None = 16 * _MIB
    max_total_buffered_bytes: int | None = 256 * _MIB
