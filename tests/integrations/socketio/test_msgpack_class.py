"""Packets of msgpack beside those of socket.io-msgpack-parser 3.0."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgpack
import pytest
from socketio import packet
from socketio.msgpack_packet import MsgPackPacket

from tests.integrations.socketio.harness import opened, wired
from txengineio.integrations.socketio.msgpack_class import msgpack_class_for
from txengineio.socketio import AsyncServer, Server

# As the parser encodes them: {type: 0, data: undefined, nsp: "/"} and
# {type: 2, data: ["x", undefined], nsp: "/"}.
CONNECT = bytes.fromhex("83a47479706500a464617461d40000a36e7370a12f")
EVENT = bytes.fromhex("83a47479706502a46461746192a178d40000a36e7370a12f")

Packet = msgpack_class_for(MsgPackPacket)


def test_undefined_is_nothing() -> None:
    assert Packet(encoded_packet=CONNECT).data is None
    assert Packet(encoded_packet=EVENT).data == ["x", None]


def test_other_extensions_stay_what_they_are() -> None:
    extension = msgpack.ExtType(7, b"\x00")
    encoded = msgpack.dumps({"type": 2, "nsp": "/", "data": ["x", extension]})
    assert Packet(encoded_packet=encoded).data == ["x", extension]


@pytest.mark.parametrize("number", [None, 0, 12])
def test_what_is_encoded_is_decoded(number: int | None) -> None:
    sent = Packet(packet.ACK, [b"\x01", {"a": None}], "/admin", number)
    received = Packet(encoded_packet=sent.encode())
    assert (received.packet_type, received.data) == (packet.ACK, sent.data)
    assert (received.namespace, received.id) == ("/admin", number)


@pytest.mark.parametrize(
    "values",
    [
        "x",
        {"nsp": "/"},
        {"type": 0},
        {"type": 0, "nsp": "*"},
        {"type": 0, "nsp": 1},
        {"type": "0", "nsp": "/"},
        {"type": True, "nsp": "/"},
        {"type": 3, "nsp": "/", "data": [], "id": []},
        {"type": 3, "nsp": "/", "data": [], "id": "1"},
    ],
)
def test_what_is_no_packet_is_refused(values: Any) -> None:
    sio, server = wired(Server, serializer="msgpack")
    client = opened(server)
    client.send(msgpack.dumps(values))
    server.settle()

    assert not sio.engine.sessions


def test_a_packet_that_disconnects_has_no_data() -> None:
    encoded = Packet(packet.DISCONNECT, namespace="/").encode()
    assert msgpack.loads(encoded) == {"type": packet.DISCONNECT, "nsp": "/"}


@pytest.mark.skipif(
    not hasattr(MsgPackPacket, "configure"),
    reason="a later python-socketio has MsgPackPacket.configure",
)
def test_what_upstream_was_configured_with_counts() -> None:
    configured = msgpack_class_for(
        MsgPackPacket.configure(
            dumps_default=lambda value: msgpack.ExtType(5, str(value).encode()),
            ext_hook=lambda code, data: (code, data),
        )
    )
    encoded = configured(packet.EVENT, ["x", date(2026, 1, 2)], "/").encode()
    assert configured(encoded_packet=encoded).data == ["x", (5, b"2026-01-02")]
    assert configured(encoded_packet=CONNECT).data == (0, b"\x00")


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_servers_use_it(kind: Any) -> None:
    made = wired(kind, serializer="msgpack")[0].packet_class
    assert made(encoded_packet=CONNECT).data is None


def test_a_client_of_the_official_parser_comes_and_is_sent_away() -> None:
    sio, server = wired(Server, serializer="msgpack")
    asked: list[object] = []
    sio.on("connect", lambda sid, environ, auth: asked.append(auth))
    sio.on("leave", sio.disconnect)
    client = opened(server)
    client.send(CONNECT)
    server.settle()
    client.packets()
    client.send(msgpack.dumps({"type": packet.EVENT, "nsp": "/", "data": ["leave"]}))
    server.settle()

    assert asked == [None]
    (goodbye,) = client.packets()
    assert msgpack.loads(goodbye) == {"type": packet.DISCONNECT, "nsp": "/"}
