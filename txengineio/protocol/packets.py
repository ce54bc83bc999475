"""The types of packets, and the text form that both protocol revisions share.

A packet is a type and its data, kept as two values and not as an object: one is made
for each message. Data is ``str`` for text, ``bytes`` for binary, and ``None`` where
nothing follows the type. A message always has data: an empty one decodes to ``""`` or
``b""``, so that applications never meet ``None``; the other types decode to ``None``.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from enum import IntEnum, unique
from typing import Final, TypeAlias

from typing_extensions import Buffer

from txengineio.errors import PacketDecodeError

__all__ = [
    "BARE_PACKETS",
    "PROBE",
    "Packet",
    "PacketData",
    "PacketType",
    "decode_base64",
    "decode_text_packet",
    "encode_base64",
    "encode_text_packet",
    "message_data",
]


@unique
class PacketType(IntEnum):
    """What a packet is for; the value is the number on the wire."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


PacketData: TypeAlias = str | bytes | None
"""Text, a binary message, or nothing."""

Packet: TypeAlias = tuple[PacketType, PacketData]
"""A type and its data."""

PROBE: Final = "probe"
"""Data of the ping and the pong that test a transport before an upgrade."""

# Looking a member up by its character is several times faster than PacketType(int(…)),
# and it knows no other digits than the seven that mean something.
_TYPES: Final = {str(member.value): member for member in PacketType}
_DIGITS: Final = tuple(_TYPES)
_MESSAGE: Final = PacketType.MESSAGE
_EXPECTED_DIGIT: Final = f"expected a digit from {_DIGITS[0]} to {_DIGITS[-1]}"


BARE_PACKETS: Final[Mapping[str, PacketType]] = {
    digit: member for digit, member in _TYPES.items() if member is not _MESSAGE
}
"""Packets without data, in either revision: what heartbeats are made of."""


def encode_text_packet(packet_type: PacketType, data: str | None) -> str:
    """Return the digit of the type followed by the data, if there is any."""
    return _DIGITS[packet_type] + data if data else _DIGITS[packet_type]


def decode_text_packet(text: str) -> tuple[PacketType, str | None]:
    """Return the packet that starts with the digit of its type.

    Raises:
        PacketDecodeError: The text is empty, or starts with something else.
    """
    packet_type = _TYPES.get(text[:1])
    if packet_type is _MESSAGE:
        return packet_type, text[1:]
    if packet_type is None:
        found = f"packet type {text[0]!r}" if text else "empty packet"
        raise PacketDecodeError(f"{found}, {_EXPECTED_DIGIT}")
    return packet_type, text[1:] or None


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Return the bytes that strict base64 stands for; padding may be missing.

    Raises:
        PacketDecodeError: There are characters outside of the standard alphabet,
            padding in the wrong place, or a number of characters that base64 never has.
    """
    padded = text + "=" * (-len(text) % 4)
    # Python's strict mode lets padding pass that follows four whole characters.
    if padded.endswith("==="):
        raise PacketDecodeError("bad base64, expected at most two signs of padding")
    try:
        return a2b_base64(padded, strict_mode=True)
    except ValueError as exc:  # binascii.Error, or plain for non-ASCII characters
        raise PacketDecodeError(f"bad base64, expected strict base64: {exc}") from exc


def message_data(message: str | Buffer) -> str | bytes:
    """Return the data of a message: text as it is, anything bytes-like as bytes.

    Raises:
        TypeError: The message is neither text nor bytes-like; nothing is guessed.
    """
    if isinstance(message, (str, bytes)):
        return message
    # Not bytes(message): that makes zeros of an int and bytes of any list of numbers.
    try:
        return memoryview(message).tobytes()
    except TypeError:
        raise TypeError(
            f"a message is a str or bytes-like, not {type(message).__name__}: encode "
            "other data first, for example by json.dumps"
        ) from None
