"""What managers tell each other, as bytes."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from txengineio.integrations.socketio.managers import orders

ORDERS = [
    orders.Emit("/", None, [], None, ('2["é"]',)),
    orders.Emit("/x", ["a", 7, None], ["s1", "s2"], 5, ('51-["b"]', b"\0\xff", b"")),
    orders.Answer("n1", ("43[]",)),
    orders.Disconnect("/", "sid"),
    orders.Enter("/", "sid", "room"),
    orders.Leave("/", "sid", 5),
    orders.Close("/", "room"),
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_an_order_is_read_as_it_was_written(order: orders.Order) -> None:
    assert orders.decode(orders.encode(order)) == order


def headed(*head: Any, rest: bytes = b"") -> bytes:
    encoded = json.dumps(head).encode()
    return struct.pack("!I", len(encoded)) + encoded + rest


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an order of 0 bytes"),
        (b"\0\0\0\2{}", "no order"),
        (b"\0\0\0\2[]", "no order"),
        (b"\0\0\0\x09[", "Expecting value"),
        (headed("explode", "/"), "no order"),
        (headed("close", "/"), "expected namespace, room"),
        (headed("close", 5, "room"), "namespace is 5"),
        (headed("enter", "/", None, "room"), "sid is None"),
        (headed("enter", "/", "sid", ["a"]), r"room is \['a'\]"),
        (headed("emit", "/", [["a"]], [], None), "rooms is"),
        (headed("emit", "/", None, [5], None), "skipped is"),
        (headed("emit", "/", None, [], "5"), "question is '5'"),
        (headed("answer", "n1", rest=b"\0"), "end within a part"),
        (headed("answer", "n1", rest=b"\0\0\0\0\2x"), "a part of 1 bytes, expected 2"),
        (headed("answer", "n1", rest=b"\0\0\0\0\1\xff"), "utf-8"),
    ],
)
def test_what_is_no_order_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        orders.decode(data)


@pytest.mark.parametrize("room", [b"bytes", 1.5, ("a", "b"), object()])
def test_a_room_that_others_cannot_be_told_is_refused(room: Any) -> None:
    with pytest.raises(TypeError, match=r"room is .*, expected what other processes"):
        orders.encode(orders.Enter("/", "sid", room))
