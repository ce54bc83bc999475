"""What nodes publish: frames, which prove that a node of the cluster made them.

A frame is, in this order:

=================  ===================================================================
version            1 byte
kind               1 byte: what it is; the kinds below are the membership's own
incarnation        8 bytes: which start of its node; a later one is greater
serial             8 bytes: greater than in all frames before it, see ``numbers``
number             8 bytes, see ``numbers``
sender             1 byte for its length, and the name of the node
HMAC-SHA256        32 bytes, of the channel, a zero byte, and all the rest of the frame
payload            as it is
=================  ===================================================================

Nothing in it depends on the clock of a node: it is the broker that tells when one
starts. A frame that is published again on its channel is found out by its serial
number, or by its incarnation if its node has started again; on another channel by its
HMAC. A node that has heard nothing of another one cannot know what that has said
before.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import Enum, unique
from hashlib import sha256
from typing import Final

from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member

__all__ = [
    "INCARNATION",
    "BadFrame",
    "Frame",
    "Own",
    "Seal",
    "decode_member",
    "encode_member",
]

INCARNATION: Final = 8
"""Bytes that tell the starts of a node with the same name from each other."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct(f"!Bc{INCARNATION}sQQB")
_MAC: Final = sha256().digest_size
_LENGTH: Final = struct.Struct("!B")


@unique
class Own(Enum):
    """The kinds of frames that are the membership's own."""

    HERE = b"\x01"
    """A node is a member, and as `encode_member` says."""
    LEFT = b"\x02"
    """A node is no member any more."""
    PROBE = b"\x03"
    """A node wants to hear itself."""
    MARK = b"\x04"
    """A node has told another something, up to a number."""


_OWN: Final = {own.value: own for own in Own}


class BadFrame(Exception):
    """What was published is no frame of a node of this cluster.

    Args:
        reason: Under what it is counted: ``forged``, or ``version``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame.

    Attributes:
        kind: What it is: one byte.
        sender: The name of the node that made it.
        incarnation: Which start of that node.
        serial: Which frame of that start it is.
        number: Which message to its receivers it is, or comes after.
        payload: The rest.
    """

    kind: bytes
    sender: str
    incarnation: bytes
    serial: int
    number: int
    payload: bytes

    @property
    def own(self) -> Own | None:
        """What it is, if it is the membership's own; None for a message."""
        return _OWN.get(self.kind)


class Seal:
    """Makes frames, and checks them.

    Args:
        secret: What all nodes of the cluster know, and nobody else.
        name: The name of the cluster.
    """

    def __init__(self, secret: bytes, name: str) -> None:
        purpose = b"txengineio cluster frames\0" + name.encode()
        key = hmac.digest(secret, purpose, "sha256")
        self._hmac = hmac.new(key, digestmod=sha256)

    def encode(self, channel: bytes, frame: Frame) -> bytes:
        """Return a frame as bytes, for one channel."""
        sender = frame.sender.encode()
        head = _HEAD.pack(
            *(_VERSION, frame.kind, frame.incarnation),
            *(frame.serial, frame.number, len(sender)),
        )
        head += sender
        return head + self._digest(channel, head, frame.payload) + frame.payload

    def decode(self, channel: bytes, data: bytes) -> Frame:
        """Read what came by a channel.

        Raises:
            BadFrame: No node of this cluster made it for this channel.
        """
        if len(data) < _HEAD.size or data[0] != _VERSION:
            raise BadFrame("version" if data and data[0] != _VERSION else "forged")
        _, kind, incarnation, serial, number, length = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        head, digest, payload = data[:end], data[end : end + _MAC], data[end + _MAC :]
        if not hmac.compare_digest(digest, self._digest(channel, head, payload)):
            raise BadFrame("forged")
        return Frame(
            kind=kind,
            sender=head[_HEAD.size :].decode(),
            incarnation=incarnation,
            serial=serial,
            number=number,
            payload=payload,
        )

    def _digest(self, channel: bytes, head: bytes, payload: bytes) -> bytes:
        digest = self._hmac.copy()
        digest.update(channel + b"\0" + head)
        digest.update(payload)
        return digest.digest()


def encode_member(member: Member) -> bytes:
    """Return the payload that tells about a node; the frame has its name."""
    address = member.address.encode()
    return _LENGTH.pack(len(address)) + address + member.load.encode()


def decode_member(name: str, payload: bytes) -> Member:
    """Read such a payload.

    Raises:
        ValueError: It is none.
    """
    if not payload or len(payload) <= payload[0]:
        raise ValueError(f"a member in {len(payload)} bytes")
    end = 1 + payload[0]
    return Member(name, payload[1:end].decode(), Load.decode(payload[end:]))
