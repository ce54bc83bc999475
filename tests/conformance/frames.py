"""WebSocket frames as a client writes and reads them: RFC 6455, section 5.2."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "deflate",
    "inflate",
    "parse_frames",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_MASK = bytes.fromhex("a1b2c3d4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame.

    Attributes:
        opcode: What it is.
        payload: Its data, not masked.
        final: Whether the message ends with it.
        compressed: Whether the bit of permessage-deflate is set.
    """

    opcode: int
    payload: bytes = b""
    final: bool = True
    compressed: bool = False

    @classmethod
    def of(cls, message: str | bytes) -> Frame:
        if isinstance(message, str):
            return cls(opcode=TEXT, payload=message.encode())
        return cls(opcode=BINARY, payload=message)

    def to_bytes(self, *, masked: bool = True) -> bytes:
        """Return the frame as a client sends it, unless it forgets the mask."""
        first = self.final << 7 | self.compressed << 6 | self.opcode
        size = len(self.payload)
        if size < 126:
            head = bytes((first, masked << 7 | size))
        elif size < 0x10000:
            head = bytes((first, masked << 7 | 126)) + size.to_bytes(2)
        else:
            head = bytes((first, masked << 7 | 127)) + size.to_bytes(8)
        if not masked:
            return head + self.payload
        mask = (_MASK * (size // 4 + 1))[:size]
        body = int.from_bytes(self.payload) ^ int.from_bytes(mask)
        return head + _MASK + body.to_bytes(size)

    @classmethod
    def parse(cls, data: bytes) -> tuple[Frame | None, bytes]:
        """Return the first frame of what a server sent, and what follows it."""
        if len(data) < 2:
            return None, data
        assert not data[1] & 0x80, "a server must not mask"
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start])
        if len(data) < start + size:
            return None, data
        frame = cls(
            opcode=data[0] & 0x0F,
            payload=data[start : start + size],
            final=bool(data[0] & 0x80),
            compressed=bool(data[0] & 0x40),
        )
        return frame, data[start + size :]


def parse_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Return all whole frames of what a server sent, and what is left."""

    def read() -> Iterator[Frame]:
        nonlocal data
        while True:
            frame, data = Frame.parse(data)
            if frame is None:
                return
            yield frame

    return list(read()), data


def deflate(payload: bytes) -> bytes:
    """Compress a message: RFC 7692, section 7.2.1."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


def inflate(payload: bytes) -> bytes:
    """Decompress a message of a peer that takes no context over."""
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
