"""The limits of an engine: what clients may cost it.

They are options of the engine like the others. Each has a default that ordinary clients
never meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypedDict

from txengineio.checks import (
    check_duration,
    check_rate,
    check_size,
    check_whole_number,
)
from txengineio.server.options.origins import check_origins
from txengineio.server.options.proxies import check_networks
from txengineio.session.receive_queue import MAX_PENDING_MESSAGES
from txengineio.websocket.limits import MAX_FRAGMENTS, MAX_TINY_FRAMES

__all__ = ["LIMIT_CHECKS", "LimitArguments", "Limits"]

_MIB: Final = 1 << 20


def _optional_size(name: str, value: object) -> int | None:
    return None if value is None else check_size(name, value)


def _optional_count(name: str, value: object) -> int | None:
    return None if value is None else _count(name, value)


def _optional_duration(name: str, value: object) -> float | None:
    return None if value is None else check_duration(name, value)


def _optional_rate(name: str, value: object) -> float | None:
    return None if value is None else check_rate(name, value, "sessions")


def _count(name: str, value: object) -> int:
    return check_whole_number(name, value, 1)


LIMIT_CHECKS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "max_buffered_bytes": _optional_size,
    "max_total_buffered_bytes": _optional_size,
    "max_pending_messages": _count,
    "max_packets_per_payload": _count,
    "max_message_fragments": _count,
    "max_tiny_frames_per_second": _optional_count,
    "max_buffered_chunks": _count,
    "http_request_body_timeout": check_duration,
    "max_sessions": _optional_count,
    "max_sessions_per_address": _optional_count,
    "handshakes_per_second": _optional_rate,
    "handshake_burst": _count,
    "first_poll_timeout": _optional_duration,
    "trusted_proxies": check_networks,
    "allowed_origins": check_origins,
}


class LimitArguments(TypedDict, total=False):
    """The limits as type checkers know them: what may be given for each."""

    max_buffered_bytes: int | None
    max_total_buffered_bytes: int | None
    max_pending_messages: int
    max_packets_per_payload: int
    max_message_fragments: int
    max_tiny_frames_per_second: int | None
    max_buffered_chunks: int
    http_request_body_timeout: float
    max_sessions: int | None
    max_sessions_per_address: int | None
    handshakes_per_second: float | None
    handshake_burst: int
    first_poll_timeout: float | None
    trusted_proxies: Iterable[str]
    allowed_origins: str | Iterable[str | re.Pattern[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits on what clients may cost an engine.

    Attributes:
        max_buffered_bytes: Memory that may wait for a client that reads more slowly
            than it is sent data; None for no limit. Above it the session ends with
            ``buffer overflow``.
        max_total_buffered_bytes: The same for all sessions together. Above it the
            session for which most waits ends. A broadcast counts for each session.
        max_pending_messages: Messages that may wait while the application takes its
            time with an earlier one, before nothing more is read from that client.
        max_packets_per_payload: Packets in the body of one POST. More are answered with
            413, and end the session.
        max_message_fragments: Frames that one WebSocket message may come in, empty ones
            too. More end the session, with the close code 1008.
        max_tiny_frames_per_second: Pings, pongs, and fragments of less than 64 bytes
            within a message that one WebSocket may send in a second, nearly twice as
            many after a pause; None for no limit. More end the session, with the close
            code 1008.
        max_buffered_chunks: Pieces that the body of one POST may come in, be it chunks
            or what arrives at a time. More are answered with 413, and end the session.
        http_request_body_timeout: Seconds from the head of a request to the end of its
            body. A POST that takes longer is answered with 408, and ends the session.
            However long that is, a body has to come with
            `txengineio.server.web.request_timeouts.MIN_BODY_RATE`.
        max_sessions: Sessions at a time; None for no limit. Others are answered with
            503. Handshakes that wait for a hook count, too.
        max_sessions_per_address: Sessions at a time from one IPv4 address, or from one
            /64 of IPv6; others are answered with 429. None for no limit: behind a proxy
            that is not among ``trusted_proxies`` all clients have the same address.
        handshakes_per_second: New sessions in a second from one such address, on
            average; None for no limit.
        handshake_burst: How many may come at once when none have come for a while.
        first_poll_timeout: Seconds after the handshake within which the client must
            come back, or its session ends; None leaves that to the heartbeat.
        trusted_proxies: Addresses and networks of the reverse proxies in front, and
            ``"unix"`` for those that connect over a Unix socket. Their
            ``X-Forwarded-For``, ``-Proto`` and ``-Host`` are believed.
        allowed_origins: Origins whose pages may open sessions, besides the server's own
            and those that ``cors`` allows: strings, and regular expressions (searched
            for, so anchor them). ``"*"`` switches the check off. Others get 403.
            Requests without an ``Origin`` are not from a browser, and pass.

    Raises:
        InvalidOption: A value makes no sense.
    """

    max_buffered_bytes: int | None = 16 * _MIB
    max_total_buffered_bytes: int | None = 256 * _MIB
    max_pending_messages: int = MAX_PENDING_MESSAGES
    max_packets_per_payload: int = 16_384
    max_message_fragments: int = MAX_FRAGMENTS
    max_tiny_frames_per_second: int | None = MAX_TINY_FRAMES
    max_buffered_chunks: int = 10_000
    http_request_body_timeout: float = 30.0
    max_sessions: int | None = 100_000
    max_sessions_per_address: int | None = None
    handshakes_per_second: float | None = None
    handshake_burst: int = 20
    first_poll_timeout: float | None = 20.0
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str | re.Pattern[str], ...] = ()
