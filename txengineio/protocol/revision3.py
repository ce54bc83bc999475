"""Protocol revision 3: any packet may be binary, and payloads count lengths.

=======  ==========================  ============================================
packet   frame                       in a payload
=======  ==========================  ============================================
text     ``4hello``                  ``6:4hello``, or ``00 06 ff`` + the packet
binary   type number + data          ``01``, digits, ``ff`` + type number + data
base64   ``b4`` + base64             ``10:b4AQIDBA==``
=======  ==========================  ============================================

A string payload counts UTF-16 code units. A binary payload counts bytes, and writes
each digit of a length as a byte from 0 to 9.

Spec: Engine.IO v3, "Encoding".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from typing_extensions import override

from txengineio.errors import PacketDecodeError
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import (
    Packet,
    PacketData,
    PacketType,
    decode_base64,
    decode_text_packet,
    encode_base64,
    encode_text_packet,
)
from txengineio.protocol.text import decode_utf8, encode_utf8, utf16_length

__all__ = ["MAX_LENGTH_DIGITS", "Revision3Codec"]

MAX_LENGTH_DIGITS: Final = 310
"""Digits that a length may have, the reference implementation's limit.

It has to be far below the 4,300 at which Python refuses to make an int.
"""

_MESSAGE: Final = PacketType.MESSAGE
_TYPES: Final = tuple(PacketType)
_TYPE_BYTES: Final = tuple(bytes([member]) for member in PacketType)

_TEXT_KIND: Final = 0
_BINARY_KIND: Final = 1
_LENGTH_END: Final = b"\xff"
# A megabyte of these is half a million, which no limit on packets counts.
_EMPTY_PACKETS: Final = re.compile(rf"(?:0{{1,{MAX_LENGTH_DIGITS}}}:)++")
# From a length's bytes to ASCII digits, and everything else to something that is none.
_TO_ASCII_DIGITS: Final = b"0123456789".ljust(256, b"?")


class Revision3Codec(Codec):
    """Writes and reads the packets of protocol revision 3."""

    __slots__ = ()

    revision: ClassVar[int] = 3

    @override
    def encode_frame(
        self, packet_type: PacketType, data: PacketData, supports_binary: bool = True
    ) -> str | bytes:
        if not isinstance(data, bytes):
            return encode_text_packet(packet_type, data)
        if supports_binary:
            return _TYPE_BYTES[packet_type] + data
        return _encode_as_text(packet_type, data)

    @override
    def decode_frame(self, frame: str | bytes) -> Packet:
        # First the most common kind of frame. The name saves a look-up in the enum,
        # which costs half as much as all the rest.
        if isinstance(frame, str) and frame[:1] == "4":
            return _MESSAGE, frame[1:]
        if isinstance(frame, bytes):
            return _decode_binary_packet(frame)
        if frame[:1] == "b":
            return _decode_base64_packet(frame[1:])
        return decode_text_packet(frame)

    @override
    def encode_payload(
        self, packets: Sequence[Packet], supports_binary: bool = True
    ) -> str | bytes:
        """Return a binary body if the peer can read it and any packet needs it."""
        if supports_binary and any(isinstance(data, bytes) for _, data in packets):
            frames = [self.encode_frame(*packet) for packet in packets]
            return b"".join(map(_encode_with_kind, frames))
        texts = [_encode_as_text(*packet) for packet in packets]
        # "0:" is the reference implementation's way to write no packet at all.
        return "".join([f"{utf16_length(text)}:{text}" for text in texts]) or "0:"

    @override
    def decode_payload(self, body: str | bytes) -> Iterator[Packet]:
        """Yield the packets; a close packet in a text body ends the payload."""
        if not body:
            raise PacketDecodeError("empty payload, expected a packet")
        if isinstance(body, bytes):
            yield from map(self.decode_frame, _split_binary(body))
            return
        for frame in _split_text(body):
            packet = self.decode_frame(frame)
            yield packet
            if packet[0] is PacketType.CLOSE:
                return


def _encode_as_text(packet_type: PacketType, data: PacketData) -> str:
    if isinstance(data, bytes):
        return "b" + encode_text_packet(packet_type, encode_base64(data))
    return encode_text_packet(packet_type, data)


def _decode_base64_packet(text: str) -> Packet:
    packet_type, base64 = decode_text_packet(text)
    return _binary_packet(packet_type, decode_base64(base64 or ""))


def _decode_binary_packet(frame: bytes) -> Packet:
    number = frame[0] if frame else None
    if number is None or number >= len(_TYPES):
        found = "empty packet" if number is None else f"packet type {number:#04x}"
        raise PacketDecodeError(f"{found}, expected a byte from 0 to {_TYPES[-1]:d}")
    return _binary_packet(_TYPES[number], frame[1:])


def _binary_packet(packet_type: PacketType, data: bytes) -> Packet:
    if not data and packet_type is not _MESSAGE:
        return packet_type, None
    return packet_type, data


def _encode_with_kind(frame: str | bytes) -> bytes:
    if isinstance(frame, str):
        kind, packet = _TEXT_KIND, encode_utf8(frame)
    else:
        kind, packet = _BINARY_KIND, frame
    digits = map(int, str(len(packet)))
    return bytes([kind, *digits]) + _LENGTH_END + packet


def _split_text(body: str) -> Iterator[str]:
    """Yield the packets of a text body, which has no surrogates: it was UTF-8."""
    # Without characters above U+FFFF, units of UTF-16 and characters are the same.
    take = _take_characters if utf16_length(body) == len(body) else _take_units
    position = 0
    while position < len(body):
        colon = body.find(":", position, position + MAX_LENGTH_DIGITS + 1)
        length = _parse_length(body[position:colon] if colon >= 0 else "")
        start = colon + 1
        if not length:
            others = _EMPTY_PACKETS.match(body, start)
            position = others.end() if others else start
            continue
        packet = take(body, start, length)
        yield packet
        position = start + len(packet)
        # The peer has its half of the character by now, like in the reference
        # implementation; the other half is no length.
        if packet[-1] != body[position - 1]:
            raise PacketDecodeError("length ends within a character, expected after it")


def _take_characters(body: str, start: int, length: int) -> str:
    end = start + length
    if end > len(body):
        raise _truncated(length, len(body) - start)
    return body[start:end]


def _take_units(body: str, start: int, length: int) -> str:
    # That many characters have at least that many units; looking at no more than these
    # keeps the whole payload linear.
    units = body[start : start + length].encode("utf-16-le", "surrogatepass")
    if len(units) < 2 * length:
        raise _truncated(length, len(units) // 2)
    return units[: 2 * length].decode("utf-16-le", "surrogatepass")


def _split_binary(body: bytes) -> Iterator[str | bytes]:
    """Yield the packets of a binary body."""
    position = 0
    while position < len(body):
        kind = body[position]
        if kind not in (_TEXT_KIND, _BINARY_KIND):
            raise PacketDecodeError(f"kind of packet {kind:#04x}, expected 0 or 1")
        digits = position + 1
        mark = body.find(_LENGTH_END, digits, digits + MAX_LENGTH_DIGITS + 1)
        length_bytes = body[digits:mark].translate(_TO_ASCII_DIGITS)
        length = _parse_length(length_bytes.decode() if mark >= 0 else "")
        position = mark + 1 + length
        if position > len(body):
            raise _truncated(length, len(body) - mark - 1)
        packet = body[mark + 1 : position]
        yield decode_utf8(packet) if kind == _TEXT_KIND else packet


def _parse_length(digits: str) -> int:
    # int() alone takes signs, spaces, underscores and the digits of other scripts.
    if not (digits.isascii() and digits.isdigit()):
        raise PacketDecodeError(
            f"bad length of a packet, expected at most {MAX_LENGTH_DIGITS} digits"
            " and their end"
        )
    return int(digits)


def _truncated(expected: int, got: int) -> PacketDecodeError:
    return PacketDecodeError(
        f"truncated packet, expected a length of {expected}, found {got}"
    )
