"""What was remembered of a request changes nothing about the next one."""

from __future__ import annotations

from hypothesis import event, example, given
from hypothesis import strategies as st

from txengineio.server.web.request_parser import (
    CompleteRequest,
    Fields,
    parse_complete_request,
)

LENGTHS = ["0", "1", "4", "004", "12", "1" * 18, "1" * 19, "", "-1", "+4", "4 ", "4,4"]
NAMES = ["Content-Length: ", "content-length:\t", "X-Content-Length: "]
OTHERS = ["Host: a", "Upgrade: b", "Origin: c", "X-A: 4", "Content-Length: 4", "4"]


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Draw a head that may be about a body, with a few lines before and behind."""
    before = draw(st.lists(st.sampled_from(OTHERS), max_size=2))
    behind = draw(st.lists(st.sampled_from(OTHERS), max_size=1))
    name = draw(st.sampled_from(NAMES))
    length = draw(st.sampled_from(LENGTHS))
    return "\r\n".join([*before, name + length, *behind]).encode()


def post(head: bytes, body: bytes = b"4abc") -> bytes:
    return b"POST /a HTTP/1.1\r\n%b\r\n\r\n%b" % (head, body)


def said(request: CompleteRequest | None) -> object:
    if request is None:
        return None
    method, target, fields, body = request
    values = {name: getattr(fields, name) for name in Fields.__slots__}
    return method, target, values, body


@given(heads(), heads(), st.sampled_from([b"", b"4", b"4abc", b"4" * 12]))
@example(b"Content-Length: 4", b"Content-Length: 12", b"4" * 12)
@example(b"Content-Length: 12\r\nX-A: b", b"Content-Length: 4\r\nX-A: b", b"4abc")
@example(b"Content-Length: 4", b"Content-Length: 4\r\nContent-Length: 4", b"4abc")
@example(b"Content-Length: 4", b"Content-Length: ", b"")
@example(b"Host: a", b"Content-Length: 0", b"")
def test_a_request_says_the_same_whatever_came_before(
    first: bytes, second: bytes, body: bytes
) -> None:
    for size in range(13):
        before = parse_complete_request(post(first, b"x" * size), {})
        if before is not None:
            break
    last = {} if before is None else {before[0]: before[2]}
    alone = said(parse_complete_request(post(second, body), {}))
    event(f"comes after one: {before is not None}, is taken: {alone is not None}")
    assert said(parse_complete_request(post(second, body), last)) == alone


def test_only_the_length_need_be_read_anew() -> None:
    head = b"Host: a\r\nUpgrade: h2c\r\nContent-Length: 4\r\nX-A: b"
    request = parse_complete_request(post(head), {})
    assert request is not None
    fields = request[2]
    for size in (12, 5):
        lines = request[2].lines.replace(b"Length: 4", b"Length: %d" % size)
        other = fields.with_other_length(lines)
        assert other is not None
        assert (other.lines, other.length) == (lines, size)
        assert (other.upgrade, other.has_origin) == (b"h2c", False)
        assert other.with_other_length(lines + b"X: y\r\n") is None
        fields = other
