"""The limits of an engine: what no client may make it do, and how to allow more.

They are options of the engine like the others. Each has a default that ordinary clients
never meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from txengineio.checks import check_size, check_whole_number
from txengineio.session.frugal import MAX_FRAGMENTS
from txengineio.session.inbox import MAX_PENDING_MESSAGES

__all__ = ["LIMIT_CHECKS", "Limits"]

_MIB: Final = 1 << 20


def _optional_size(name: str, value: object) -> int | None:
    return None if value is None else check_size(name, value)


def _count(name: str, value: object) -> int:
    return check_whole_number(name, value, 1)


LIMIT_CHECKS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "max_buffered_bytes": _optional_size,
    "max_total_buffered_bytes": _optional_size,
    "max_pending_messages": _count,
    "max_packets_per_payload": _count,
    "max_message_fragments": _count,
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
        max_pending_messages: Messages that may wait while the application takes its
            time with an earlier one, before nothing more is read from that client.
        max_packets_per_payload: Packets in the body of one POST. More are answered with
            413, and end the session.
        max_message_fragments: Frames that one WebSocket message may come in, empty ones
            too. More end the session, with the close code 1008.

    Raises:
        InvalidOption: A value makes no sense.
    """

    max_buffered_bytes: int | None = 16 * _MIB
    max_total_buffered_bytes: int | None = 256 * _MIB
    max_pending_messages: int = MAX_PENDING_MESSAGES
    max_packets_per_payload: int = 16_384
    max_message_fragments: int = MAX_FRAGMENTS
