"""Messages that come in several frames.

Spec: RFC 6455, section 5.4 "Fragmentation"; section 8.1 about text that is not UTF-8.
"""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder

from txengineio.websocket.heads import TEXT_OPCODE
from txengineio.websocket.limits import MAX_PIECES

__all__ = ["PartialMessage"]

_Utf8Decoder = getincrementaldecoder("utf-8")


class PartialMessage:
    """A message of which some frames have come.

    Args:
        opcode: As the attribute.
        is_ours: As the attribute.

    Attributes:
        opcode: Of its first frame, with the bit that says that it is compressed.
        is_ours: Whether its frames are kept here, not by the parser of everything.
        size: Bytes so far, if they are not compressed.
        count: Frames so far.
    """

    __slots__ = ("_decoder", "_pieces", "count", "is_ours", "opcode", "size")

    def __init__(self, opcode: int, is_ours: bool) -> None:
        self.opcode = opcode
        self.is_ours = is_ours
        self.size = self.count = 0
        self._pieces: list[bytes] = []
        # Only for what is not ASCII.
        self._decoder: IncrementalDecoder | None = None

    def add(self, payload: bytes, is_last: bool) -> None:
        """Keep what is in a frame.

        Raises:
            UnicodeDecodeError: It is text, and this cannot be the next part of it.
        """
        if self.opcode == TEXT_OPCODE:
            if self._decoder is None and not payload.isascii():
                self._decoder = _Utf8Decoder()
            if self._decoder is not None:
                self._check_text(self._decoder, payload, is_last)
        pieces = self._pieces
        pieces.append(payload)
        if len(pieces) == MAX_PIECES:
            self._pieces = [b"".join(pieces)]

    @staticmethod
    def _check_text(decoder: IncrementalDecoder, payload: bytes, is_last: bool) -> None:
        decoder.decode(payload, is_last)
        pending, _ = decoder.getstate()
        if pending[:1] == b"\xed" and pending[1:] >= b"\xa0":
            # The beginning of a surrogate, for which Python waits.
            pending.decode()

    def content(self) -> bytes:
        """Return what has come."""
        return b"".join(self._pieces)
