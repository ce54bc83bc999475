"""What an engine counts, once an inspector or metrics ask for it.

Nothing is counted before. The parts of the server report to the engine's `Statistics`,
if there is one; each session counts in its `Traffic`, which is added up here only on
demand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from txengineio.errors import CloseReason
from txengineio.session.traffic import Traffic

__all__ = ["Carried", "RoundTrips", "Statistics"]

ROUND_TRIP_BOUNDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Upper bounds in seconds; slower heartbeats are counted after the last."""


@dataclass(slots=True, kw_only=True)
class Carried:
    """What one kind of transport has carried, over all sessions."""

    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, traffic: Traffic) -> None:
        """Add what a session has carried since this was called last."""
        messages_in, messages_out, bytes_in, bytes_out = traffic.take()
        self.messages_in += messages_in
        self.messages_out += messages_out
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out


@dataclass(slots=True, kw_only=True)
class RoundTrips:
    """How long heartbeats took to come back.

    Attributes:
        counts: How many fell under each of `ROUND_TRIP_BOUNDS` and not under the one
            before; the last number is that of those above all bounds.
        total: Seconds, all together.
    """

    counts: list[int] = field(
        default_factory=lambda: [0] * (len(ROUND_TRIP_BOUNDS) + 1)
    )
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(ROUND_TRIP_BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True, kw_only=True, eq=False)
class Statistics:
    """What has happened on an engine since it began to count.

    Attributes:
        handshakes: Sessions opened, by transport and protocol revision.
        upgrades: Moves to WebSocket: ``started``, ``completed`` and ``failed``.
        closes: Sessions ended, by reason.
        rejections: Requests refused, by Engine.IO's code, or by the status of HTTP
            where there is none.
        carried: What was carried, by transport; complete after `settle` for each
            session that is open.
        round_trips: The heartbeats'.
    """

    handshakes: Counter[tuple[str, int]] = field(default_factory=Counter)
    upgrades: Counter[str] = field(default_factory=Counter)
    closes: Counter[CloseReason] = field(default_factory=Counter)
    rejections: Counter[int] = field(default_factory=Counter)
    carried: defaultdict[str, Carried] = field(
        default_factory=lambda: defaultdict(
            Carried, polling=Carried(), websocket=Carried()
        )
    )
    round_trips: RoundTrips = field(default_factory=RoundTrips)

    def settle(self, transport: str, traffic: Traffic | None) -> None:
        """Add what a session has carried on its present transport.

        Args:
            transport: The transport's name.
            traffic: The session's counts.
        """
        if traffic is not None:
            self.carried[transport].add(traffic)
