"""Headers of answers: adding to those that are there, and handing them to a 101."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from twisted.web.http import Request
from twisted.web.http_headers import Headers

from txengineio.checks import is_token

__all__ = [
    "add_vary",
    "check_headers",
    "header_lines",
    "headers_so_far",
    "move_added",
]

_NOT_IN_VALUES: Final = re.compile(r"[\0\r\n]")

# An answer may have several lines of these, from different sources.
_ADDED: Final = frozenset({"set-cookie", "vary"})

# Headers that Twisted sets on each answer, or that mean something else, or nothing, on
# a 101.
_NOT_FOR_101: Final = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"date",
        b"server",
        b"transfer-encoding",
        b"upgrade",
    }
)


def header_lines(value: Any) -> list[str]:
    """Return the values of a header: one for each line that it makes."""
    return [
        str(each) for each in (value if isinstance(value, (list, tuple)) else [value])
    ]


def add_vary(headers: Headers, name: str) -> None:
    """Say that an answer depends on a header of the request."""
    fields = ", ".join(headers.getRawHeaders("Vary", ())).split(", ")
    known = [field for field in fields if field]
    if "*" not in known and name.lower() not in (field.lower() for field in known):
        headers.setRawHeaders("Vary", [", ".join([*known, name])])


def move_added(headers: dict[str, Any], others: Headers) -> None:
    """Move the headers that must not replace others to those of the answer.

    Two names that differ only in case are two cookies, not one that replaces the other.
    """
    for name in [name for name in headers if name.lower() in _ADDED]:
        for line in header_lines(headers.pop(name)):
            others.addRawHeader(name, line)


def headers_so_far(request: Request) -> dict[str, Any]:
    """Return the headers that were set on a request whose connection is taken over.

    Middlewares set them, other resources on the way, and Twisted's sessions.
    """
    headers: dict[str, Any] = {}
    for name, values in request.responseHeaders.getAllRawHeaders():
        if name.lower() not in _NOT_FOR_101:
            headers[name.decode("latin-1")] = [
                each.decode("utf-8", "replace") for each in values
            ]
    if request.cookies:
        cookies = [cookie.decode("utf-8", "replace") for cookie in request.cookies]
        headers["Set-Cookie"] = [*headers.get("Set-Cookie", ()), *cookies]
    return headers


def check_headers(headers: Mapping[Any, Any]) -> None:
    """Raise if a header could end early and become two, or cannot be written.

    Raises:
        ValueError: A name is no token, or a value is no text, or has an end of a line
            in it, or something that has no encoding.
    """
    for name, value in headers.items():
        if not (isinstance(name, str) and is_token(name)):
            raise ValueError(f"the name of a header must be a token, not {name!r}")
        for each in value if isinstance(value, (list, tuple)) else [value]:
            # Besides text, only numbers make sense: str(b"x") is "b'x'".
            if not isinstance(each, (str, int)):
                raise ValueError(f"the header {name} must be a str, not {each!r}")
            line = str(each)
            if _NOT_IN_VALUES.search(line):
                raise ValueError(f"the value of the header {name} has a line end in it")
            line.encode()
