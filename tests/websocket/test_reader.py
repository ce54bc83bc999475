"""Reading frames: what a reader understands, what it passes on, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, make_frame
from tests.websocket.peer import Peer
from txengineio.websocket.frames import encode_frame
from txengineio.websocket.limits import MAX_PIECES, TINY, Excess
from txengineio.websocket.reader import End

LIMIT = 100_000
LENGTHS = [0, 1, 125, 126, 511, 512, 65_535, 65_536]
PINGS = make_frame(PING, b"")
FRAME = make_frame(TEXT, b"first")


def fragments(opcode: int, pieces: Sequence[bytes], **details: Any) -> bytes:
    last = len(pieces) - 1
    return b"".join(
        make_frame(
            CONTINUATION if number else opcode, piece, fin=number == last, **details
        )
        for number, piece in enumerate(pieces)
    )


# --- messages -------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "mask", [b"\x00\x00\x00\x00", b"\x01\x02\x03\x04", b"\xff" * 4]
)
def test_it_reads_frames_of_every_length_and_mask(mask: bytes, length: int) -> None:
    payload = (bytes(range(128)) * 513)[:length]
    peer = Peer()
    data = make_frame(TEXT, payload, mask=mask) + make_frame(BINARY, payload, mask=mask)
    peer.receive(data)
    assert peer.messages == [payload.decode(), payload]


def test_it_reads_a_servers_frames_too() -> None:
    peer = Peer(is_masked=False)
    peer.receive(encode_frame("a" * 200) + encode_frame(b"b" * 70_000))
    peer.receive(encode_frame("") + fragments(TEXT, [b"c", b"d"], mask=None))
    assert peer.messages == ["a" * 200, b"b" * 70_000, "", "cd"]


def test_it_stops_when_it_is_told_to() -> None:
    for frame in (make_frame(TEXT, b"a"), make_frame(BINARY, b"a"), PINGS):
        peer = Peer(enough=2)
        peer.receive(frame * 4)
        peer.receive(frame)
        assert len(peer.events) == 2


def test_a_message_of_the_limit_is_read_and_a_larger_one_is_not() -> None:
    for message in (
        make_frame(BINARY, b"a" * 11),
        fragments(BINARY, [b"a" * 5, b"", b"a" * 6]),
    ):
        peer = Peer(max_size=10)
        peer.receive(make_frame(BINARY, b"a" * 10))
        peer.receive(fragments(BINARY, [b"a" * 5] * 2))
        assert peer.messages == [b"a" * 10] * 2
        peer.receive(message)
        assert peer.reader.ended is End.FAILED


def test_a_message_may_come_in_frames_with_others_between() -> None:
    peer = Peer()
    peer.receive(make_frame(TEXT, b"\xe2", fin=False) + make_frame(PING, b"?"))
    peer.receive(make_frame(CONTINUATION, b"\x82", fin=False))
    peer.receive(make_frame(PONG, b"!") + make_frame(CONTINUATION, b"\xac"))
    peer.receive(fragments(BINARY, [b"", b"\xff", b""]) + FRAME)
    assert peer.take() == [
        ("ping", b"?"),
        ("text", "€"),
        ("binary", b"\xff"),
        ("text", "first"),
    ]


@given(
    st.lists(
        st.one_of(
            st.text(max_size=300),
            st.binary(max_size=300),
            st.lists(st.binary(max_size=200), min_size=2, max_size=4),
        ),
        max_size=10,
    ),
    st.binary(min_size=4, max_size=4),
    st.data(),
)
def test_any_messages_are_read_however_they_are_cut(
    messages: list[str | bytes | list[bytes]], mask: bytes, data: st.DataObject
) -> None:
    stream = b"".join(
        make_frame(TEXT, message.encode(), mask=mask)
        if isinstance(message, str)
        else make_frame(BINARY, message, mask=mask)
        if isinstance(message, bytes)
        else fragments(BINARY, message, mask=mask)
        for message in messages
    )
    peer = Peer()
    while stream:
        size = data.draw(st.integers(1, 400))
        peer.receive(stream[:size])
        stream = stream[size:]
    assert peer.messages == [
        b"".join(each) if isinstance(each, list) else each for each in messages
    ]


@pytest.mark.parametrize("short_path", [True, False])
def test_pieces_of_a_frame_are_kept_together(short_path: bool) -> None:
    peer = Peer(short_path=short_path)
    frame = make_frame(BINARY, bytes(MAX_PIECES * 2))
    for start in range(len(frame) - 1):
        peer.receive(frame[start : start + 1])
        assert len(peer.reader._pieces or []) < MAX_PIECES
    peer.receive(frame[-1:])
    ((_, content),) = peer.take()
    assert content == (bytes(MAX_PIECES * 2) if short_path else frame)
    # Nothing is kept for a peer that is idle.
    assert peer.reader._pieces is None


def test_fragments_are_kept_together() -> None:
    peer = Peer()
    message = fragments(TEXT, [b"a"] * MAX_PIECES * 3)
    for start in range(0, len(message), 7):
        peer.receive(message[start : start + 7])
        kept = peer.reader._message
        assert kept is None or len(kept._pieces) < MAX_PIECES
    assert peer.messages == ["a" * MAX_PIECES * 3]
    assert peer.reader._message is None


# --- other frames ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (make_frame(PING, b""), ("ping", b"")),
        (make_frame(PING, b"a" * 125), ("ping", b"a" * 125)),
        (make_frame(CLOSE), ("close", None)),
        (make_frame(CLOSE, b"\x03\xe8"), ("close", 1000)),
        (make_frame(CLOSE, b"\x00\x00"), ("close", 0)),
    ],
)
def test_control_frames(frame: bytes, event: tuple[str, Any]) -> None:
    for size in (1, 2, 3, len(frame)):
        peer = Peer()
        for start in range(0, len(frame), size):
            peer.receive(frame[start : start + size])
        assert peer.take() == [event]


def test_pongs_are_of_no_interest() -> None:
    peer = Peer()
    peer.receive(make_frame(PONG, b"a") * 10 + FRAME)
    assert peer.messages == ["first"]


def test_a_close_frame_with_a_reason_is_passed_on_as_it_came() -> None:
    frame = make_frame(CLOSE, b"\x03\xe8bye")
    peer = Peer()
    peer.receive(FRAME + frame)
    assert peer.take() == [("text", "first"), ("frame", frame)]


def test_compressed_messages_are_passed_on_as_they_came() -> None:
    peer = Peer()
    peer.reader.is_compressed = True
    one = make_frame(TEXT, b"abc", rsv=4)
    first, last = make_frame(TEXT, b"d", rsv=4, fin=False), make_frame(0, b"e")
    peer.receive(one + FRAME + first + PINGS + last + FRAME)
    assert peer.take() == [
        ("frame", one),
        ("text", "first"),
        ("frame", first),
        ("ping", b""),
        ("frame", last),
        ("text", "first"),
    ]


def test_without_the_short_path_every_frame_is_passed_on_as_a_whole() -> None:
    frames = [
        FRAME,
        make_frame(BINARY, b"a" * 70_000),
        PINGS,
        make_frame(TEXT, b"\xff"),
        make_frame(TEXT, b"a", fin=False),
        make_frame(PONG, b"?"),
        make_frame(CONTINUATION, b"b"),
        make_frame(CLOSE, b"\x03\xe8"),
    ]
    peer = Peer(short_path=False)
    stream = b"".join(frames)
    for start in range(0, len(stream), 1000):
        peer.receive(stream[start : start + 1000])
    assert peer.take() == [("frame", frame) for frame in frames]


@pytest.mark.parametrize("short_path", [True, False])
@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (make_frame(CONTINUATION, b"fragment"), 2),
        (make_frame(TEXT, b"compressed", rsv=4), 2),
        (make_frame(TEXT, b"reserved", rsv=1), 2),
        (make_frame(0x3, b"unknown"), 2),
        (make_frame(0xB, b"unknown"), 2),
        (make_frame(TEXT, b"unmasked", mask=None), 2),
        (make_frame(PING, b"", fin=False), 2),
        (make_frame(PING, b"a" * 126), 2),
        (make_frame(CLOSE, b"a"), 2),
        (make_frame(TEXT, b"long way round", length_bytes=2), 8),
        (make_frame(TEXT, b"a" * 65_535, length_bytes=8), 14),
        (make_frame(BINARY, b"a" * (LIMIT + 1)), 14),
        (b"\x81\xff" + b"\xff" * 8 + b"mask", 14),
        (make_frame(TEXT, b"a", fin=False) + make_frame(TEXT, b"b"), 2),
        (make_frame(TEXT, b"a", fin=False) + make_frame(0, b"b", rsv=4), 2),
    ],
)
def test_of_a_frame_that_breaks_a_rule_the_head_is_passed_on(
    frame: bytes, shown: int, short_path: bool
) -> None:
    peer = Peer(short_path=short_path)
    before = 7 if frame[:2] == b"\x01\x81" else 0
    # As soon as it is here.
    peer.receive(frame[: before + shown])
    assert peer.events[-1] == ("violation", frame[before : before + shown])
    peer.receive(frame[before + shown :] + FRAME)
    assert [what for what, _ in peer.events].count("violation") == 1


@pytest.mark.parametrize(
    "frames",
    [
        make_frame(TEXT, b"\xff not text"),
        fragments(TEXT, [b"\xe2\x82", b"\xe2"]),
        fragments(TEXT, [b"a", b"\xe2\x82"]),
        fragments(TEXT, [b"\xed\xa0", b""])[:8],
    ],
)
def test_what_is_not_utf_8_is_passed_on_with_what_was_before(frames: bytes) -> None:
    peer = Peer()
    peer.receive(frames)
    *before, (what, frame) = peer.take()
    assert what == "violation"
    assert frames.endswith(frame)
    if len(frame) < len(frames):
        ((_, replayed),) = before
        # The same, with a mask of zeros.
        payload = bytes(frames[6 : -len(frame)])
        mask = frames[2:6]
        plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        assert replayed == make_frame(TEXT, plain, fin=False, mask=bytes(4))


@pytest.mark.parametrize("size", [0, 200, 70_000])
def test_what_was_before_is_passed_on_in_one_frame(size: int) -> None:
    peer = Peer()
    peer.receive(make_frame(BINARY, b"a" * size, fin=False) + FRAME)
    assert peer.take() == [
        ("frame", make_frame(BINARY, b"a" * size, fin=False, mask=bytes(4))),
        ("violation", FRAME[:2]),
    ]


@pytest.mark.parametrize(
    "frame",
    [make_frame(TEXT, b"masked"), make_frame(TEXT, b"masked" * 100)],
)
def test_a_masked_frame_of_a_server_breaks_a_rule(frame: bytes) -> None:
    peer = Peer(is_masked=False)
    peer.receive(frame)
    assert peer.take() == [("violation", frame[:2])]


# --- after a failure ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("close", "code"),
    [
        (make_frame(CLOSE), None),
        (make_frame(CLOSE, b"\x03\xe8"), 1000),
        (make_frame(CLOSE, b"\x03\xe8bye"), 1000),
        (make_frame(CLOSE, b"\x03"), None),
    ],
)
def test_after_a_failure_only_the_close_frame_is_of_interest(
    close: bytes, code: int | None, size: int
) -> None:
    peer = Peer()
    peer.reader.ended = End.FAILED
    stream = (
        FRAME
        + make_frame(BINARY, b"a" * 500, rsv=7)
        + make_frame(0x3, bytes(70_000), mask=None)
        + PINGS * 3
        + close
        + close
    )
    for start in range(0, len(stream), size):
        peer.receive(stream[start : start + size])
        assert len(b"".join(peer.reader._pieces or [])) < 20
    assert peer.take() == [("close", code)]


@pytest.mark.parametrize("size", [1, 5, 7, 4096])
def test_after_a_failure_tiny_frames_hide_no_close_frame(size: int) -> None:
    peer = Peer()
    peer.reader.ended = End.FAILED
    tiny = b"".join(make_frame(PING, b"\x88" * length) for length in range(20))
    stream = tiny * 3 + make_frame(TEXT, b"a" * 200) + tiny + make_frame(CLOSE)
    for start in range(0, len(stream), size):
        peer.receive(stream[start : start + size])
    assert peer.take() == [("close", None)]


def test_after_the_end_nothing_is_kept() -> None:
    peer = Peer()
    peer.receive(make_frame(TEXT, b"a" * 500)[:100])
    peer.reader.ended = End.CLOSED
    for _ in range(3):
        peer.receive(b"x" * 1000)
    assert peer.take() == []
    assert peer.reader._pieces is None


# --- limits ---------------------------------------------------------------------------


@pytest.mark.parametrize("short_path", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x", b"x" * 1000])
def test_a_message_has_no_more_frames_than_are_allowed(
    payload: bytes, short_path: bool
) -> None:
    peer = Peer(short_path=short_path, max_fragments=10)
    peer.receive(fragments(BINARY, [payload] * 10) * 2)
    assert all(what != "limit" for what, _ in peer.take())
    peer.receive(fragments(BINARY, [payload] * 11))
    assert peer.events[-1] == ("limit", (Excess.FRAGMENTS, 10))


@pytest.mark.parametrize("short_path", [True, False])
@pytest.mark.parametrize(
    "tiny",
    [
        PINGS,
        make_frame(PING, b"a" * 125),
        make_frame(PONG, b""),
        make_frame(CONTINUATION, b"", fin=False),
        make_frame(CONTINUATION, b"a" * (TINY - 1), fin=False),
    ],
    ids=["ping", "long ping", "pong", "empty fragment", "fragment"],
)
def test_no_more_tiny_frames_come_in_a_second_than_are_allowed(
    tiny: bytes, short_path: bool
) -> None:
    peer = Peer(short_path=short_path, max_tiny_frames=10)
    peer.receive(make_frame(BINARY, b"", fin=False))
    # What comes after a pause, and then the same each second.
    peer.receive(tiny * 10)
    for _ in range(5):
        peer.receive(tiny * 10)
        peer.clock.advance(1)
    assert all(what != "limit" for what, _ in peer.take())
    peer.receive(tiny * 10)
    peer.clock.advance(0.9)
    peer.receive(tiny)
    assert peer.take()[-1] == ("limit", (Excess.TINY_FRAMES, 10))
    peer.receive(tiny * 100)
    assert peer.take() == []


@pytest.mark.parametrize("short_path", [True, False])
@pytest.mark.parametrize(
    "honest",
    [
        FRAME,
        fragments(BINARY, [b"", b""]),
        fragments(TEXT, [b"a", b"b"]),
        fragments(BINARY, [b"a", b"b" * TINY, b"c" * 4096, b""]),
    ],
    ids=["messages", "empty", "two fragments", "large fragments"],
)
def test_messages_and_what_they_need_are_not_counted(
    honest: bytes, short_path: bool
) -> None:
    peer = Peer(short_path=short_path, max_tiny_frames=10)
    peer.receive(honest * 100)
    assert all(what != "limit" for what, _ in peer.events)


def test_compressed_fragments_are_counted_too() -> None:
    peer = Peer(max_tiny_frames=10, max_fragments=30)
    peer.reader.is_compressed = True
    peer.receive(make_frame(TEXT, b"a", rsv=4, fin=False))
    peer.receive(make_frame(CONTINUATION, b"a", fin=False) * 21)
    assert peer.events[-1] == ("limit", (Excess.TINY_FRAMES, 10))
    assert [what for what, _ in peer.events].count("frame") == 21


def test_tiny_frames_need_not_be_limited() -> None:
    peer = Peer(max_tiny_frames=None)
    peer.receive(make_frame(PONG, b"") * 50_000)
    assert peer.take() == []
