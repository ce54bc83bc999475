"""The option ``per_message_deflate``: how WebSocket messages are compressed."""

from __future__ import annotations

from dataclasses import dataclass

from txengineio.checks import check_flag, check_whole_number
from txengineio.server.options.compression import DEFAULT_THRESHOLD
from txengineio.websocket.deflate import MAX_WINDOW_BITS, MIN_WINDOW_BITS

__all__ = ["DeflateOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateOptions:
    """How WebSocket messages are compressed, for clients that offer it.

    Attributes:
        threshold: Bytes that a message must have at least to be compressed.
        server_no_context_takeover: Whether each message is compressed on its own, which
            saves memory and costs bytes.
        client_no_context_takeover: The same for what clients send.
        server_max_window_bits: How far back compression looks, from 9 to 15; None
            leaves it to the client.
        client_max_window_bits: The same for what clients send.
        level: From 1 (fast) to 9 (small).
        mem_level: Memory for compressing, from 1 (little) to 9 (fast).

    Raises:
        InvalidOption: A value makes no sense.
    """

    threshold: int = DEFAULT_THRESHOLD
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    level: int = 6
    mem_level: int = 8

    def __post_init__(self) -> None:
        option = "per_message_deflate"
        check_whole_number(f"{option} threshold", self.threshold, 0)
        for side in ("server", "client"):
            name = f"{side}_no_context_takeover"
            check_flag(f"{option} {name}", getattr(self, name))
            name = f"{side}_max_window_bits"
            bits = getattr(self, name)
            if bits is not None:
                check_whole_number(
                    f"{option} {name}", bits, MIN_WINDOW_BITS, MAX_WINDOW_BITS
                )
        check_whole_number(f"{option} level", self.level, 1, 9)
        check_whole_number(f"{option} mem_level", self.mem_level, 1, 9)
