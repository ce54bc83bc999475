"""Bodies of POSTs: the limit on their packets, and the way to the session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from txengineio.protocol.packets import Packet, PacketType
from txengineio.server.session import ITakesRequests, Session
from txengineio.server.web.body_limits import too_many_packets

__all__ = ["bounded", "hand_over"]

# Looking a member up in its enum takes longer than the test.
_MESSAGE: Final = PacketType.MESSAGE


def bounded(packets: Iterator[Packet], limit: int) -> Iterator[Packet]:
    """Yield packets of a body, and raise at the first one too many."""
    yield from islice(packets, limit)
    if next(packets, None) is not None:
        raise too_many_packets(limit)


def hand_over(
    packets: Iterator[Packet], session: Session, transport: ITakesRequests
) -> None:
    """Give the packets of a body to their session, in order.

    What the application sends meanwhile goes out together, afterwards.

    Args:
        packets: The packets.
        session: The session.
        transport: The transport that it came by.

    Raises:
        BodyRefused: There are too many.
        PacketDecodeError: One cannot be read; the session has those before.
    """
    session.send_queue.cork()
    try:
        for packet_type, data in packets:
            if packet_type is _MESSAGE and data is not None:
                session.message_received(data)
            else:
                if packet_type is PacketType.CLOSE:
                    # Replies to earlier packets go out before the goodbye.
                    session.send_queue.uncork()
                    transport.answer_with_noop()
                session.packet_received(packet_type, data)
    finally:
        session.send_queue.uncork()
