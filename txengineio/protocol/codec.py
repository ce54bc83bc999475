"""The interface of a codec: how one protocol revision writes and reads packets.

A frame is one packet in one WebSocket message. A payload is several packets in the body
of one polling request or response. In both, ``str`` is text and ``bytes`` is binary; a
text body is UTF-8 on the wire, see `txengineio.protocol.text`.

Codecs have no state; `txengineio.protocol.revisions.codec_for` hands out the instances.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from txengineio.protocol.packets import Packet, PacketData, PacketType

__all__ = ["Codec"]


class Codec(ABC):
    """Writes and reads the packets of one protocol revision."""

    __slots__ = ()

    revision: ClassVar[int]
    """The value of the ``EIO`` parameter that asks for this codec."""

    @abstractmethod
    def encode_frame(
        self, packet_type: PacketType, data: PacketData, supports_binary: bool = True
    ) -> str | bytes:
        """Return the content of a text frame (str) or of a binary frame (bytes).

        Args:
            packet_type: The type of the packet.
            data: Its data; ``""`` is written like ``None``.
            supports_binary: False when the peer asked for base64 (``b64``).

        Raises:
            LocalProtocolError: This revision cannot write such a packet.
        """

    @abstractmethod
    def decode_frame(self, frame: str | bytes) -> Packet:
        """Return the packet in a text frame (str) or in a binary frame (bytes).

        Raises:
            PacketDecodeError: The frame is no packet.
        """

    @abstractmethod
    def encode_payload(
        self, packets: Sequence[Packet], supports_binary: bool = True
    ) -> str | bytes:
        """Return a body: text (str), or ``application/octet-stream`` (bytes).

        Args:
            packets: What the body carries, at least one packet.
            supports_binary: False when the peer asked for base64 (``b64``).

        Raises:
            LocalProtocolError: This revision cannot write such a packet.
        """

    @abstractmethod
    def decode_payload(self, body: str | bytes) -> Iterator[Packet]:
        """Yield the packets of a text body (str) or a binary body (bytes).

        Packets are decoded one by one, so that the caller may count them and stop.
        Nothing is raised before the first step of the iteration.

        Raises:
            PacketDecodeError: At the first packet that cannot be read; all before it
                have been yielded, none after it is looked at.
        """
