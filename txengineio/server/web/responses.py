"""Answers: how their headers are written, and what Twisted makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.http import Request
from twisted.web.http_headers import Headers

__all__ = [
    "OK",
    "ConstantHeaders",
    "answer_by_twisted",
    "serialize_beside",
    "serialize_headers",
]

OK = 200


class ConstantHeaders(dict[str, str]):
    """Headers that many answers have in common.

    Attributes:
        lines: How they are written.
    """

    __slots__ = ("lines",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.lines = serialize_headers(headers)


def serialize_headers(headers: Mapping[str, Any]) -> bytes | None:
    """Return headers as they are written; None for values that this cannot write."""
    lines = []
    for name, value in headers.items():
        if not isinstance(value, str) or "\r" in value or "\n" in value:
            return None
        lines.append(f"{name}: {value}\r\n")
    # UTF-8, as Twisted writes headers.
    return "".join(lines).encode()


def serialize_beside(headers: Mapping[str, Any], others: Headers) -> bytes | None:
    """Return the lines for those of ``others`` that ``headers`` do not replace.

    Returns:
        The lines; None if there is one among them that stands in each answer anyway.
    """
    if others.hasHeader(b"Date"):
        return None
    replaced = {b"content-length", *(name.lower().encode() for name in headers)}
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, values in others.getAllRawHeaders()
        if name.lower() not in replaced
        for value in values
    ]
    return b"".join(lines)


def answer_by_twisted(
    request: Request, status: int, headers: Mapping[str, Any], body: bytes
) -> None:
    """Let Twisted write an answer, and finish it.

    Args:
        request: The request; its connection is there.
        status: The HTTP status.
        headers: Names and values; a list of values makes as many lines.
        body: The whole body.
    """
    if request.cookies:
        # Twisted would replace with them what the header has otherwise.
        for cookie in request.cookies:
            request.responseHeaders.addRawHeader(b"Set-Cookie", cookie)
        request.cookies = []
    request.setResponseCode(status)
    response_headers = request.responseHeaders
    for name, value in headers.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        response_headers.setRawHeaders(name, [str(each) for each in values])
    response_headers.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
    request.write(body)
    request.finish()
