from __future__ import annotations

from typing import Any

import pytest
from twisted.web.http_headers import Headers
from twisted.web.test.requesthelper import DummyRequest

from txengineio.server.web.foreign_request import incoming
from txengineio.server.web.headers import (
    add_vary,
    check_headers,
    header_lines,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Origin"]),
        (["Accept-Encoding"], ["Accept-Encoding, Origin"]),
        (["a", "b"], ["a, b, Origin"]),
        # It is said already.
        (["a, origin"], ["a, origin"]),
        (["*"], ["*"]),
    ],
)
def test_vary_names_each_header_once(before: list[str], after: list[str]) -> None:
    headers = Headers({"Vary": before} if before else {})
    add_vary(headers, "Origin")
    assert headers.getRawHeaders("Vary") == after


def test_a_value_makes_a_line_and_a_list_several() -> None:
    assert header_lines("a") == ["a"]
    assert header_lines(5) == ["5"]
    assert header_lines(["a", 5]) == ["a", "5"]
    assert header_lines(("a",)) == ["a"]


def test_whatever_bytes_a_client_sends_are_text() -> None:
    request: Any = DummyRequest([b""])
    request.uri = b"/"
    request.requestHeaders = Headers({b"x-a": [b"\xff", b"a"]})
    values = incoming(request).select_headers(("x-a", "x-b"))
    assert values == {"x-a": ["ÿ", "a"], "x-b": []}


@pytest.mark.parametrize(
    ("name", "value"), [("", "a"), ("a b", "c"), ("a", "b\rc"), ("a", ["b", "c\0"])]
)
def test_what_would_be_more_than_a_header_is_refused(name: str, value: object) -> None:
    check_headers({"good": "value", "also-good": ["a", 5]})
    with pytest.raises(ValueError, match="header"):
        check_headers({name: value})
