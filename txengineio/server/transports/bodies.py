"""Bodies of POSTs: how many packets are in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from txengineio.errors import TransportError
from txengineio.protocol.packets import Packet

__all__ = ["bounded"]


def bounded(packets: Iterator[Packet], size: int, limit: int) -> Iterator[Packet]:
    """Return the packets of a body; their number is limited, too."""
    # No packet takes less than a byte.
    return packets if size <= limit else _up_to(limit, packets)


def _up_to(limit: int, packets: Iterator[Packet]) -> Iterator[Packet]:
    yield from islice(packets, limit)
    if next(packets, None) is not None:
        raise TransportError(
            "too many packets in a payload",
            f"at most {limit} are allowed",
            hint="to allow more, raise max_packets_per_payload "
            "(--max-packets-per-payload)",
        )
