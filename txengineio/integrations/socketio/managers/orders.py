"""What the managers of several processes tell each other, as bytes.

An order is the length of its head (4 bytes), the head, which is a list in JSON that
begins with the order's name, and the parts of a packet of Socket.IO, as clients get
them: for each, whether it is binary (1 byte), its length (4), and itself.

==============  =====================================================================
name            rest of the head
==============  =====================================================================
``emit``        namespace, room or rooms, ids of clients to skip, number of a question
``answer``      name of the node that has asked
``disconnect``  namespace, id of a client
``enter``       namespace, id of a client, room
``leave``       namespace, id of a client, room
``close``       namespace, room
==============  =====================================================================

Readers trust nothing: an order that makes no sense is a ``ValueError``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from txengineio.integrations.socketio.managers.delivery import Part
from txengineio.protocol.text import encode_utf8

__all__ = [
    "Answer",
    "Close",
    "Disconnect",
    "Emit",
    "Enter",
    "Leave",
    "Order",
    "decode",
    "encode",
]

_HEAD: Final = struct.Struct("!I")
_PART: Final = struct.Struct("!?I")

Room = str | int | None


@dataclass(frozen=True, slots=True)
class Emit:
    """Send an event.

    Attributes:
        namespace: The namespace.
        rooms: Who is to get it: a room, several, or None for all.
        skipped: Ids of clients who are not.
        question: The number that an answer is to have; None if nobody waits for one.
        parts: The packet.
    """

    namespace: str
    rooms: Room | list[Room]
    skipped: Sequence[str]
    question: int | None
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Answer:
    """Learn what a client has said.

    Attributes:
        node: Who has asked it; nobody else is meant.
        parts: An acknowledgement with the number of the question.
    """

    node: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Disconnect a client from a namespace."""

    namespace: str
    sid: str


@dataclass(frozen=True, slots=True)
class Enter:
    """Have a client enter a room."""

    namespace: str
    sid: str
    room: Room


@dataclass(frozen=True, slots=True)
class Leave:
    """Have a client leave a room."""

    namespace: str
    sid: str
    room: Room


@dataclass(frozen=True, slots=True)
class Close:
    """Have all clients leave a room."""

    namespace: str
    room: Room


Order = Emit | Answer | Disconnect | Enter | Leave | Close


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_room(value: object) -> bool:
    return value is None or isinstance(value, str | int)


def _is_room_or_rooms(value: object) -> bool:
    return all(map(_is_room, value)) if isinstance(value, list) else _is_room(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int)


_CHECKS: Final[Mapping[str, Callable[[object], bool]]] = {
    "namespace": _is_text,
    "sid": _is_text,
    "node": _is_text,
    "room": _is_room,
    "rooms": _is_room_or_rooms,
    "skipped": _are_texts,
    "question": _is_number,
}

_ORDERS: Final[Mapping[str, type[Any]]] = {
    order.__name__.lower(): order
    for order in (Emit, Answer, Disconnect, Enter, Leave, Close)
}


def encode(order: Order) -> bytes:
    """Return an order as bytes.

    Raises:
        TypeError: A room, or a client's id, is none that other processes could be told
            of.
    """
    kind = type(order)
    head: list[Any] = [kind.__name__.lower()]
    for name in _head_of(kind):
        value = getattr(order, name)
        if not _CHECKS[name](value):
            raise TypeError(
                f"{name} is {value!r}, expected what other processes can be told: "
                "text, or a number"
            )
        head.append(value)
    encoded = json.dumps(head).encode()
    parts = getattr(order, "parts", ())
    return b"".join([_HEAD.pack(len(encoded)), encoded, *map(_encode_part, parts)])


def decode(data: bytes) -> Order:
    """Read an order.

    Raises:
        ValueError: It is none.
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"an order of {len(data)} bytes")
    end = _HEAD.size + _HEAD.unpack_from(data)[0]
    head = json.loads(data[_HEAD.size : end])
    kind = _ORDERS.get(head[0]) if isinstance(head, list) and head else None
    if kind is None:
        raise ValueError(f"no order: {head!r}")
    names = _head_of(kind)
    values = head[1:]
    if len(values) != len(names):
        raise ValueError(f"{head!r}, expected {', '.join(names)}")
    for name, value in zip(names, values, strict=True):
        if not _CHECKS[name](value):
            raise ValueError(f"{head!r}: {name} is {value!r}")
    if kind in (Emit, Answer):
        values.append(tuple(_decode_parts(data, end)))
    order: Order = kind(*values)
    return order


def _head_of(kind: type[Any]) -> list[str]:
    return [each.name for each in fields(kind) if each.name != "parts"]


def _encode_part(part: Part) -> bytes:
    if isinstance(part, str):
        text = encode_utf8(part)
        return _PART.pack(False, len(text)) + text
    return _PART.pack(True, len(part)) + part


def _decode_parts(data: bytes, start: int) -> Iterator[Part]:
    while start < len(data):
        if len(data) < start + _PART.size:
            raise ValueError(f"{len(data)} bytes end within a part")
        is_binary, length = _PART.unpack_from(data, start)
        start += _PART.size
        part = data[start : start + length]
        if len(part) < length:
            raise ValueError(f"a part of {len(part)} bytes, expected {length}")
        yield part if is_binary else part.decode()
        start += length
