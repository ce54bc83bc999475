"""Our packets of the default serializer beside python-socketio's."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import socketio
from hypothesis import given
from hypothesis import strategies as some
from socketio import packet

from tests.integrations.socketio.harness import connected, opened, wired
from txengineio.errors import InvalidOption
from txengineio.integrations.socketio.packet_class import JSONPacket
from txengineio.socketio import AsyncServer, Server


def nested(leaves: Any) -> Any:
    return some.recursive(
        leaves,
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
        max_leaves=8,
    )


LEAVES: Any = some.one_of(
    *(some.none(), some.booleans(), some.integers(), some.text()),
    some.floats(allow_nan=False),
)
WORDS = nested(LEAVES)
VALUES = nested(LEAVES | some.binary())
NAMESPACES = some.sampled_from([None, "/", "/admin", "/a-b/é"])
NUMBERS = some.none() | some.integers(min_value=0, max_value=10**50)


def fields(of: Any) -> tuple[Any, ...]:
    return of.packet_type, of.data, of.namespace, of.id, of.attachment_count


@given(
    some.sampled_from([packet.EVENT, packet.ACK]),
    some.lists(VALUES),
    NAMESPACES,
    NUMBERS,
)
def test_events_and_acknowledgements_are_encoded_alike(
    kind: int, data: list[Any], namespace: str | None, number: int | None
) -> None:
    arguments = kind, data, namespace, number
    assert JSONPacket(*arguments).encode() == packet.Packet(*arguments).encode()


@given(
    some.sampled_from([packet.CONNECT, packet.DISCONNECT, packet.CONNECT_ERROR]),
    WORDS,
    NAMESPACES,
)
def test_other_packets_are_encoded_alike(
    kind: int, data: Any, namespace: str | None
) -> None:
    arguments = kind, data, namespace
    assert JSONPacket(*arguments).encode() == packet.Packet(*arguments).encode()


@given(some.integers(0, 4), some.lists(WORDS), NAMESPACES, NUMBERS, some.integers(0, 9))
def test_packets_are_decoded_alike(
    kind: int,
    data: list[Any],
    namespace: str | None,
    number: int | None,
    attachments: int,
) -> None:
    text = packet.Packet(kind, data, namespace, number, binary=False).encode()
    if kind in (packet.EVENT, packet.ACK) and attachments:
        # Made a binary one, of whose attachments none is here yet.
        binary_kind = {packet.EVENT: packet.BINARY_EVENT, packet.ACK: packet.BINARY_ACK}
        text = f"{binary_kind[kind]}{attachments}-{text[1:]}"
    ours = JSONPacket(encoded_packet=text)
    assert fields(ours) == fields(packet.Packet(encoded_packet=text))


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1/admin",
        "0/admin?token=x,{}",
        "0/admin?token=x",
        '2 ["x"] ',
        '27\n["x"]',
        '2/a-1,["x"]',
        "31[]",
        '52-["x",{"_placeholder":true,"num":0}]',
        "9",
        f"2{'9' * 100}[]",
        "2[1e5]",
    ],
)
def test_unusual_packets_are_decoded_alike(text: str) -> None:
    expected = packet.Packet(encoded_packet=text)
    assert fields(JSONPacket(encoded_packet=text)) == fields(expected)


@pytest.mark.parametrize(
    "text",
    ["x", "-1", "2[", "2[]]", '2["a"]x', f"2{'9' * 101}[]", f"2[{'9' * 101}]", "²[]"],
)
def test_what_is_no_packet_is_refused_alike(text: str) -> None:
    for kind in (JSONPacket, packet.Packet):
        with pytest.raises(ValueError):  # noqa: PT011 - the texts are each one's own
            kind(encoded_packet=text)


def test_what_cannot_be_encoded_fails_as_upstream() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        JSONPacket(packet.EVENT, [object()]).encode()
    with pytest.raises(ValueError, match="does not support binary"):
        JSONPacket(packet.CONNECT, {"sid": b"x"}).encode()


def test_attachments_find_their_places() -> None:
    encoded = JSONPacket(packet.EVENT, ["x", b"\x01", [b"\x02"]]).encode()
    assert isinstance(encoded, list)
    text, *attachments = encoded
    assert isinstance(text, str)
    received = JSONPacket(encoded_packet=text)
    assert [received.add_attachment(each) for each in attachments] == [False, True]
    assert received.data == ["x", b"\x01", [b"\x02"]]


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_servers_use_it_by_default(kind: Any) -> None:
    assert wired(kind)[0].packet_class is JSONPacket


@pytest.mark.parametrize("serializer", ["pickle", dict, packet.Packet()])
def test_what_is_no_serializer_is_refused(serializer: Any) -> None:
    with pytest.raises(InvalidOption, match="serializer must be 'default', 'msgpack'"):
        wired(Server, serializer=serializer)


def test_another_serializer_stays_as_it_is() -> None:
    class Own(packet.Packet):  # type: ignore[misc]
        pass

    assert wired(Server, serializer=Own)[0].packet_class is Own


@pytest.fixture
def json_of_upstream() -> Iterator[None]:
    """Undo what the option ``json`` does: it is one setting for all of a process."""
    before = packet.Packet.json
    yield
    packet.Packet.json = before


@pytest.mark.usefixtures("json_of_upstream")
def test_a_json_module_of_the_application_is_asked() -> None:
    module = SimpleNamespace(
        dumps=lambda value, **_: "dumped", loads=lambda text: ["loads", text]
    )
    sio, server = wired(Server, json=module)
    assert sio.packet_class is socketio.packet.Packet
    sio.on("loads", lambda sid, text: text)
    client = opened(server)
    client.send("40", "421whatever")
    server.settle()
    assert client.packets() == ["40dumped", "431dumped"]


def test_binary_data_is_told_by_what_is_encoded() -> None:
    sio, server = wired(Server)
    sio.on("echo", lambda sid: (b"\x01", {"deep": [b"\x02"]}))
    client = connected(server)
    client.send('421["echo"]')
    server.settle()
    places = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in (0, 1))
    first, second = places.split("},")
    expected = f'462-1[{first}}},{{"deep":[{second}]}}]'
    assert client.packets() == [expected, b"\x01", b"\x02"]
