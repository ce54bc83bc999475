"""The short path of reading frames does nothing that Autobahn's parser would not do."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    make_frame,
    parse_frames,
)
from tests.wiring import Server
from txengineio.errors import TransportError
from txengineio.testing import RecordingApplication, RecordingProtocol

LIMIT = 600

# --- streams of frames ----------------------------------------------------------------

_TEXTS = st.one_of(
    st.sampled_from(["4", "4close", "4stop", "4hello", "4€\U0001f600", "2", "3", "6"]),
    st.sampled_from(["", "x", "1", "b!!!", "bAQI=", "5", "0", "2probe"]),
    st.text(max_size=10).map(lambda text: "4" + text),
)
_PAYLOADS = st.one_of(
    _TEXTS.map(str.encode),
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"4" + b"a" * size
            for size in (123, 124, 125, 126, 510, 511, LIMIT - 1, LIMIT, LIMIT + 1)
        ]
    ),
    st.sampled_from([b"4\xff", b"4\xe2\x82", b"4\xed\xa0\x80", b"4\xf0\x9f\x98"]),
)
_GOOD = st.builds(
    make_frame,
    st.sampled_from([TEXT, TEXT, TEXT, BINARY]),
    _PAYLOADS,
    mask=st.binary(min_size=4, max_size=4),
)
_CONTROL = st.builds(
    make_frame,
    st.sampled_from([PING, PONG, CLOSE]),
    st.one_of(
        st.just(b""),
        st.just(b"\x03\xe8"),
        st.just(b"\x03\xe8bye"),
        st.just(b"\x03"),
        st.just(b"\x03\xe8\xff"),
        st.just(b"\x00\x00"),
        st.binary(max_size=130),
    ),
)
_FRAGMENTED = st.builds(
    lambda opcode, pieces, control: b"".join(
        make_frame(
            opcode if number == 0 else CONTINUATION,
            piece,
            fin=number == len(pieces) - 1,
        )
        + (control if number < len(pieces) - 1 else b"")
        for number, piece in enumerate(pieces)
    ),
    st.sampled_from([TEXT, BINARY]),
    st.lists(_PAYLOADS, min_size=1, max_size=4),
    st.sampled_from([b"", make_frame(PING, b"?")]),
)
_ODD = st.builds(
    make_frame,
    st.integers(0, 15),
    _PAYLOADS,
    fin=st.booleans(),
    rsv=st.integers(0, 7),
    mask=st.one_of(st.none(), st.just(b"mask")),
)
_LENGTHS = st.builds(
    make_frame,
    st.sampled_from([TEXT, BINARY]),
    st.binary(max_size=10),
    length_bytes=st.sampled_from([2, 8]),
)
# Each compressed on its own: what came before is of no use to it, and does it no harm.
_COMPRESSED = st.builds(
    lambda opcode, payload: make_frame(opcode, deflated(payload), rsv=4),
    st.sampled_from([TEXT, TEXT, BINARY]),
    _PAYLOADS,
)
_COMPRESSED_IN_PIECES = st.builds(
    lambda payload, size: (
        make_frame(TEXT, deflated(payload)[:size], fin=False, rsv=4)
        + make_frame(PING, b"?")
        + make_frame(CONTINUATION, deflated(payload)[size:])
    ),
    _PAYLOADS,
    st.integers(0, 20),
)
_STREAMS = st.lists(
    st.one_of(_GOOD, _GOOD, _GOOD, _FRAGMENTED, _CONTROL, _ODD, _LENGTHS),
    min_size=1,
    max_size=8,
).map(b"".join)


_COMPRESSED_STREAMS = st.lists(
    st.one_of(_GOOD, _COMPRESSED, _COMPRESSED_IN_PIECES, _FRAGMENTED, _CONTROL, _ODD),
    min_size=1,
    max_size=8,
).map(b"".join)


def deflated(payload: bytes) -> bytes:
    """Compress as RFC 7692, section 7.2.1, says."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


# --- what comes of them ---------------------------------------------------------------


def answer(protocol: RecordingProtocol, message: str | bytes) -> None:
    """Echo, and end the session where the message says so."""
    protocol.session.send(message)
    if message == "close":
        protocol.session.close()
    elif message == "stop":
        protocol.session.close(discard=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that the two sides have seen."""

    events: Sequence[tuple[object, ...]]
    packets: Sequence[object]
    description: object
    frames: Sequence[tuple[int, bytes]]
    is_closed: bool
    was_reset: bool
    later: tuple[bool, bool]


def outcome(
    pieces: Sequence[bytes], short_path: bool, compression: bool = False
) -> Outcome:
    server = Server.new(
        RecordingApplication(on_message=answer),
        short_path=short_path,
        max_http_buffer_size=LIMIT,
        per_message_deflate=compression,
    )
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"} if compression else {}
    websocket = server.open_websocket(headers=offer)
    assert websocket.sid
    protocol = server.application.only
    session = protocol.session
    packets: list[object] = []
    session.on("packet", lambda *packet: packets.append(packet))
    connection = websocket.connection
    connection.send(*pieces)
    closed = session.closed
    description = closed.description if closed else None
    if isinstance(description, TransportError):
        description = description.message
    is_closed, was_reset = connection.is_closed, connection.was_reset
    server.clock.pump([1.0] * 6)
    server.settle()
    frames, size = parse_frames(connection.peek())
    assert size == len(connection.peek())
    later = connection.is_closed, connection.was_reset
    connection.lose()
    if closed:
        server.assert_nothing_left()
    return Outcome(
        events=protocol.events,
        packets=packets,
        description=str(description),
        frames=frames,
        is_closed=is_closed,
        was_reset=was_reset,
        later=later,
    )


def cut(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [piece for piece in [*pieces, stream] if piece]


_HALF = make_frame(TEXT, b"4close")


@settings(max_examples=200)
@given(_STREAMS, st.lists(st.integers(1, 300), max_size=20))
@example(_HALF + make_frame(TEXT, b"4" * 300), [len(_HALF) + 20, 50, 20])
@example(make_frame(TEXT, b"4" * 300) + make_frame(CLOSE), [20, 50])
@example(make_frame(TEXT, b"4stop") + make_frame(TEXT, b"x"), [])
def test_any_stream_of_frames_gives_the_same_on_both_paths(
    stream: bytes, sizes: list[int]
) -> None:
    pieces = cut(stream, sizes)
    assert outcome(pieces, short_path=True) == outcome(pieces, short_path=False)


@settings(max_examples=100)
@given(_COMPRESSED_STREAMS, st.lists(st.integers(1, 300), max_size=20))
@example(make_frame(TEXT, deflated(b"4" + b"a" * LIMIT), rsv=4), [])
@example(make_frame(TEXT, deflated(b"4a"), rsv=4) + make_frame(TEXT, b"4b"), [3, 6])
def test_compressed_frames_give_the_same_on_both_paths(
    stream: bytes, sizes: list[int]
) -> None:
    pieces = cut(stream, sizes)
    short = outcome(pieces, short_path=True, compression=True)
    assert short == outcome(pieces, short_path=False, compression=True)


@pytest.mark.parametrize(
    ("before", "is_detour"),
    [
        (make_frame(PING, b"?"), False),
        (make_frame(TEXT, b"4", fin=False) + make_frame(CONTINUATION, b"a"), False),
        (b"", False),
        (make_frame(TEXT, deflated(b"4a"), rsv=4), True),
    ],
    ids=["control", "fragments", "nothing", "compressed"],
)
def test_the_short_path_is_found_again_behind_a_detour(
    before: bytes, is_detour: bool
) -> None:
    server = Server.new(per_message_deflate=True)
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    websocket = server.open_websocket(headers=offer)
    connection: Any = websocket.connection.transport.protocol
    detours: list[bytes] = []
    parse = connection._dataReceived

    def record(data: bytes) -> None:
        detours.append(data)
        parse(data)

    connection._dataReceived = record
    stream = before + make_frame(TEXT, b"4" + b"x" * 600) * 50
    websocket.connection.send(*cut(stream, [610] * 50))
    assert server.application.only.messages[-50:] == ["x" * 600] * 50
    # Nothing else gets to Autobahn.
    assert b"".join(detours) == (before if is_detour else b"")


@settings(max_examples=50)
@given(st.binary(max_size=60), st.lists(st.integers(1, 20), max_size=5))
def test_any_bytes_give_the_same_on_both_paths(stream: bytes, sizes: list[int]) -> None:
    pieces = cut(make_frame(TEXT, b"4first") + stream, sizes)
    assert outcome(pieces, short_path=True) == outcome(pieces, short_path=False)


@settings(max_examples=30)
@given(_STREAMS)
def test_how_a_stream_is_cut_makes_no_difference(stream: bytes) -> None:
    whole = outcome([stream], short_path=True)
    bytewise = outcome([bytes((byte,)) for byte in stream], short_path=True)
    # What was sent is another matter: the answers to one segment wait for its end, and
    # are dropped with the session if that ends before. So is how the connection ends:
    # behind a frame that breaks a rule Autobahn drops the rest of the segment only.
    assert (whole.events, whole.packets) == (bytewise.events, bytewise.packets)
    assert whole.description == bytewise.description
