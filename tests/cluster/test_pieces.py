"""Messages in pieces: what was cut is put together, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.nodes import linked
from txengineio.cluster import packets
from txengineio.cluster.packets import MAX_MESSAGE, PIECE, Piece, pieces_of
from txengineio.cluster.pieces import Message, Pieces


def travel(kind: bytes, payload: bytes, pieces: Pieces) -> list[Message]:
    found = []
    with linked() as (one, other):
        for packet in pieces_of(kind, payload):
            packets.send(one, packet, None)
            piece = packets.receive(other, packets.new_buffer())
            assert isinstance(piece, Piece)
            message = pieces.add(piece)
            if message is not None:
                found.append(message)
    return found


@pytest.mark.parametrize(
    "size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, MAX_MESSAGE]
)
def test_a_message_arrives_whole(size: int) -> None:
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    pieces = Pieces()
    for kind in (b"x", b"\0"):
        assert travel(kind, payload, pieces) == [Message(kind, payload)]
        assert not pieces.is_incomplete


def test_a_message_without_its_end_is_incomplete() -> None:
    pieces = Pieces()
    assert pieces.add(Piece(b"x", 10, 0, b"12345")) is None
    assert pieces.is_incomplete


@pytest.mark.parametrize(
    "second",
    [
        Piece(b"y", 10, 5, b"12345"),
        Piece(b"x", 11, 5, b"12345"),
        Piece(b"x", 10, 0, b"12345"),
        Piece(b"x", 10, 6, b"1234"),
        Piece(b"x", 10, 5, b"123456"),
        Piece(b"x", 10, 5, b""),
    ],
)
def test_what_does_not_follow_is_refused(second: Piece) -> None:
    pieces = Pieces()
    assert pieces.add(Piece(b"x", 10, 0, b"12345")) is None
    with pytest.raises(ValueError, match="expected some at 5 of 10"):
        pieces.add(second)


@pytest.mark.parametrize(
    "first",
    [
        Piece(b"x", 10, 5, b"12345"),
        Piece(b"x", 4, 0, b"12345"),
        Piece(b"x", 10, 0, b""),
        Piece(b"x", MAX_MESSAGE + 1, 0, b"12345"),
    ],
)
def test_what_no_message_begins_with_is_refused(first: Piece) -> None:
    pieces = Pieces()
    with pytest.raises(ValueError, match="expected some at 0 of"):
        pieces.add(first)
    assert not pieces.is_incomplete


@given(
    st.lists(
        st.builds(
            Piece,
            st.sampled_from([b"a", b"b"]),
            st.integers(0, 12) | st.integers(0, 2**32 - 1),
            st.integers(0, 12) | st.integers(0, 2**32 - 1),
            st.binary(max_size=8),
        )
    )
)
def test_a_link_that_sends_anything_makes_no_wrong_message(sent: list[Piece]) -> None:
    pieces = Pieces()
    taken: list[Piece] = []
    for piece in sent:
        try:
            message = pieces.add(piece)
        except ValueError:
            # The link ends here.
            return
        taken.append(piece)
        assert sum(len(each.data) for each in taken) <= MAX_MESSAGE
        if message is not None:
            assert {(each.kind, each.size) for each in taken} == {
                (message.kind, len(message.payload))
            }
            assert message.payload == b"".join(each.data for each in taken)
            taken = []
        assert pieces.is_incomplete == bool(taken)
