"""What a WebSocket peer may cost, which its byte count alone does not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any, Final

__all__ = [
    "MAX_FRAGMENTS",
    "MAX_PIECES",
    "MAX_TINY_FRAMES",
    "TINY",
    "Excess",
    "FrameLimits",
    "protocol_options",
]

MAX_FRAGMENTS: Final = 16_384
"""Frames that a message may come in, unless more are allowed: as in the ws package."""

MAX_PIECES: Final = 1024
"""Pieces of a frame or a message that are kept apart: each takes more than its bytes.

A peer that sends a frame byte by byte would make it take forty times its size.
"""

TINY: Final = 64
"""Bytes from which a fragment pays for itself.

Reading it costs as much as a message of a third of its size, and nobody limits those.
Proxies and libraries that fragment do so where a buffer ends, at kilobytes.
"""

MAX_TINY_FRAMES: Final = 10_000
"""Tiny frames that a peer may send in a second, unless more are allowed.

Control frames are sent every few seconds, or some hundred times a second to measure a
network. Fragments are counted only if they are tiny, and neither the first nor the last
of their message: libraries that write messages as streams end each with an empty one.
What is left comes from programs that send a message token by token. As a pause allows
nearly twice as many, all `MAX_FRAGMENTS` of one message may come in a single segment.
A peer that sends ten thousand pings a second takes 2 % of a core.
"""


@unique
class Excess(Enum):
    """What a peer can do too often."""

    FRAGMENTS = "fragments"
    TINY_FRAMES = "tiny frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLimits:
    """What the peer of a WebSocket may send.

    Attributes:
        max_size: Bytes of a message.
        seconds: Tells the time.
        max_fragments: Frames that a message may come in, empty ones too.
        max_tiny_frames: Control frames, and fragments of less than `TINY` bytes in the
            middle of a message, that may come in a second; nearly twice as many after
            a pause. None for no limit.
    """

    max_size: int
    seconds: Callable[[], float]
    max_fragments: int = MAX_FRAGMENTS
    max_tiny_frames: int | None = MAX_TINY_FRAMES


def protocol_options(limit: int) -> dict[str, Any]:
    """Return what every factory tells Autobahn.

    Args:
        limit: Bytes that a message of the peer may have.
    """
    return {
        # Both, and never Autobahn's defaults, which are no limits at all.
        "maxFramePayloadSize": limit,
        "maxMessagePayloadSize": limit,
        # Failures are told with a close frame, as RFC 6455 wants it.
        "failByDrop": False,
        # A close frame is answered with its own code, or without one.
        "echoCloseCodeReason": True,
        # All waits are kept here, on the clock of the WebSocket's owner.
        "openHandshakeTimeout": 0,
        "closeHandshakeTimeout": 0,
    }
