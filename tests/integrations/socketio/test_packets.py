"""What clients send, put together and checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from socketio.packet import Packet

from tests.integrations.socketio.harness import wired
from txengineio.errors import PacketDecodeError
from txengineio.integrations.socketio import packets
from txengineio.integrations.socketio.managers.clients import confirm, register
from txengineio.socketio import Server

PLACEHOLDER = '{"_placeholder":true,"num":0}'


NextPacket = Callable[[str, str | bytes], Any]


@pytest.fixture
def next_packet() -> NextPacket:
    """Take a message of the client ``eio``, which is in a namespace, or another."""
    sio, _ = wired(Server)
    sid = register(sio.manager, "eio", "/")
    assert sid is not None
    confirm(sio.manager, sid, "/")
    return partial(packets.next_packet, sio, {})


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("0", None),
        ('0{"token":1}', {"token": 1}),
        ("1", None),
        ('2["a",1]', ["a", 1]),
        ('37["a"]', ["a"]),
        ("37[]", []),
    ],
)
def test_a_packet_of_one_message_is_whole(
    next_packet: NextPacket, message: str, values: Any
) -> None:
    received = next_packet("eio", message)

    assert isinstance(received, Packet)
    assert received.data == values


@pytest.mark.parametrize("begin", ['51-["a",', "61-7["])
def test_attachments_take_their_places(next_packet: NextPacket, begin: str) -> None:
    assert next_packet("eio", f"{begin}{PLACEHOLDER}]") is None
    # Another client's are its own affair.
    assert next_packet("other", '2["b"]').data == ["b"]

    received = next_packet("eio", b"\x01")

    assert received.data[-1] == b"\x01"
    assert next_packet("eio", '2["c"]').data == ["c"]


def test_a_server_may_take_more_attachments() -> None:
    sio, _ = wired(Server)
    sio.max_attachments = 11
    sid = register(sio.manager, "eio", "/")
    assert sid is not None
    confirm(sio.manager, sid, "/")
    incomplete: packets.Incomplete = {}
    named = ",".join(PLACEHOLDER.replace("0", str(number)) for number in range(11))
    received = packets.next_packet(sio, incomplete, "eio", f'511-["a",{named}]')
    for number in range(11):
        assert received is None
        received = packets.next_packet(sio, incomplete, "eio", b"%d" % number)
    assert received.data == ["a", *(b"%d" % number for number in range(11))]
    assert not incomplete


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        (["x"], "no packet"),
        ([""], "an event is a list"),
        (["9"], "no such packet"),
        (['4{"a":1}'], "no such packet"),
        (['2["a"'], "no packet"),
        (["2"], "an event is a list"),
        (["2[7]"], "an event is a list"),
        (['2{"0":"a"}'], "an event is a list"),
        (['2["connect",{"HTTP_COOKIE":"user=admin"},{}]'], "no event 'connect'"),
        (['2["disconnect","x"]'], "no event 'disconnect'"),
        (['2["*","sid of somebody else"]'], r"no event '\*'"),
        ([f'51-["connect",{PLACEHOLDER}]', b"\x01"], "no event 'connect'"),
        (["3"], "an acknowledgement is a list"),
        (['31"a"'], "an acknowledgement is a list"),
        ([b"\x01"], "no"),
        (['50-["a"]'], "has attachments"),
        (['5["a"]'], "has attachments"),
        (['511-["a"]'], "11 attachments, of which a packet may have 10"),
        (['69999999999-7["a"]'], "9999999999 attachments"),
        (['51-/admin,["a"]'], "come after a connect"),
        ([f'51-["a",{PLACEHOLDER}]', '2["b"]'], "text in the place of an attachment"),
        ([f'51-{{"a":{PLACEHOLDER}}}', b"\x01"], "an event is a list"),
        (['51-["a",{"_placeholder":true,"num":7}]', b"\x01"], "no packet"),
        (['51-["a",{"_placeholder":true,"num":"x"}]', b"\x01"], "no packet"),
    ],
)
def test_what_is_no_packet_is_told(
    next_packet: NextPacket, messages: list[str | bytes], problem: str
) -> None:
    for message in messages[:-1]:
        assert next_packet("eio", message) is None

    with pytest.raises(PacketDecodeError, match=problem):
        next_packet("eio", messages[-1])
