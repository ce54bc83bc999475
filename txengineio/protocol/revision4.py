"""Protocol revision 4: packets are text, and binary data is always a message.

=================  ==============================  ==============================
packet             frame                           in a payload
=================  ==============================  ==============================
text               ``4hello``, ``2probe``          the same
binary message     the raw bytes                   ``b`` + base64
binary, ``b64``    ``b`` + base64                  ``b`` + base64
=================  ==============================  ==============================

The packets of a payload are joined by U+001E. Nothing escapes that character: text that
contains it arrives in pieces by polling.

Spec: Engine.IO v4, "Packet encoding".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import ClassVar, Final

from typing_extensions import override

from txengineio.errors import LocalProtocolError, PacketDecodeError
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

__all__ = ["SEPARATOR", "Revision4Codec"]

SEPARATOR: Final = "\x1e"
"""Stands between the packets of a payload."""

_NEXT_MESSAGE: Final = SEPARATOR + "4"

_MANY: Final = 64
"""Packets from which a payload is not taken apart all at once."""

_MESSAGE: Final = PacketType.MESSAGE


class Revision4Codec(Codec):
    """Writes and reads the packets of protocol revision 4."""

    __slots__ = ()

    revision: ClassVar[int] = 4

    @override
    def encode_frame(
        self, packet_type: PacketType, data: PacketData, supports_binary: bool = True
    ) -> str | bytes:
        if not isinstance(data, bytes):
            return encode_text_packet(packet_type, data)
        if not supports_binary:
            return _encode_as_text(packet_type, data)
        _check_is_message(packet_type)
        return data

    @override
    def decode_frame(self, frame: str | bytes) -> Packet:
        # First the most common kind of frame. The name saves a look-up in the enum,
        # which costs half as much as all the rest.
        if isinstance(frame, str) and frame[:1] == "4":
            return _MESSAGE, frame[1:]
        if isinstance(frame, bytes):
            return _MESSAGE, frame
        if frame[:1] == "b":
            return _MESSAGE, decode_base64(frame[1:])
        return decode_text_packet(frame)

    @override
    def encode_payload(
        self, packets: Sequence[Packet], supports_binary: bool = True
    ) -> str:
        """Return the packets as text, whatever ``supports_binary`` says."""
        return SEPARATOR.join(
            [
                # First what nearly every packet is.
                "4" + data
                if type(data) is str and packet_type is _MESSAGE
                else _encode_as_text(packet_type, data)
                for packet_type, data in packets
            ]
        )

    @override
    def decode_payload(self, body: str | bytes) -> Iterator[Packet]:
        if isinstance(body, str) and body[:1] == "4":
            # First what nearly every payload is: messages, and nothing else.
            others = body.count(SEPARATOR)
            if not others:
                return iter(((_MESSAGE, body[1:]),))
            if others < _MANY and others == body.count(_NEXT_MESSAGE):
                return zip(repeat(_MESSAGE), body[1:].split(_NEXT_MESSAGE))
        return self._decode_each(body)

    def _decode_each(self, body: str | bytes) -> Iterator[Packet]:
        if isinstance(body, bytes):
            raise PacketDecodeError("binary payload, expected text in revision 4")
        for frame in _frames_in(body):
            # First what nearly every packet is.
            if frame[:1] == "4":
                yield _MESSAGE, frame[1:]
            else:
                yield self.decode_frame(frame)


def _frames_in(body: str) -> Iterable[str]:
    """Yield the parts between the separators.

    A body of a million of them does not become as many strings before anybody could
    count them.
    """
    if body.count(SEPARATOR) < _MANY:
        return body.split(SEPARATOR)
    return _each_frame_in(body)


def _each_frame_in(body: str) -> Iterator[str]:
    start = 0
    while (end := body.find(SEPARATOR, start)) >= 0:
        yield body[start:end]
        start = end + 1
    yield body[start:]


def _encode_as_text(packet_type: PacketType, data: PacketData) -> str:
    if not isinstance(data, bytes):
        return encode_text_packet(packet_type, data)
    _check_is_message(packet_type)
    return "b" + encode_base64(data)


def _check_is_message(packet_type: PacketType) -> None:
    if packet_type is not _MESSAGE:
        raise LocalProtocolError(
            f"{packet_type.name} with binary data, expected MESSAGE in revision 4"
        )
