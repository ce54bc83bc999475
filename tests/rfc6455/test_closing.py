"""Closing: who says what with which code, and what counts behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.frames import BINARY, CLOSE, CONTINUATION, TEXT
from tests.rfc6455.peer import (
    NO_CODE,
    Case,
    Peer,
    bytewise,
    check,
    close_payload,
    frame,
    message,
    ping,
)

pytestmark = pytest.mark.socket

HELLO = message("hello")
ECHO = (0x80 | TEXT, b"4hello")

GOOD_CODES = (
    *(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011),
    *(3000, 3001, 3999, 4000, 4999),
)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, close_payload(code, reason))


def good() -> Iterator[Case]:
    yield Case(name="without a code", send=[frame(CLOSE)], close=NO_CODE)
    yield Case(name="byte by byte", send=bytewise(close(1000, b"bye")), close=1000)
    for name, reason in {
        "a reason": b"bye",
        "a reason that is not ASCII": "κόσμε".encode(),
        "the longest reason": b"*" * 123,
    }.items():
        yield Case(name=f"with {name}", send=[close(1000, reason)], close=1000)
    for code in GOOD_CODES:
        yield Case(name=f"code {code}", send=[close(code)], close=code)
        yield Case(name=f"code {code}, a reason", send=[close(code, b"x")], close=code)


def bad() -> Iterator[Case]:
    yield Case(name="half a code", send=[frame(CLOSE, b"\x03")], close=1002)
    yield Case(name="reason too long", send=[close(1000, b"*" * 124)], close=1002)
    for reason in (b"\xff", b"\xce\xba\xed\xa0\x80", b"\xe2\x82"):
        yield Case(name=f"reason {reason!r}", send=[close(1000, reason)], close=1007)
    for code in BAD_CODES:
        yield Case(name=f"code {code}", send=[close(code)], close=1002)
        yield Case(name=f"code {code}, a reason", send=[close(code, b"x")], close=1002)


def what_comes_around() -> Iterator[Case]:
    yield Case(
        name="a message before", send=[HELLO + close(1000)], expect=[ECHO], close=1000
    )
    for name, behind in {
        "a second close": close(1001),
        "a ping": ping(b"?"),
        "a message": HELLO,
        "a bad frame": frame(7),
        "half a frame": HELLO[:3],
        "noise": b"\xff" * 50,
    }.items():
        yield Case(
            name=f"{name} behind, at once", send=[close(1000) + behind], close=1000
        )
        yield Case(name=f"{name} behind, later", send=[close(1000), behind], close=1000)
    yield Case(
        name="256 kB before",
        send=[frame(BINARY, bytes(1 << 18)) + close(1000)],
        expect=[(0x80 | BINARY, bytes(1 << 18))],
        close=1000,
    )


@pytest.mark.parametrize("cases", [good, bad, what_comes_around])
def test_closing(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


def test_server_that_closes_waits_for_the_answer(port: int) -> None:
    with Peer(port) as peer:
        peer.send(message("!close"))
        frames, code = peer.receive_until_close()
        assert frames == []
        assert code in (1000, NO_CODE)
        # Too late: nobody hears these any more.
        peer.send(HELLO, ping(b"?"), frame(TEXT, b"4x", fin=False))
        peer.send(frame(CONTINUATION, b"y"), close(1000))
        assert peer.is_over()


@pytest.mark.parametrize("sent", [b"", HELLO[:1], HELLO[:8], frame(TEXT, fin=False)])
def test_connection_that_just_ends_does_no_harm(port: int, sent: bytes) -> None:
    for _ in range(5):
        with Peer(port) as peer:
            peer.send(sent)
    check(port, [Case(name="after that", send=[HELLO], expect=[ECHO])])
