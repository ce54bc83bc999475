"""Which answers are taken apart on the short path, and which are left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txengineio.client.http.answer_parser import Answer, parse_complete_answer

LIMIT = 100

TYPE = b"Content-Type: text/plain; charset=UTF-8"
SIMPLE = b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r\nContent-Length: 3\r\n\r\nabc"


def with_header(line: bytes) -> bytes:
    return SIMPLE.replace(TYPE, TYPE + b"\r\n" + line)


def test_a_simple_answer() -> None:
    assert parse_complete_answer(SIMPLE, LIMIT) == (
        200,
        "text/plain; charset=UTF-8",
        b"abc",
    )


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"HTTP/1.1 404\r\ncontent-length:0\r\n\r\n", Answer(404, "", b"")),
        (
            b"HTTP/1.1 500 No\xff  way \r\nCONTENT-LENGTH:\t4 \r\nX:\r\n\r\n\r\n\r\n",
            Answer(500, "", b"\r\n\r\n"),
        ),
        (with_header(b"Connection: keep-alive"), parse_complete_answer(SIMPLE, LIMIT)),
        (with_header(b"X-Content-Length: 5"), parse_complete_answer(SIMPLE, LIMIT)),
    ],
)
def test_what_is_simple_too(data: bytes, answer: Answer) -> None:
    assert parse_complete_answer(data, LIMIT) == answer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIMPLE[:-1],
        SIMPLE[:20],
        SIMPLE + b"d",
        SIMPLE + SIMPLE,
        SIMPLE.replace(b"1.1", b"1.0"),
        SIMPLE.replace(b"200", b"100"),
        SIMPLE.replace(b"200", b"204"),
        SIMPLE.replace(b"200", b"304"),
        SIMPLE.replace(b"200", b"2000"),
        SIMPLE.replace(b"200 OK", b""),
        SIMPLE.replace(b"\r\n", b"\n"),
        SIMPLE.replace(b"Content-Length: 3", b"X: y"),
        SIMPLE.replace(b": 3", b": +3"),
        SIMPLE.replace(b": 3", b": 3, 3"),
        SIMPLE.replace(b": 3", b": \xb3"),
        SIMPLE.replace(b"UTF-8", b"UTF-\xe2"),
        with_header(b"Content-Length: 3"),
        with_header(b"Content-Length: x"),
        with_header(TYPE),
        with_header(b"Transfer-Encoding: chunked"),
        with_header(b"Connection: Close"),
        with_header(b"Set-Cookie: a=b"),
        with_header(b" folded"),
        with_header(b"no colon"),
        with_header(b"space : before"),
        with_header(b"null: \0"),
        with_header(b"X: " + b"y" * 9000),
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_left_to_twisted(data: bytes) -> None:
    assert parse_complete_answer(data, LIMIT) is None


def test_a_body_of_the_limit_is_taken_and_a_larger_one_left() -> None:
    assert parse_complete_answer(SIMPLE, 3) is not None
    assert parse_complete_answer(SIMPLE, 2) is None


@given(st.binary(max_size=LIMIT))
def test_any_body_comes_as_it_is(body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert parse_complete_answer(head + body, LIMIT) == (200, "", body)
