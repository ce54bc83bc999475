"""Both sides prove that they know the secret, and nobody else can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.cluster.machines.challenge import (
    MAX_HELLO,
    Answerer,
    Caller,
    Credentials,
    NotProven,
    Verdict,
)

SECRET = b"s" * 32
RIGHT = Credentials("chat", SECRET)
CERTIFICATE = b"fingerprint"
EVERYBODY = frozenset({"n1", "n2", "n" * 12})


def answerer(credentials: Credentials = RIGHT) -> Answerer:
    return Answerer(credentials, EVERYBODY.__contains__)


def meet(
    caller: Caller, other: Answerer, seen: bytes = b"", shown: bytes = b""
) -> bytes:
    """Let both sides talk; return the proof of the caller."""
    reply = other.receive(caller.hello(), shown)
    assert isinstance(reply, bytes)
    proof = caller.receive(reply, seen)
    assert isinstance(proof, bytes)
    return proof


@pytest.mark.parametrize("secret", [SECRET, b""])
@pytest.mark.parametrize("binding", [b"", CERTIFICATE])
def test_both_are_proven(secret: bytes, binding: bytes) -> None:
    credentials = Credentials("chat", secret)
    one, two = Caller(credentials, "n1", "n2"), answerer(credentials)
    proof = meet(one, two, binding, binding)
    assert two.receive(proof + b"GET", binding) is True
    assert (two.caller, two.wanted, two.rest) == ("n1", "n2", b"GET")


def test_it_works_byte_by_byte() -> None:
    one, two = Caller(RIGHT, "n1", "n" * 12), answerer()
    reply: object = False
    for byte in one.hello():
        assert reply is False
        reply = two.receive(bytes([byte]), b"")
    assert isinstance(reply, bytes)
    proof: object = None
    for byte in reply:
        assert proof is None
        proof = one.receive(bytes([byte]), b"")
    assert isinstance(proof, bytes)
    *first, last = (bytes([byte]) for byte in proof)
    assert [two.receive(byte, b"") for byte in first] == [False] * len(first)
    assert two.receive(last, b"") is True


@pytest.mark.parametrize(
    "other", [Credentials("chat", b"t" * 32), Credentials("game", SECRET)]
)
def test_another_secret_or_cluster_is_found_out_by_the_caller(
    other: Credentials,
) -> None:
    with pytest.raises(NotProven, match="does not know the secret"):
        meet(Caller(RIGHT, "n1", "n2"), answerer(other))


def test_a_caller_without_the_secret_is_found_out() -> None:
    two = answerer()
    two.receive(Caller(RIGHT, "n1", "n2").hello(), b"")
    with pytest.raises(NotProven, match="does not know the secret"):
        two.receive(b"x" * 32, b"")


def test_a_proof_is_for_one_connection() -> None:
    proof = meet(Caller(RIGHT, "n1", "n2"), answerer())
    again = answerer()
    again.receive(Caller(RIGHT, "n1", "n2").hello(), b"")
    with pytest.raises(NotProven):
        again.receive(proof, b"")


def test_the_answer_of_another_connection_is_of_no_use() -> None:
    reply = answerer().receive(Caller(RIGHT, "n1", "n2").hello(), b"")
    assert isinstance(reply, bytes)
    with pytest.raises(NotProven):
        Caller(RIGHT, "n1", "n2").receive(reply, b"")


def test_a_proof_cannot_be_sent_back() -> None:
    """Whoever does not know the secret could ask the caller itself for the answer."""
    one = Caller(RIGHT, "n1", "n2")
    mirror = answerer()
    reply = mirror.receive(Caller(RIGHT, "n2", "n1").hello(), b"")
    assert isinstance(reply, bytes)
    with pytest.raises(NotProven):
        one.receive(reply, b"")


def test_somebody_in_between_has_another_certificate() -> None:
    with pytest.raises(NotProven):
        meet(Caller(RIGHT, "n1", "n2"), answerer(), b"of the attacker", CERTIFICATE)
    with pytest.raises(NotProven):
        meet(Caller(RIGHT, "n1", "n2"), answerer(), b"", CERTIFICATE)


def test_a_node_that_is_not_there_is_told() -> None:
    one, two = Caller(RIGHT, "n1", "gone"), answerer()
    verdict = two.receive(one.hello(), b"")
    assert verdict is Verdict.UNKNOWN
    assert one.receive(verdict.value, b"") is Verdict.UNKNOWN


HELLO = Caller(RIGHT, "n1", "n2").hello()


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "does not greet"),
        (HELLO[:40] + b"\0" + HELLO[41:], "a name of 0 bytes"),
        (HELLO[:40] + b"\xff" + b"x" * 255, "a name of 255 bytes"),
        (HELLO[:40] + b"\x02n-\x02n2", "a name that no node has"),
        (HELLO[:40] + b"\x02n1\x02\xff\xff", "a name that no node has"),
        (HELLO + b"x", "more before it got an answer"),
    ],
    # Each greeting is another one: processes that share the tests need names that are
    # the same in all.
    ids=["http", "empty", "long", "hyphen", "binary", "more"],
)
def test_nonsense_is_no_greeting(hello: bytes, why: str) -> None:
    with pytest.raises(NotProven, match=why):
        answerer().receive(hello, b"")


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400", b"\0", b"+" + b"x" * 65])
def test_nonsense_is_no_answer(reply: bytes) -> None:
    with pytest.raises(NotProven):
        Caller(RIGHT, "n1", "n2").receive(reply, b"")


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_whatever_a_stranger_sends_it_is_not_proven(pieces: list[bytes]) -> None:
    two = answerer()
    kept = 0
    for piece in [HELLO[:8], *pieces]:
        kept += len(piece)
        try:
            reply = two.receive(piece, b"")
        except NotProven:
            return
        assert reply is not True
        if reply is False:
            assert kept <= MAX_HELLO + 2 * 32
        if isinstance(reply, Verdict):
            return


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_whatever_a_stranger_answers_it_is_not_proven(pieces: list[bytes]) -> None:
    one = Caller(RIGHT, "n1", "n2")
    for piece in [b"+", *pieces]:
        try:
            assert one.receive(piece, b"") is None
        except NotProven:
            return


def test_the_secret_is_not_shown() -> None:
    assert repr(RIGHT) == "Credentials(cluster='chat')"
