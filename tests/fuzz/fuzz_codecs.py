"""What the codecs make of any input: packets that survive a journey, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from txengineio.errors import LocalProtocolError, PacketDecodeError
from txengineio.protocol.codec import Codec
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.jsonp import unwrap_jsonp_form, wrap_jsonp
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.revisions import codec_for
from txengineio.protocol.text import decode_utf8

__all__ = ["check"]

_SEPARATOR = "\x1e"


def check(data: bytes) -> None:
    """Decode what follows the first byte, which says how; nothing else may be raised.

    Bits 0 and 1: what it is, see below. Bit 2: revision 3. Bit 3: as text. Bit 4:
    encode again for a peer that does not take binary data.
    """
    how, body = data[0] if data else 0, data[1:]
    kind = how & 3
    codec = codec_for(3 if how & 4 else 4)
    try:
        content = decode_utf8(body) if how & 8 else body
        if kind == 0:
            _check_packets(codec, [codec.decode_frame(content)], not how & 16)
        elif kind == 1:
            packets = _leading(codec.decode_payload(content))
            _check_packets(codec, packets, not how & 16)
        elif kind == 2:
            _check_form(body)
        else:
            _check_handshake(decode_utf8(body))
    except PacketDecodeError:
        pass


def _leading(packets: Iterator[Packet]) -> list[Packet]:
    """Return the packets before the first bad one."""
    found: list[Packet] = []
    with suppress(PacketDecodeError):
        found.extend(packets)
    return found


def _check_packets(codec: Codec, packets: list[Packet], binary: bool) -> None:
    for packet_type, data in packets:
        assert isinstance(packet_type, PacketType)
        assert (data is not None) or packet_type is not PacketType.MESSAGE
        assert data or data is None or packet_type is PacketType.MESSAGE
    # Revision 4 has no way to write the separator, and its binary data are messages.
    # Revision 3 looks at nothing behind a close packet.
    if codec.revision == 4:
        packets = [each for each in packets if _SEPARATOR not in str(each[1])]
    else:
        packets = [each for each in packets if each[0] is not PacketType.CLOSE]
    if not packets:
        return
    try:
        payload = codec.encode_payload(packets, binary)
    except LocalProtocolError:
        raise AssertionError(packets) from None
    assert list(codec.decode_payload(payload)) == packets
    for packet in packets:
        assert codec.decode_frame(codec.encode_frame(*packet, binary)) == packet


def _check_form(body: bytes) -> None:
    payload = unwrap_jsonp_form(body)
    if payload is None:
        return
    script = wrap_jsonp("0", payload)
    assert not {"<", "\u2028", "\u2029", "\n"} & set(script)
    assert json.loads(script.removeprefix("___eio[0](").removesuffix(");")) == payload


def _check_handshake(text: str) -> None:
    handshake = Handshake.parse(text)
    again = Handshake.parse(handshake.to_json())
    assert again.sid == handshake.sid
    assert again.upgrades == handshake.upgrades
    assert again.max_payload == handshake.max_payload
