"""Compression of a server's WebSockets: which of a client's offers is accepted.

Spec: RFC 7692, section 7.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.transports.opening import BadOpening
from txengineio.websocket.deflate import (
    EXTENSION,
    MAX_WINDOW_BITS,
    MIN_WINDOW_BITS,
    DeflateParameters,
    Deflater,
    parse_extensions,
)

__all__ = ["negotiate_deflate"]

# Section 7.1.2; a client may offer a window of 8, which zlib does not have.
_WINDOW_BITS: Final = re.compile(r"8|9|1[0-5]")


def negotiate_deflate(header: str, options: DeflateOptions) -> Deflater | None:
    """Accept the first offer that can be accepted, if there is one.

    Args:
        header: The request's ``Sec-WebSocket-Extensions``, perhaps empty.
        options: The engine's options.

    Raises:
        BadOpening: The header makes no sense.
    """
    try:
        offers = parse_extensions(header)
    except ValueError as exc:
        message = "Invalid or unacceptable Sec-WebSocket-Extensions header"
        raise BadOpening(message) from exc
    for name, offer in offers:
        # RFC 7692, section 7: an offer with something wrong in it is declined.
        if name == EXTENSION and offer is not None and _is_sound(offer):
            parameters = _accept(offer, options)
            if parameters is not None:
                return Deflater(
                    parameters, options.threshold, options.level, options.mem_level
                )
    return None


def _is_sound(parameters: Mapping[str, str | None]) -> bool:
    for name, value in parameters.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            sound = value is None
        elif name == "server_max_window_bits":
            sound = value is not None and _is_window(value)
        elif name == "client_max_window_bits":
            sound = value is None or _is_window(value)
        else:
            sound = False
        if not sound:
            return False
    return True


def _is_window(value: str) -> bool:
    return _WINDOW_BITS.fullmatch(value) is not None


def _accept(
    offer: Mapping[str, str | None], options: DeflateOptions
) -> DeflateParameters | None:
    """Return the parameters that both sides accept, or None."""
    server_bits = int(offer.get("server_max_window_bits") or MAX_WINDOW_BITS)
    if options.server_max_window_bits is not None:
        server_bits = min(server_bits, options.server_max_window_bits)
    client_bits = options.client_max_window_bits or MAX_WINDOW_BITS
    offered = "client_max_window_bits" in offer
    if offered:
        hint = int(offer["client_max_window_bits"] or MAX_WINDOW_BITS)
        client_bits = max(min(client_bits, hint), MIN_WINDOW_BITS)
    too_small = server_bits < MIN_WINDOW_BITS
    if too_small or (client_bits < MAX_WINDOW_BITS and not offered):
        # zlib has no such window, or the client has not said that it has.
        return None
    return DeflateParameters(
        server_no_context_takeover=options.server_no_context_takeover
        or "server_no_context_takeover" in offer,
        client_no_context_takeover=options.client_no_context_takeover
        or "client_no_context_takeover" in offer,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
