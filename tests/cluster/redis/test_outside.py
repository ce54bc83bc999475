"""What other programs publish: JSON, for all sessions or for one."""

from __future__ import annotations

import pytest

from txengineio.cluster.messages import Order, Outgoing, Question, decode
from txengineio.cluster.redis.outside import read_outside


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"message": "gr\xc3\xbc\xc3\x9fe"}', Outgoing("grüße", True)),
        (b'{"binary": "AAH/"}', Outgoing(b"\x00\x01\xff", True)),
        (b'{"message": "", "compress": false}', Outgoing("", False)),
    ],
)
def test_a_message_is_for_all(data: bytes, expected: Outgoing) -> None:
    message = read_outside("n1", data)
    assert message is not None
    assert decode(*message) == expected


def test_a_message_for_a_session_is_for_its_node_alone() -> None:
    data = b'{"message": "hi", "sid": "n1-abc"}'
    assert read_outside("n2", data) is None
    message = read_outside("n1", data)
    assert message is not None
    question = decode(*message)
    assert isinstance(question, Question)
    assert question.channel == "engineio.send"
    assert Order.decode(question.data) == Order("n1-abc", Outgoing("hi", True).encode())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        (b"hello", "Expecting value"),
        (b'"hello"', "an object of binary, compress, message, sid"),
        (b'{"mesage": "hello"}', "an object of binary, compress, message, sid"),
        (b"{}", "either message or binary"),
        (b'{"message": 1}', "either message or binary"),
        (b'{"message": "a", "binary": "AA=="}', "either message or binary"),
        (b'{"binary": "?"}', "."),
        (b'{"message": "a", "sid": 1}', "sid must be"),
        (b'{"message": "a", "sid": "n1-%s"}' % (b"a" * 70_000), "sid must be"),
        (b'{"message": "a", "compress": 1}', "compress must be"),
        (b"[" * 100_000, "."),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_outside("n1", data)
