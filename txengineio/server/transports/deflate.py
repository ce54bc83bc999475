"""The WebSocket extension permessage-deflate: offers, and what goes out compressed.

Autobahn inflates what comes in, within the limit for messages. Spec: RFC 7692.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Final

from autobahn.websocket.compress_deflate import PerMessageDeflate
from typing_extensions import override
from zope.interface import implementer

from txengineio.protocol.text import encode_utf8
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.transports.opening import BadOpening
from txengineio.session.interfaces import IDeflate
from txengineio.websocket.frames import encode_frame

__all__ = ["Deflate", "negotiate_deflate"]

_NAME: Final = "permessage-deflate"
_MIN_WINDOW_BITS: Final = 9
_MAX_WINDOW_BITS: Final = 15
# RFC 7692 allows 8, which zlib does not do for raw deflate streams.
_WINDOW_BITS: Final = re.compile(r"8|9|1[0-5]")

_COMPRESSED: Final = 0x40
"""The first reserved bit of a frame's first byte."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PARAMETER: Final = rf';\s*+({_TOKEN})(?:\s*+=\s*+(?:({_TOKEN})|"({_TOKEN})"))?\s*+'
_EXTENSION: Final = re.compile(rf"\s*({_TOKEN})\s*((?:{_PARAMETER})*)(,|$)")
_PARAMETERS: Final = re.compile(_PARAMETER)


@implementer(IDeflate)
class Deflate(PerMessageDeflate):
    """The extension as it was negotiated for one WebSocket.

    Args:
        options: The engine's options.
        server_no_context_takeover: Whether each outgoing message stands alone.
        client_no_context_takeover: Whether each incoming message does.
        server_max_window_bits: The window of what goes out; 0 for the largest.
        client_max_window_bits: The window of what comes in; 0 for the largest.
    """

    def __init__(
        self,
        options: DeflateOptions,
        *,
        server_no_context_takeover: bool,
        client_no_context_takeover: bool,
        server_max_window_bits: int,
        client_max_window_bits: int,
    ) -> None:
        super().__init__(
            True,
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
            options.mem_level,
        )
        self._threshold = options.threshold
        self._level = options.level

    @property
    def response(self) -> str:
        """The value of the ``Sec-WebSocket-Extensions`` header of the 101."""
        parts = [_NAME]
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        if self.server_max_window_bits < _MAX_WINDOW_BITS:
            parts.append(f"server_max_window_bits={self.server_max_window_bits}")
        if self.client_max_window_bits < _MAX_WINDOW_BITS:
            parts.append(f"client_max_window_bits={self.client_max_window_bits}")
        return "; ".join(parts)

    @override
    def start_compress_message(self) -> None:
        # Autobahn's has no level.
        if self._compressor is None or self.server_no_context_takeover:
            self._compressor = zlib.compressobj(
                self._level, zlib.DEFLATED, -self.server_max_window_bits, self.mem_level
            )

    def encode_frame(self, content: str | bytes, compress: bool) -> bytes:
        """Return a frame: compressed if that is wanted and pays."""
        payload = encode_utf8(content) if isinstance(content, str) else content
        if not compress or len(payload) < self._threshold:
            return encode_frame(content)
        self.start_compress_message()
        compressed = self.compress_message_data(payload) + self.end_compress_message()
        frame = bytearray(encode_frame(compressed))
        opcode = encode_frame("")[0] if isinstance(content, str) else frame[0]
        frame[0] = opcode | _COMPRESSED
        return bytes(frame)


def negotiate_deflate(header: str, options: DeflateOptions) -> Deflate | None:
    """Accept the first offer that can be, or none.

    Args:
        header: The request's ``Sec-WebSocket-Extensions``, perhaps empty.
        options: The engine's options.

    Raises:
        BadOpening: The header makes no sense.
    """
    for name, parameters in _parse_extensions(header):
        # RFC 7692, section 7: an offer with something wrong in it is declined.
        if name == _NAME and parameters is not None and _is_sound(parameters):
            deflate = _accept(parameters, options)
            if deflate is not None:
                return deflate
    return None


def _parse_extensions(header: str) -> list[tuple[str, dict[str, str | None] | None]]:
    """Return the offers in a header; None for parameters that are repeated."""
    offers: list[tuple[str, dict[str, str | None] | None]] = []
    start = 0
    while header[start:].strip():
        match = _EXTENSION.match(header, start)
        if match is None or (match[6] and not header[match.end() :].strip()):
            raise BadOpening("Invalid or unacceptable Sec-WebSocket-Extensions header")
        pairs = [
            (each[1], each[2] or each[3]) for each in _PARAMETERS.finditer(match[2])
        ]
        parameters = dict(pairs)
        offers.append((match[1], parameters if len(parameters) == len(pairs) else None))
        start = match.end()
    return offers


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


def _accept(offer: Mapping[str, str | None], options: DeflateOptions) -> Deflate | None:
    """Return what both sides can live with, or None."""
    server_bits = int(offer.get("server_max_window_bits") or _MAX_WINDOW_BITS)
    if options.server_max_window_bits is not None:
        server_bits = min(server_bits, options.server_max_window_bits)
    client_bits = options.client_max_window_bits or _MAX_WINDOW_BITS
    offered = "client_max_window_bits" in offer
    if offered:
        hint = int(offer["client_max_window_bits"] or _MAX_WINDOW_BITS)
        client_bits = max(min(client_bits, hint), _MIN_WINDOW_BITS)
    too_small = server_bits < _MIN_WINDOW_BITS
    if too_small or (client_bits < _MAX_WINDOW_BITS and not offered):
        # zlib cannot; or the client did not say that it can.
        return None
    return Deflate(
        options,
        server_no_context_takeover=options.server_no_context_takeover
        or "server_no_context_takeover" in offer,
        client_no_context_takeover=options.client_no_context_takeover
        or "client_no_context_takeover" in offer,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
