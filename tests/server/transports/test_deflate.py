from __future__ import annotations

import zlib
from typing import Any

import pytest

from tests.frames import BINARY, TEXT
from tests.server.conftest import NewServer
from tests.wiring import Server, WebSocketClient
from txengineio.errors import CloseReason, InvalidOption
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.transports.deflate import negotiate_deflate
from txengineio.server.transports.opening import BadOpening

OFFER = "permessage-deflate"
RSV1 = 0x40
TAIL = b"\x00\x00\xff\xff"


def connect(server: Server, offer: str = OFFER, **query: Any) -> WebSocketClient:
    websocket = server.open_websocket(
        headers={"Sec-WebSocket-Extensions": offer}, **query
    )
    assert websocket.is_accepted
    return websocket


def extension(websocket: WebSocketClient) -> str | None:
    return websocket.opening.answer.header("Sec-WebSocket-Extensions")


def deflate(payload: bytes, bits: int = 15) -> bytes:
    compressor = zlib.compressobj(wbits=-bits)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(TAIL)


def test_it_is_off_by_default(new_server: NewServer) -> None:
    server = new_server()
    websocket = connect(server)
    assert extension(websocket) is None
    server.session(websocket.sid).send("x" * 5000)
    assert websocket.packets() == ["4" + "x" * 5000]


def test_a_client_need_not_offer_it(new_server: NewServer) -> None:
    server = new_server(per_message_deflate=True)
    websocket = server.open_websocket()
    assert extension(websocket) is None
    server.session(websocket.sid).send("x" * 5000)
    assert websocket.packets() == ["4" + "x" * 5000]


def test_large_messages_are_compressed_both_ways(new_server: NewServer) -> None:
    server = new_server(per_message_deflate=True)
    websocket = connect(server)
    assert extension(websocket) == "permessage-deflate"
    session = server.session(websocket.sid)
    inflater = zlib.decompressobj(-15)
    # The second one is shorter for what was sent before.
    sizes = []
    for message, opcode in (("y" * 1500, TEXT), (b"y" * 1500, BINARY)):
        session.send(message)
        ((found, payload),) = websocket.frames()
        assert found == RSV1 | opcode
        plain = inflater.decompress(payload + TAIL)
        assert plain == (b"y" * 1500 if opcode == BINARY else b"4" + b"y" * 1500)
        sizes.append(len(payload))
    assert sizes[1] < sizes[0]
    websocket.send_frame(TEXT, deflate(b"4" + b"z" * 3000), rsv=4)
    # Not every message of a client has to be compressed.
    websocket.send("4plain")
    websocket.send_frame(BINARY, deflate(b"abc"), rsv=4)
    assert server.application.only.messages == ["z" * 3000, "plain", b"abc"]


@pytest.mark.parametrize(("size", "compressed"), [(1022, False), (1023, True)])
@pytest.mark.parametrize("alone", [True, False])
def test_the_threshold_always_counts(
    new_server: NewServer, size: int, compressed: bool, alone: bool
) -> None:
    server = new_server(per_message_deflate={"server_no_context_takeover": alone})
    websocket = connect(server)
    server.session(websocket.sid).send("x" * size)
    ((opcode, _),) = websocket.frames()
    assert opcode == (RSV1 | TEXT if compressed else TEXT)


def test_a_message_may_ask_not_to_be_compressed(new_server: NewServer) -> None:
    server = new_server(per_message_deflate={"threshold": 0})
    websocket = connect(server)
    (session,) = server.engine.sessions.values()
    websocket.frames()
    session.send("x" * 5000, compress=False)
    session.send("a")
    (first, _), (second, _) = websocket.frames()
    assert (first, second) == (TEXT, RSV1 | TEXT)


@pytest.mark.behaviour("B123", "B124")
@pytest.mark.parametrize(("option", "expected"), [(False, "4123"), (True, "4test")])
def test_a_frame_that_was_made_before_is_used_without_compression_only(
    new_server: NewServer, option: bool, expected: str
) -> None:
    server = new_server(per_message_deflate=option)
    websocket = connect(server)
    session = server.session(websocket.sid)
    session.send("test", pre_encoded_frame=b"\x81\x044123")
    assert websocket.packets() == [expected]


def test_a_broadcast_is_compressed_for_each_that_wants_it(
    new_server: NewServer,
) -> None:
    server = new_server(per_message_deflate=True)
    plain, compressed = server.open_websocket(), connect(server)
    assert plain.sid != compressed.sid
    server.engine.broadcast("x" * 2000)
    assert plain.packets() == ["4" + "x" * 2000]
    ((opcode, payload),) = compressed.frames()
    assert opcode == RSV1 | TEXT
    inflated = zlib.decompressobj(-15).decompress(payload + TAIL)
    assert inflated == b"4" + b"x" * 2000


def test_an_upgrade_negotiates_too(new_server: NewServer) -> None:
    server = new_server(per_message_deflate={"threshold": 0})
    client = server.open_polling()
    websocket = connect(server, sid=client.sid)
    assert extension(websocket) == "permessage-deflate"
    websocket.send_frame(TEXT, deflate(b"2probe"), rsv=4)
    ((opcode, _),) = websocket.frames()
    assert opcode == TEXT
    websocket.send("5")
    client.session.send("a")
    ((opcode, _),) = websocket.frames()
    assert opcode == RSV1 | TEXT


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_the_limit_is_that_of_the_inflated_message(
    new_server: NewServer, size: int, fits: bool
) -> None:
    server = new_server(per_message_deflate=True, max_http_buffer_size=1000)
    websocket = connect(server)
    session = server.session(websocket.sid)
    websocket.send_frame(BINARY, deflate(bytes(size)), rsv=4)
    if fits:
        assert server.application.only.messages == [bytes(size)]
    else:
        assert websocket.close_code() == 1009
        assert session.closed is not None
        assert session.closed.reason is CloseReason.TRANSPORT_ERROR


def test_a_bomb_is_not_inflated(new_server: NewServer) -> None:
    server = new_server(per_message_deflate=True, max_http_buffer_size=100_000)
    websocket = connect(server)
    assert websocket.sid
    bomb = deflate(bytes(50_000_000))
    assert len(bomb) < 100_000
    websocket.send_frame(BINARY, bomb, rsv=4)
    assert websocket.close_code() == 1009


def test_what_cannot_be_inflated_fails_the_connection(new_server: NewServer) -> None:
    server = new_server(per_message_deflate=True)
    websocket = connect(server)
    assert websocket.sid
    websocket.send_frame(BINARY, b"\xff\xff\xff", rsv=4)
    assert websocket.close_code() == 1007


def test_without_negotiation_a_compressed_frame_is_an_error(
    new_server: NewServer,
) -> None:
    websocket = connect(new_server())
    assert websocket.sid
    websocket.send_frame(TEXT, deflate(b"4a"), rsv=4)
    assert websocket.close_code() == 1002


@pytest.mark.parametrize(
    ("offer", "options", "response"),
    [
        (OFFER, {}, OFFER),
        (f"{OFFER}; client_max_window_bits", {}, OFFER),
        (
            f"{OFFER}; client_max_window_bits",
            {"client_max_window_bits": 10},
            f"{OFFER}; client_max_window_bits=10",
        ),
        (
            f"{OFFER}; client_max_window_bits=9",
            {"client_max_window_bits": 10},
            f"{OFFER}; client_max_window_bits=9",
        ),
        (
            f"{OFFER}; client_max_window_bits=8",
            {},
            f"{OFFER}; client_max_window_bits=9",
        ),
        (
            f'{OFFER}; server_max_window_bits="12"',
            {"server_max_window_bits": 13},
            f"{OFFER}; server_max_window_bits=12",
        ),
        (
            f"{OFFER} ; server_no_context_takeover;client_no_context_takeover",
            {},
            f"{OFFER}; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            OFFER,
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            f"{OFFER}; server_no_context_takeover; client_no_context_takeover",
        ),
        # Declined: the client cannot do what this side wants, or zlib cannot.
        (OFFER, {"client_max_window_bits": 10}, None),
        (f"{OFFER}; server_max_window_bits=8", {}, None),
        # Declined: something is wrong with it.
        (f"{OFFER}; server_max_window_bits", {}, None),
        (f"{OFFER}; server_max_window_bits=16", {}, None),
        (f"{OFFER}; server_max_window_bits=09", {}, None),
        (f"{OFFER}; client_max_window_bits=7", {}, None),
        (f"{OFFER}; server_no_context_takeover=1", {}, None),
        (f"{OFFER}; server_no_context_takeover; server_no_context_takeover", {}, None),
        (f"{OFFER}; whatever", {}, None),
        ("x-webkit-deflate-frame", {}, None),
        ("", {}, None),
        # The first one that will do.
        (
            f"other; a=b, {OFFER}; server_max_window_bits=8, {OFFER}",
            {},
            OFFER,
        ),
    ],
)
def test_offers(offer: str, options: Any, response: str | None) -> None:
    accepted = negotiate_deflate(offer, DeflateOptions(**options))
    assert (accepted and accepted.parameters.header) == response


@pytest.mark.parametrize(
    "offer", ["a b", "permessage-deflate;", "a,", ",a", "a; b=", 'a; b="c', "é", "a;;b"]
)
def test_a_header_that_makes_no_sense_is_refused(
    new_server: NewServer, offer: str
) -> None:
    with pytest.raises(BadOpening):
        negotiate_deflate(offer, DeflateOptions())
    server = new_server(per_message_deflate=True)
    websocket = server.open_websocket(headers={"Sec-WebSocket-Extensions": offer})
    answer = websocket.opening.answer
    assert answer.status == 400
    assert answer.text == "Invalid or unacceptable Sec-WebSocket-Extensions header"
    assert server.engine.sessions == {}
    assert server.application.built == []


@pytest.mark.parametrize("side", ["server", "client"])
def test_messages_may_stand_alone(new_server: NewServer, side: str) -> None:
    name = f"{side}_no_context_takeover"
    server = new_server(per_message_deflate={"threshold": 0, name: True})
    websocket = connect(server)
    (session,) = server.engine.sessions.values()
    websocket.frames()
    payloads = []
    for _ in range(2):
        session.send("hello hello")
        ((_, payload),) = websocket.frames()
        payloads.append(payload)
        websocket.send_frame(TEXT, deflate(b"4hello"), rsv=4)
    assert (payloads[0] == payloads[1]) is (side == "server")
    assert server.application.only.messages == ["hello", "hello"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"treshold": 1}, "did you mean threshold"),
        ({"threshold": -1}, "per_message_deflate threshold"),
        ({"server_max_window_bits": 8}, "per_message_deflate server_max_window_bits"),
        ({"client_max_window_bits": 16}, "per_message_deflate client_max_window_bits"),
        ({"server_no_context_takeover": 1}, "server_no_context_takeover"),
        ({"level": 0}, "per_message_deflate level"),
        ({"mem_level": 10}, "per_message_deflate mem_level"),
        (1024, "per_message_deflate"),
    ],
)
def test_bad_options_are_refused_by_name(options: Any, named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        Server.new(per_message_deflate=options)
