"""A short path for answers that come in one piece and have nothing unusual.

The answer to a poll or a POST is usually small, arrives in one piece and looks the same
each time. Such an answer is taken apart with one regular expression. Everything else,
be it incomplete, chunked, compressed, folded, without a length, the last of its
connection, with cookies, or wrong in any way, is left to Twisted's parser.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Answer", "parse_complete_answer"]

_MAX_HEAD: Final = 8192
"""Bytes of a head that is taken apart here; Twisted allows for some more."""

_REMEMBERED: Final = 64
"""Heads that are remembered; until the clock strikes they are the same few."""

_END: Final = b"\r\n\r\n"

# RFC 9112, section 4, and RFC 9110, sections 5.1 and 5.5, as far as it is usual: what
# stands before a line is a line end, so that a name can be looked for with it.
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*){1,99})"
)

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[\t ]*([0-9]{1,15})[\t ]*(?:\r|$)")

# Headers that change how an answer is read, what becomes of its connection, or what
# else must be done.
_UNUSUAL: Final = re.compile(rb"\r\n(?:transfer-encoding|set-cookie):|close")

_TYPE: Final = b"\r\ncontent-type:"

# They have no body, whatever their headers say: RFC 9112, section 6.3.
_WITHOUT_BODY: Final = (b"204", b"304")


class _Unusual(Exception):
    """A head is not for this module."""


class Answer(NamedTuple):
    """An answer of the server.

    Attributes:
        status: The HTTP status.
        content_type: The header as it came, or an empty string.
        body: The whole body.
    """

    status: int
    content_type: str
    body: bytes


def parse_complete_answer(data: bytes, limit: int) -> Answer | None:
    """Take the answer to a GET or POST request apart.

    Args:
        data: All that has come since the request.
        limit: Bytes of the body, at most.

    Returns:
        The answer; None if this is not exactly one complete answer, or an unusual one.
    """
    head, end, body = data.partition(_END)
    if not end or len(head) > _MAX_HEAD:
        return None
    try:
        status, content_type, length = _read_head(head)
    except _Unusual:
        return None
    if len(body) != length or length > limit:
        return None
    return Answer(status, content_type, body)


# Only what is usual is remembered; other heads may have cookies.
@lru_cache(_REMEMBERED)
def _read_head(head: bytes) -> tuple[int, str, int]:
    """Return the status, the type and the length of what follows."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise _Unusual
    status, fields = match.groups()
    lowered = fields.lower()
    if _UNUSUAL.search(lowered) is not None or status in _WITHOUT_BODY:
        raise _Unusual
    lengths = _LENGTH.findall(lowered)
    # Another one may be there that is no number.
    if len(lengths) != 1 or lowered.count(b"\r\ncontent-length:") != 1:
        raise _Unusual
    return int(status), _content_type(fields, lowered), int(lengths[0])


def _content_type(fields: bytes, lowered: bytes) -> str:
    before, name, _ = lowered.partition(_TYPE)
    if not name:
        return ""
    value = fields[len(before) + len(name) :].partition(b"\r")[0]
    if lowered.count(_TYPE) > 1 or not value.isascii():
        raise _Unusual
    return value.strip(b" \t").decode("ascii")
