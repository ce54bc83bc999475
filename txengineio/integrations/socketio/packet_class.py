"""The packets of the default serializer, encoded and decoded faster.

What they say is what python-socketio's own say, which make a JSON encoder and a decoder
for each packet, and look for binary data before they encode it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

import engineio
from socketio import packet
from typing_extensions import override

from txengineio.errors import InvalidOption

__all__ = ["JSONPacket", "packet_class_for"]

_MAX_DIGITS: Final = 100

_HEAD: Final = re.compile(
    r"(?P<type>[0-9])"
    r"(?:(?P<attachments>[0-9]{1,10})-)?"
    r"(?:(?P<namespace>/[^,]*),?)?"
    r"(?P<id>[0-9]+)?"
    r"[ \t\n\r]*"
)
"""What comes before a packet's values: ``51-/admin,12`` of ``51-/admin,12["x"]``."""


def _number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_DECODER: Final = json.JSONDecoder(parse_int=_number)


def packet_class_for(packet_class: Any) -> type[Any]:
    """Return the class of packets for a server whose upstream has chosen one.

    Returns:
        `JSONPacket` in the place of the default; for msgpack, a class that the official
        parser understands; any other class as it is, and the default, too, where it
        encodes by a JSON module of the application.

    Raises:
        InvalidOption: It is no class of packets.
    """
    if not isinstance(packet_class, type) or not issubclass(
        packet_class, packet.Packet
    ):
        expected = "'default', 'msgpack', or a subclass of socketio.packet.Packet"
        raise InvalidOption("serializer", expected, packet_class)
    chosen: type[Any] = packet_class
    if chosen is packet.Packet and chosen.json is engineio.json:
        return JSONPacket
    if _is_msgpack(chosen):
        from txengineio.integrations.socketio import msgpack_class  # noqa: PLC0415

        return msgpack_class.msgpack_class_for(chosen)
    return chosen


def _is_msgpack(packet_class: type[Any]) -> bool:
    # Neither this module nor our class can be imported where msgpack is not installed.
    module = sys.modules.get("socketio.msgpack_packet")
    return module is not None and issubclass(packet_class, module.MsgPackPacket)


class JSONPacket(packet.Packet):  # type: ignore[misc]  # no annotations
    """A packet of Socket.IO.

    That an event or an acknowledgement is a binary one, because there is binary data
    among its values, is known when it is encoded, not before.
    """

    def __init__(
        self,
        packet_type: int = packet.EVENT,
        data: Any = None,
        namespace: str | None = None,
        id: int | None = None,
        binary: bool | None = None,
        encoded_packet: str | None = None,
    ) -> None:
        if binary is not None:
            super().__init__(packet_type, data, namespace, id, binary, encoded_packet)
            return
        self.packet_type = packet_type
        self.data = data
        self.namespace = namespace
        self.id = id
        self.attachments: list[bytes] = []
        self.attachment_count = 0
        if encoded_packet:
            self.attachment_count = self.decode(encoded_packet)

    @override
    def encode(self) -> str | list[str | bytes]:
        """Return the packet as text; as text and its attachments if it is binary."""
        data = self.data
        try:
            values = "" if data is None else _ENCODER.encode(data)
        except TypeError:
            values = None
        if values is None or self.packet_type in _BINARY:
            # There are bytes among the values, or objects that JSON cannot express.
            return self._encode_as_upstream()
        namespace, number = self.namespace, self.id
        return (
            f"{self.packet_type}"
            f"{'' if namespace is None or namespace == '/' else f'{namespace},'}"
            f"{'' if number is None else number}"
            f"{values}"
        )

    def _encode_as_upstream(self) -> str | list[str | bytes]:
        same = packet.Packet(self.packet_type, self.data, self.namespace, self.id)
        encoded: str | list[str | bytes] = same.encode()
        return encoded

    @override
    def decode(self, encoded_packet: str) -> int:
        """Take over what a packet of text says.

        Returns:
            How many attachments follow.

        Raises:
            ValueError: It is no packet.
        """
        head = _HEAD.match(encoded_packet)
        if head is None:
            raise ValueError("a packet begins with its type")
        packet_type, attachments, namespace, number = head.groups()
        self.packet_type = int(packet_type)
        self.namespace = None if namespace is None else namespace.partition("?")[0]
        if number is not None:
            self.id = _number(number)
        values = encoded_packet[head.end() :]
        self.data = _decode_values(values) if values else None
        return 0 if attachments is None else int(attachments)


_BINARY: Final = (packet.BINARY_EVENT, packet.BINARY_ACK)


def _decode_values(values: str) -> Any:
    decoded, end = _DECODER.raw_decode(values)
    # More may follow, if it is white space.
    return decoded if end == len(values) else _DECODER.decode(values)
