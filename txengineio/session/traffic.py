"""What one session has carried, and how fast its heartbeats come back."""

from __future__ import annotations

from collections.abc import Sequence

from txengineio.protocol.packets import PacketType
from txengineio.session.interfaces import OutgoingPacket

__all__ = ["Traffic"]

_MESSAGE = PacketType.MESSAGE


class Traffic:
    """Counts for one session; it exists only where counts are asked for.

    The code that counts does so in place where it can: a call for each message would
    cost too much.

    Args:
        opened_at: When the session was opened, on its owner's clock.

    Attributes:
        opened_at: As given.
        messages_in: Messages received.
        messages_out: Messages given to a transport.
        bytes_in: Bytes received: WebSocket frames and bodies of POSTs, as they come.
        bytes_out: Bytes sent: WebSocket frames and bodies of answers, as they leave.
        round_trip: Seconds that the last heartbeat took; None before the first.
    """

    __slots__ = (
        "_pinged_at",
        "_taken",
        "bytes_in",
        "bytes_out",
        "messages_in",
        "messages_out",
        "opened_at",
        "round_trip",
    )

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = 0
        self.round_trip: float | None = None
        self._pinged_at: float | None = None
        self._taken = (0, 0, 0, 0)

    def take(self) -> tuple[int, int, int, int]:
        """Return what was added since the last call.

        Returns:
            Messages in and out, bytes in and out.
        """
        now = self.messages_in, self.messages_out, self.bytes_in, self.bytes_out
        then, self._taken = self._taken, now
        return now[0] - then[0], now[1] - then[1], now[2] - then[2], now[3] - then[3]

    def batch_taken(self, batch: Sequence[OutgoingPacket]) -> None:
        """Count packets that a transport is given."""
        for packet in batch:
            if packet[0] is _MESSAGE:
                self.messages_out += 1

    def ping_sent(self, now: float) -> None:
        """Begin to measure a round trip."""
        self._pinged_at = now

    def pong_received(self, now: float) -> float | None:
        """Return how long the ping's round trip took; None if none was sent."""
        if self._pinged_at is None:
            return None
        self.round_trip = now - self._pinged_at
        self._pinged_at = None
        return self.round_trip
