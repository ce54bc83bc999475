"""The WebSocket extension permessage-deflate: what was agreed on, and what goes out.

Autobahn inflates what comes in, within the limit for messages. Spec: RFC 7692.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

from txengineio.websocket.frames import encode_frame, encode_text
from txengineio.websocket.heads import COMPRESSED

__all__ = [
    "EXTENSION",
    "MAX_WINDOW_BITS",
    "MIN_WINDOW_BITS",
    "DeflateParameters",
    "Deflater",
    "parse_extensions",
]

EXTENSION: Final = "permessage-deflate"
MIN_WINDOW_BITS: Final = 9
"""RFC 7692 allows 8, which zlib does not do for raw deflate streams."""
MAX_WINDOW_BITS: Final = 15

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PARAMETER: Final = rf';\s*+({_TOKEN})(?:\s*+=\s*+(?:({_TOKEN})|"({_TOKEN})"))?\s*+'
_EXTENSION: Final = re.compile(rf"\s*({_TOKEN})\s*((?:{_PARAMETER})*)(,|$)")
_PARAMETERS: Final = re.compile(_PARAMETER)


def parse_extensions(header: str) -> list[tuple[str, dict[str, str | None] | None]]:
    """Return the extensions in a ``Sec-WebSocket-Extensions`` header.

    Returns:
        Their names, and their parameters; None for parameters that are repeated.

    Raises:
        ValueError: The header makes no sense.
    """
    found: list[tuple[str, dict[str, str | None] | None]] = []
    start = 0
    while header[start:].strip():
        match = _EXTENSION.match(header, start)
        if match is None or (match[6] and not header[match.end() :].strip()):
            raise ValueError("no list of extensions")
        pairs = [
            (each[1], each[2] or each[3]) for each in _PARAMETERS.finditer(match[2])
        ]
        parameters = dict(pairs)
        found.append((match[1], parameters if len(parameters) == len(pairs) else None))
        start = match.end()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateParameters:
    """What both sides have agreed on: RFC 7692, section 7.1.

    Attributes:
        server_no_context_takeover: Whether each message of the server stands alone.
        client_no_context_takeover: Whether each message of the client does.
        server_max_window_bits: The window of what the server sends.
        client_max_window_bits: The window of what the client sends.
    """

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int = MAX_WINDOW_BITS
    client_max_window_bits: int = MAX_WINDOW_BITS

    @property
    def header(self) -> str:
        """The value of the ``Sec-WebSocket-Extensions`` header of the 101."""
        parts = [EXTENSION]
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        if self.server_max_window_bits < MAX_WINDOW_BITS:
            parts.append(f"server_max_window_bits={self.server_max_window_bits}")
        if self.client_max_window_bits < MAX_WINDOW_BITS:
            parts.append(f"client_max_window_bits={self.client_max_window_bits}")
        return "; ".join(parts)


class Deflater:
    """Makes the frames that a server sends where compression was agreed on.

    Args:
        parameters: What was agreed on.
        threshold: Bytes from which compressing pays.
        level: zlib's.
        mem_level: zlib's.
    """

    __slots__ = ("_compressor", "_level", "_mem_level", "_threshold", "parameters")

    def __init__(
        self, parameters: DeflateParameters, threshold: int, level: int, mem_level: int
    ) -> None:
        self.parameters = parameters
        self._threshold = threshold
        self._level = level
        self._mem_level = mem_level
        self._compressor: Any = None

    def encode_frame(self, content: str | bytes, compress: bool) -> bytes:
        """Return a frame: compressed if that is wanted and pays."""
        payload = encode_text(content) if isinstance(content, str) else content
        if not compress or len(payload) < self._threshold:
            return encode_frame(content)
        if self._compressor is None or self.parameters.server_no_context_takeover:
            self._compressor = zlib.compressobj(
                self._level,
                zlib.DEFLATED,
                -self.parameters.server_max_window_bits,
                self._mem_level,
            )
        compressed = self._compressor.compress(payload)
        # Section 7.2.1: without the empty block that this ends with.
        compressed += self._compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]
        frame = bytearray(encode_frame(compressed))
        opcode = encode_frame("")[0] if isinstance(content, str) else frame[0]
        frame[0] = opcode | COMPRESSED
        return bytes(frame)
