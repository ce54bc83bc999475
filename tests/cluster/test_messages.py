"""What engines say to each other, as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.cluster.interfaces import Load
from txengineio.cluster.messages import (
    Answer,
    Kind,
    Order,
    Outgoing,
    Publication,
    Question,
    decode,
)

NUMBERS = st.integers(0, 2**64 - 1)
# At most 255 bytes of UTF-8.
CHANNELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
DATA = st.binary(max_size=300)
TEXTS = st.text(st.characters(codec="utf-8"))
MESSAGES = st.one_of(
    st.builds(Outgoing, st.one_of(TEXTS, DATA), st.booleans()),
    st.builds(Publication, CHANNELS, DATA),
    st.builds(Question, NUMBERS, CHANNELS, DATA),
    st.builds(Answer, NUMBERS, st.none() | DATA),
)
KINDS = {
    Outgoing: Kind.BROADCAST,
    Publication: Kind.PUBLICATION,
    Question: Kind.QUESTION,
    Answer: Kind.ANSWER,
}


@given(MESSAGES)
def test_what_is_said_is_heard(
    message: Outgoing | Publication | Question | Answer,
) -> None:
    assert decode(KINDS[type(message)].value, message.encode()) == message


@given(st.sampled_from(Kind), st.binary(max_size=600))
def test_whatever_comes_is_read_or_refused(kind: Kind, payload: bytes) -> None:
    try:
        message = decode(kind.value, payload)
    except ValueError:
        return
    assert message is not None
    # A flag that is any other byte than 0 is the same as 1.
    assert decode(kind.value, message.encode()) == message


@given(st.binary(max_size=100))
def test_orders_and_loads_are_read_or_refused(data: bytes) -> None:
    for read in (Order.decode, Load.decode):
        try:
            found = read(data)
        except ValueError:
            continue
        assert read(found.encode()) == found


@given(st.binary(min_size=1, max_size=1), DATA)
def test_an_unknown_kind_is_of_another_version(kind: bytes, payload: bytes) -> None:
    if kind not in {each.value for each in Kind}:
        assert decode(kind, payload) is None


def test_half_a_surrogate_is_replaced() -> None:
    payload = Outgoing("a\ud800b", True).encode()
    assert Outgoing.decode(payload).message == "a\ufffdb"


@pytest.mark.parametrize("channel", ["", "x" * 256, "é" * 128])
def test_a_channel_has_a_name_of_some_bytes(channel: str) -> None:
    with pytest.raises(ValueError, match="a name of 1 to 255 bytes"):
        Publication(channel, b"").encode()


def test_orders_name_their_session() -> None:
    order = Order("n1-abc", b"\0data")
    assert Order.decode(order.encode()) == order
    assert Load.decode(Load("w0", 70_000, True).encode()) == Load("w0", 70_000, True)
