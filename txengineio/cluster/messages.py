"""The messages between the engines of a cluster, as bytes; nothing is unpickled.

The reader trusts nothing: a message that makes no sense is a ``ValueError``, and an
unknown kind comes from another version.

=====  ====================================================================
kind   payload
=====  ====================================================================
``b``  flags (1 byte), a message: an `Outgoing`
``p``  length of the channel's name (1), the name, data: a `Publication`
``q``  number (8), then as ``p``: a `Question`
``a``  number (8), whether there is an answer (1), the answer: an `Answer`
=====  ====================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from txengineio.protocol.text import encode_utf8

__all__ = [
    "Answer",
    "Kind",
    "Order",
    "Outgoing",
    "Publication",
    "Question",
    "decode",
]

_BINARY: Final = 1
_COMPRESS: Final = 2
_FLAGS: Final = _BINARY | _COMPRESS

_NUMBER: Final = struct.Struct("!Q")
_ANSWER: Final = struct.Struct("!Q?")
_SID: Final = struct.Struct("!H")


@unique
class Kind(Enum):
    """What a message is."""

    BROADCAST = b"b"
    PUBLICATION = b"p"
    QUESTION = b"q"
    ANSWER = b"a"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for sessions.

    Attributes:
        message: Text, or binary.
        compress: As for `Session.send`.
    """

    message: str | bytes
    compress: bool

    def encode(self) -> bytes:
        """Return the payload."""
        message = self.message
        flags = _COMPRESS if self.compress else 0
        if isinstance(message, str):
            return b"%c%b" % (flags, encode_utf8(message))
        return b"%c%b" % (flags | _BINARY, message)

    @classmethod
    def decode(cls, payload: bytes) -> Outgoing:
        """Read a payload.

        Raises:
            ValueError: It is none.
        """
        if not payload or payload[0] > _FLAGS:
            raise ValueError(f"flags {payload[:1]!r}, expected 0 to {_FLAGS}")
        data = payload[1:]
        binary, compress = payload[0] & _BINARY, bool(payload[0] & _COMPRESS)
        return cls(data if binary else data.decode(), compress)


@dataclass(frozen=True, slots=True)
class Order:
    """An order that concerns one session: the data of a question.

    Attributes:
        sid: The session.
        data: The order.
    """

    sid: str
    data: bytes

    def encode(self) -> bytes:
        """Return the data of the question."""
        sid = self.sid.encode()
        return _SID.pack(len(sid)) + sid + self.data

    @classmethod
    def decode(cls, data: bytes) -> Order:
        """Read the data of a question.

        Raises:
            ValueError: It is none.
        """
        sid, rest = _split(data, _SID)
        return cls(sid, rest)


@dataclass(frozen=True, slots=True)
class Publication:
    """Data for the subscribers of a channel.

    Attributes:
        channel: Its name.
        data: The data.
    """

    channel: str
    data: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return _channel(self.channel) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> Publication:
        """Read a payload.

        Raises:
            ValueError: It is none.
        """
        channel, data = _split(payload, _LENGTH)
        return cls(channel, data)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, which wants an answer.

    Attributes:
        number: Which question it is; the answer has the same.
        channel: The channel on which it is asked.
        data: What.
    """

    number: int
    channel: str
    data: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return _NUMBER.pack(self.number) + _channel(self.channel) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> Question:
        """Read a payload.

        Raises:
            ValueError: It is none.
        """
        if len(payload) < _NUMBER.size:
            raise ValueError(f"a question of {len(payload)} bytes")
        channel, data = _split(payload[_NUMBER.size :], _LENGTH)
        return cls(_NUMBER.unpack_from(payload)[0], channel, data)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question.

    Attributes:
        number: Which question.
        data: The answer; None if there is none.
    """

    number: int
    data: bytes | None

    def encode(self) -> bytes:
        """Return the payload."""
        return _ANSWER.pack(self.number, self.data is not None) + (self.data or b"")

    @classmethod
    def decode(cls, payload: bytes) -> Answer:
        """Read a payload.

        Raises:
            ValueError: It is none.
        """
        if len(payload) < _ANSWER.size:
            raise ValueError(f"an answer of {len(payload)} bytes")
        number, is_one = _ANSWER.unpack_from(payload)
        return cls(number, payload[_ANSWER.size :] if is_one else None)


_LENGTH: Final = struct.Struct("!B")
_MAX_CHANNEL: Final = 255

Message = Outgoing | Publication | Question | Answer

_DECODERS: Final[Mapping[bytes, Callable[[bytes], Message]]] = {
    Kind.BROADCAST.value: Outgoing.decode,
    Kind.PUBLICATION.value: Publication.decode,
    Kind.QUESTION.value: Question.decode,
    Kind.ANSWER.value: Answer.decode,
}


def decode(kind: bytes, payload: bytes) -> Message | None:
    """Read a message; return None for one of another kind.

    Raises:
        ValueError: It is broken.
    """
    decoder = _DECODERS.get(kind)
    return None if decoder is None else decoder(payload)


def _channel(name: str) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) <= _MAX_CHANNEL:
        raise ValueError(
            f"a channel has a name of 1 to {_MAX_CHANNEL} bytes, not {len(encoded)}"
        )
    return _LENGTH.pack(len(encoded)) + encoded


def _split(data: bytes, length: struct.Struct) -> tuple[str, bytes]:
    """Return a text that follows its length, and the rest."""
    if len(data) < length.size:
        raise ValueError(f"{len(data)} bytes, expected a length in {length.size}")
    end = length.size + length.unpack_from(data)[0]
    if not length.size < end <= len(data):
        raise ValueError(f"{len(data)} bytes, expected a name that ends at {end}")
    return data[length.size : end].decode(), data[end:]
