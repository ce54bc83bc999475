"""What is taken apart without Twisted's parser, and what is left to it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from twisted.web.http_headers import Headers, InvalidHeaderName

from txengineio.server.web.request_parser import (
    CompleteRequest,
    Fields,
    ReceivedHeaders,
)
from txengineio.server.web.request_parser import (
    parse_complete_request as whole_request_after,
)

HOST = b"Host: test.example"


def write(
    *lines: bytes, start: bytes = b"GET /a?b HTTP/1.1", body: bytes = b""
) -> bytes:
    return b"\r\n".join([start, *lines, b"", b""]) + body


def post(*lines: bytes, body: bytes = b"4abc") -> bytes:
    return write(HOST, *lines, start=b"POST /a HTTP/1.1", body=body)


def parse_complete_request(data: bytes) -> CompleteRequest | None:
    return whole_request_after(data, {})


def taken(data: bytes) -> CompleteRequest:
    request = parse_complete_request(data)
    assert request is not None
    return request


# --- requests that are taken ----------------------------------------------------------


def test_a_request_is_taken_apart() -> None:
    data = write(HOST, b"X-A:  B", b"Content-Length: 3", body=b"\r\n\xff")
    method, target, fields, body = taken(data)
    assert (method, target, body) == (b"GET", b"/a?b", b"\r\n\xff")
    lines = b"\r\nHost: test.example\r\nX-A:  B\r\nContent-Length: 3\r\n"
    assert (fields.lines, fields.length) == (lines, 3)


@pytest.mark.parametrize(
    "data",
    [
        write(HOST),
        write(HOST, b"X-Empty:"),
        write(HOST, b"X-Space: \t x \t "),
        write(HOST, b"X-Latin: \xe9\x80\xff"),
        write(HOST, b"!#$%&'*+-.^_`|~09azAZ: x"),
        write(HOST, start=b"GET / HTTP/1.1"),
        write(HOST, start=b"GET //a;b=c/%20?d#e~! HTTP/1.1"),
        write(HOST, b"Connection: keep-alive, Upgrade", b"Upgrade: websocket"),
        write(HOST, *[b"X-A: b"] * 98),
        write(HOST, b"X-Long: " + b"x" * 8000),
        post(b"Content-Length: 0", body=b""),
        post(body=b""),
        post(b"CONTENT-length:\t4 "),
        post(b"Content-Length: 004"),
        post(b"Content-Length: 100000", body=b"x" * 100_000),
    ],
)
def test_usual_requests_are_taken(data: bytes) -> None:
    method, target, fields, body = taken(data)
    start, rest = data.split(b"\r\n", 1)
    assert start == b"%b %b HTTP/1.1" % (method, target)
    assert b"\r\n" + rest == b"%b\r\n%b" % (fields.lines, body)
    assert fields.length == len(body)


# --- what their headers say -----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "upgrades", "says_binary", "is_explorer"),
    [
        (b"X-A: b", False, False, False),
        (b"uPGRADE:websocket", True, False, False),
        (b"X-Upgrade: websocket", False, False, False),
        (b"Content-Type: application/octet-stream", False, True, False),
        (b"content-type: Application/OCTET-STREAM", False, False, False),
        (b"X-A: application/octet-stream", False, False, False),
        (b"X-A: MSIE", False, False, False),
        (b"User-Agent: Mozilla/4.0 (compatible; MSIE 7.0)", False, False, True),
        (b"User-Agent: Mozilla/5.0 (Trident/7.0; rv:11.0)", False, False, True),
    ],
)
def test_what_matters_about_headers(
    line: bytes, upgrades: bool, says_binary: bool, is_explorer: bool
) -> None:
    _, _, fields, _ = taken(write(HOST, line))
    assert bool(fields.upgrade) is upgrades
    assert fields.says_binary is says_binary
    assert fields.is_explorer is is_explorer


def test_headers_that_are_as_the_last_time_are_not_looked_at_again() -> None:
    _, _, get, _ = taken(write(HOST))
    _, _, other, _ = taken(post(b"Content-Length: 4"))
    last = {b"GET": get, b"POST": other}
    for data in (write(HOST), write(HOST, start=b"GET /c HTTP/1.1")):
        again = whole_request_after(data, last)
        assert again is not None
        assert again[2] is get
    # Each method has its own.
    again = whole_request_after(post(b"Content-Length: 4"), last)
    assert again is not None
    assert again[2] is other
    assert taken(write(HOST))[2] is not get


@pytest.mark.parametrize(
    "data",
    [
        write(HOST),
        write(HOST + b"x"),
        write(HOST, b"Upgrade: h2c"),
        post(b"Content-Length: 3", body=b"4ab"),
        post(b"Content-Length: 5", body=b"4abcd"),
    ],
)
def test_headers_that_differ_from_the_last_ones_are_looked_at(data: bytes) -> None:
    last = {
        method: taken(post(b"Content-Length: 4", b"X-A: b"))[2]
        for method in (b"GET", b"POST")
    }
    expected = taken(data)
    found = whole_request_after(data, last)
    assert found is not None
    for name in Fields.__slots__:
        assert getattr(found[2], name) == getattr(expected[2], name)
    assert found[:2] + found[3:] == expected[:2] + expected[3:]
    # The same headers do not make a body of another length whole.
    longer = post(b"Content-Length: 4", b"X-A: b") + b"x"
    assert whole_request_after(longer, last) is None


def test_other_servers_are_sent_what_is_not_about_the_connection() -> None:
    lines = [b"connection: keep-alive, X-A", b"X-A: 1", b"TE:", b"Te-x: 2", b"x-a:3"]
    _, _, fields, _ = taken(post(b"Keep-Alive:\t5", *lines, b"Content-Length: 4"))
    sent = b"\r\nHost: test.example\r\nX-A: 1\r\nTe-x: 2\r\nx-a:3"
    assert fields.end_to_end() == sent
    # Which is kept for those that differ in the length alone, and no others.
    for line, now_sent in ((b"X-A: 1", sent), (b"X-A: 2", sent.replace(b"1", b"2"))):
        lines[1] = line
        data = post(b"Keep-Alive:\t5", *lines, b"Content-Length: 3", body=b"4ab")
        found = whole_request_after(data, {b"POST": fields})
        assert found is not None
        assert found[2].end_to_end() == now_sent


# --- requests that are left to Twisted ------------------------------------------------


@pytest.mark.parametrize("data", [write(HOST), post(b"Content-Length: 4")])
def test_a_request_is_taken_when_it_is_complete_and_nothing_is_behind_it(
    data: bytes,
) -> None:
    assert taken(data)
    assert [
        size for size in range(len(data)) if parse_complete_request(data[:size])
    ] == []
    for behind in (b"x", b"\r\n", b"\x00", data):
        assert parse_complete_request(data + behind) is None
        assert parse_complete_request(behind + data) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length:",
        b"Content-Length: x",
        b"Content-Length: +4",
        b"Content-Length: -4",
        b"Content-Length: 4.0",
        b"Content-Length: 0x4",
        b"Content-Length: 4_0",
        b"Content-Length: 4, 4",
        b"Content-Length: 4 4",
        b"Content-Length: \xb24",
        b"Content-Length: 3",
        b"Content-Length: 5",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: 4\r\nContent-Length: 4",
        b"Content-Length: 4\r\ncontent-length: 5",
        b"Content-Length: 4\r\nContent-Length:",
        b"Content-Length:\r\nContent-Length: 4",
        b"X: y",
    ],
)
def test_a_body_whose_length_is_not_said_plainly(line: bytes) -> None:
    assert parse_complete_request(post(line)) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Transfer-Encoding: chunked",
        b"transfer-encoding:identity",
        b"TRANSFER-ENCODING:",
        b"Expect: 100-continue",
        b"eXPECT:100-CONTINUE",
        b"Connection: close",
        b"connection:CLOSE",
        b"Connection: keep-alive, Close",
        b"Connection: keep-alive\r\nConnection: close",
        b"X-A: b\r\n folded",
        b"X-A: b\r\n\tfolded",
        b" X-A: b",
        b"X-A : b",
        b"X-A\t: b",
        b"no colon",
        b": no name",
        b"X A: b",
        b"X(A): b",
        b"X-\xe9: b",
        b"X-A: \x00",
        b"X-A: \x01b",
        b"X-A: \x0bb",
        b"X-A: \x7fb",
        b"X-A: a\rb",
        b"X-A: a\nb",
        b"X-A: a\nB: c",
        b"X-Long: " + b"x" * 8200,
        b"\r\n".join([b"X-A: b"] * 99),
    ],
)
def test_a_head_with_anything_unusual(line: bytes) -> None:
    assert parse_complete_request(write(HOST, line)) is None
    assert parse_complete_request(write(line, HOST)) is None
    assert parse_complete_request(post(line, b"Content-Length: 4")) is None


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.0",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"GET / http/1.1",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET a HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET http://test.example/ HTTP/1.1",
        b"GET  HTTP/1.1",
        b"get / HTTP/1.1",
        b"GETS / HTTP/1.1",
        b"PUT / HTTP/1.1",
        b"HEAD / HTTP/1.1",
        b"OPTIONS / HTTP/1.1",
        b"DELETE / HTTP/1.1",
        b"CONNECT test.example:80 HTTP/1.1",
        b"",
    ],
)
def test_a_first_line_that_is_unusual(start: bytes) -> None:
    assert parse_complete_request(write(HOST, start=start)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        write(),
        write(b"X-Host: a"),
        write(HOST, HOST),
        write(HOST).replace(b"\r\n", b"\n"),
        write(HOST).replace(b"\r\n\r\n", b"\r\n\n"),
        write(HOST).replace(b"\r\n\r\n", b"\n\n"),
        write(HOST).replace(b"\r\n", b"\n", 1),
        write(HOST).replace(b"\r\n", b"\r", 1),
    ],
)
def test_a_head_without_its_line_ends_or_headers(data: bytes) -> None:
    assert parse_complete_request(data) is None


# --- headers --------------------------------------------------------------------------

LINES = [
    b"Host: test.example",
    b"cookie: a=b",
    b"X-Twice: one",
    b"X-Empty:",
    b"x-TWICE:\t two \t",
    b"ETag: x:y: z",
    b"X-Latin: \xc3\xa9",
    b"X: Host: no",
    b"X-Host: neither",
    b"Cookie: c=d",
]
NAMES = [
    *("Host", "host", "HOST", "hOsT", "Cookie", "X-Twice", "x-twice", "X-Empty"),
    *("ETag", "etag", "X-Latin", "X", "X-Host", "Ho", "ost", "Absent", "Twice"),
]


def received() -> ReceivedHeaders:
    return ReceivedHeaders(taken(write(*LINES))[2].lines)


def twisted() -> Headers:
    headers = Headers()
    for line in LINES:
        name, _, value = line.partition(b":")
        headers.addRawHeader(name, value.strip(b" \t"))
    return headers


def asked_for(headers: Any, name: str | bytes) -> list[object]:
    """Return all that can be found out about one header."""
    return [
        headers.getRawHeaders(name),
        headers.getRawHeaders(name, "default"),
        headers.hasHeader(name),
    ]


def asked(headers: Headers) -> list[object]:
    """Return all that can be found out about headers."""
    return [
        [asked_for(headers, name) for name in NAMES],
        [asked_for(headers, name.encode()) for name in NAMES],
        list(headers.getAllRawHeaders()),
    ]


def add(headers: Headers) -> None:
    headers.addRawHeader(b"Host", b"another")
    headers.addRawHeader("Absent", "no more")


def replace(headers: Headers) -> None:
    headers.setRawHeaders(b"HOST", [b"another"])
    headers.setRawHeaders("absent", ["no", "more"])


def remove(headers: Headers) -> None:
    headers.removeHeader(b"host")
    headers.removeHeader("X-Twice")
    headers.removeHeader(b"Absent")


changes = pytest.mark.parametrize("change", [lambda _: None, add, replace, remove])


@changes
@pytest.mark.parametrize("before", [False, True])
def test_received_headers_are_as_those_of_twisted(
    change: Callable[[Headers], None], before: bool
) -> None:
    ours, theirs = received(), twisted()
    if before:
        assert asked(ours) == asked(theirs)
    change(ours)
    change(theirs)
    assert asked(ours) == asked(theirs)
    assert ours == theirs
    assert theirs == ours
    assert repr(ours) == repr(theirs).replace("Headers", "ReceivedHeaders", 1)


@pytest.mark.parametrize("name", NAMES)
def test_each_header_may_be_the_first_to_be_asked_for(name: str) -> None:
    for each in (name, name.encode()):
        assert asked_for(received(), each) == asked_for(twisted(), each)


@changes
def test_a_copy_is_independent(change: Callable[[Headers], None]) -> None:
    for make in (ReceivedHeaders.copy, copy.copy, copy.deepcopy):
        ours = received()
        first, second = make(ours), make(ours)
        change(first)
        expected = twisted()
        change(expected)
        assert first == expected
        assert asked(first) == asked(expected)
        assert second == ours == twisted()
        # After it was parsed, too.
        assert asked(make(ours)) == asked(twisted())
        change(ours)
        assert asked(second) == asked(twisted())


def test_headers_that_differ_are_not_equal() -> None:
    ours = ReceivedHeaders(taken(write(HOST))[2].lines)
    assert ours == Headers({b"Host": [b"test.example"]})
    assert ours != received()
    assert ours != Headers()


@pytest.mark.parametrize("name", [b"Host:127.0.0.1", b"no token", b""])
def test_no_header_has_such_a_name(name: bytes) -> None:
    headers = ReceivedHeaders(taken(write(b"Host: 127.0.0.1:80"))[2].lines)
    with pytest.raises(InvalidHeaderName):
        headers.getRawHeaders(name)
    with pytest.raises(InvalidHeaderName):
        headers.hasHeader(name)


def test_they_have_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="absent"):
        received().absent  # noqa: B018
