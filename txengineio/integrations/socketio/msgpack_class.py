"""The packets of the serializer ``msgpack``, as socket.io-msgpack-parser has them.

python-socketio's say nil where there is no data, which that parser refuses in the
packet that disconnects a client; and they leave JavaScript's ``undefined``, which it
sends in the place of ``auth``, as an extension of msgpack.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
from socketio.msgpack_packet import MsgPackPacket
from typing_extensions import override

__all__ = ["msgpack_class_for"]

_UNDEFINED: Final = 0, b"\x00"
"""The extension that stands for ``undefined``: its code and its data."""

_IDS: Final = int, type(None)


def msgpack_class_for(packet_class: type[Any]) -> type[Any]:
    """Return the class of packets for a server that speaks msgpack.

    Args:
        packet_class: ``MsgPackPacket``, or what its ``configure`` has made.
    """

    class Packet(_MessagePackPacket):
        dumps_default = getattr(packet_class, "dumps_default", None)
        ext_hook = _hook_of(packet_class)

    return Packet


class _MessagePackPacket(MsgPackPacket):  # type: ignore[misc]  # no annotations
    @override
    def encode(self) -> bytes:
        """Return the packet as a map without the keys that have no value."""
        values = {"type": self.packet_type, "nsp": self.namespace}
        if self.data is not None:
            values["data"] = self.data
        if self.id is not None:
            values["id"] = self.id
        encoded: bytes = msgpack.dumps(values, default=type(self).dumps_default)
        return encoded

    @override
    def decode(self, encoded_packet: bytes) -> None:
        """Take over what a packet says.

        Raises:
            Exception: Whatever msgpack raises, a key is missing, or its value is of a
                wrong type: it is no packet.
        """
        values = msgpack.loads(encoded_packet, ext_hook=type(self).ext_hook)
        self.packet_type, self.namespace = values["type"], values["nsp"]
        self.data, self.id = values.get("data"), values.get("id")
        if self.namespace is not None and not self.namespace.startswith("/"):
            raise ValueError("a namespace begins with a slash")
        if type(self.packet_type) is not int or type(self.id) not in _IDS:
            raise ValueError("a type is a number, and so is an id")


def _hook_of(packet_class: type[Any]) -> Any:
    chosen = getattr(packet_class, "ext_hook", msgpack.ExtType)
    return staticmethod(_decode_extension if chosen is msgpack.ExtType else chosen)


def _decode_extension(code: int, data: bytes) -> Any:
    return None if (code, data) == _UNDEFINED else msgpack.ExtType(code, data)
