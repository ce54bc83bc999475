"""The answer of another node, taken apart."""

from __future__ import annotations

import pytest

from txengineio.cluster.forwarding.answer_reader import AnswerReader
from txengineio.server.web.responses import ConstantHeaders

PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: Mon\r\nContent-Type: text/plain; charset=UTF-8\r\n"
    b"cache-control: no-store\r\nContent-Length: 5\r\n\r\nhello"
)
CHUNKED = (
    b"HTTP/1.1 418 I'm a teapot\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\nshort \r\nA\r\nand stout!\r\n0\r\n\r\n"
)


def read(
    data: bytes, size: int, *, is_bodiless: bool = False
) -> tuple[AnswerReader, bytes]:
    """Read in pieces of a size."""
    reader = AnswerReader(is_bodiless=is_bodiless)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return reader, b"".join(reader.receive(piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_of_a_known_length(size: int) -> None:
    reader, body = read(PLAIN, size)
    assert body == b"hello"
    assert reader.is_complete
    assert reader.head is not None
    assert reader.head.status == 200
    assert reader.head.length == 5
    assert not reader.head.closes
    # What the client's own connection says by itself is not handed on.
    assert reader.head.headers == {
        "Content-Type": "text/plain; charset=UTF-8",
        "cache-control": "no-store",
    }
    assert isinstance(reader.head.headers, ConstantHeaders)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_an_answer_in_chunks(size: int) -> None:
    reader, body = read(CHUNKED, size)
    assert body == b"short and stout!"
    assert reader.is_complete
    assert reader.head is not None
    assert (reader.head.status, reader.head.length) == (418, None)


def test_a_chunk_is_handed_on_as_it_comes() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader = AnswerReader()
    assert reader.receive(head + b"8\r\nabc") == b"abc"
    assert reader.receive(b"defgh") == b"defgh"
    assert reader.receive(b"\r") == b""
    assert reader.receive(b"\n2\r\nij\r\n0\r") == b"ij"
    assert not reader.is_complete
    assert reader.receive(b"\n\r\n") == b""
    assert reader.is_complete


def test_an_answer_of_http_1_0_is_the_last_one() -> None:
    reader, body = read(b"HTTP/1.0 505 No\r\nContent-Length: 2\r\n\r\nno", 1000)
    assert body == b"no"
    assert reader.head is not None
    assert reader.head.closes


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    reader, body = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", 1000)
    assert body == b"abc"
    assert not reader.is_complete
    assert reader.ends_with_connection
    assert reader.head is not None
    assert reader.head.closes
    incomplete, _ = read(PLAIN[:-1], 1000)
    assert not incomplete.is_complete
    assert not incomplete.ends_with_connection
    assert not read(CHUNKED[:-1], 1000)[0].ends_with_connection


@pytest.mark.parametrize(
    ("head", "is_bodiless"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False),
    ],
)
def test_some_answers_have_no_body(head: bytes, is_bodiless: bool) -> None:
    reader, body = read(head, 1000, is_bodiless=is_bodiless)
    assert reader.is_complete
    assert body == b""


def test_an_upgrade_is_handed_on_as_it_came() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n"
    reader, rest = read(head + b"\x81\x00", 1000)
    assert (reader.raw_head, rest) == (head, b"\x81\x00")
    assert not reader.is_complete


def test_headers_of_one_name_stay_several_lines() -> None:
    reader, _ = read(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nSet-Cookie: c=3\r\n"
        b"X: \xc3\xb6\r\nY: \xf6\r\nContent-Length: 0\r\n\r\n",
        1000,
    )
    assert reader.head is not None
    assert reader.head.headers == {
        "Set-Cookie": ["a=1", "c=3"],
        "set-cookie": "b=2",
        "X": "ö",
        "Y": "ö",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        CHUNKED + b"!",
        CHUNKED[:-5] + b"0" * 30,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        PLAIN + b"!",
        b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_answer_is_told(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - by whoever found it
        read(data, 100_000)
