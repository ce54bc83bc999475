"""Messages that come in pieces, put together again."""

from __future__ import annotations

from dataclasses import dataclass

from txengineio.cluster.packets import MAX_MESSAGE, Piece

__all__ = ["Message", "Pieces"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of another node.

    Attributes:
        kind: What it is: one byte.
        payload: The rest.
    """

    kind: bytes
    payload: bytes


class Pieces:
    """The part of one message that a link has received: at most `MAX_MESSAGE` bytes."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._kind = b""
        self._size = 0
        self._got = 0

    @property
    def is_incomplete(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._kept)

    def add(self, piece: Piece) -> Message | None:
        """Take the next piece; return the message if this completes it.

        Raises:
            ValueError: It cannot be the next one; the link must not be trusted.
        """
        size, got = piece.size, self._got + len(piece.data)
        if not self._kept:
            self._kind, self._size = piece.kind, size
        if (
            (piece.kind, size, piece.offset) != (self._kind, self._size, self._got)
            or got > size
            or size > MAX_MESSAGE
            or (got < size and not piece.data)
        ):
            raise ValueError(
                f"{len(piece.data)} bytes at {piece.offset} of {size}, expected some "
                f"at {self._got} of {self._size}, which may be {MAX_MESSAGE} at most"
            )
        if got < size:
            self._kept.append(piece.data)
            self._got = got
            return None
        if not self._kept:
            return Message(piece.kind, piece.data)
        payload = b"".join((*self._kept, piece.data))
        self._kept, self._got = [], 0
        return Message(piece.kind, payload)
