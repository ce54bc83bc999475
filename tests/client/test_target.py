from __future__ import annotations

from typing import Any

import pytest

from txengineio.client.target import parse_target
from txengineio.errors import InvalidOption


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example", "http://a.example"),
        ("ws://a.example:80", "http://a.example"),
        ("wss://a.example", "https://a.example"),
        ("https://a.example:8443/", "https://a.example:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
    ],
)
def test_scheme_says_whether_to_use_tls(url: str, origin: str) -> None:
    assert parse_target(url).origin == origin


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("http://a", "/engine.io/", "/engine.io/"),
        ("http://a/", "/engine.io", "/engine.io/"),
        ("http://a/eio", "/engine.io/", "/eio/"),
        ("http://a/eio/", "/eio", "/eio/"),
        ("http://a", "/ü b/", "/%C3%BC%20b/"),
    ],
)
def test_path_comes_from_the_url_or_the_option(
    url: str, path: str, expected: str
) -> None:
    assert parse_target(url, path=path).path == expected


def test_query_of_url_and_option_is_sent_with_each_request() -> None:
    target = parse_target("http://a/?x=1&y=", query={"z": "ü &"}, revision=3)
    expected = "/engine.io/?x=1&y=&z=%C3%BC+%26&EIO=3&transport=polling&sid=abc"
    assert target.resource("polling", "abc") == expected


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://a"},
        {"url": "a.example"},
        {"url": "http://"},
        {"url": "http://a:port"},
        {"url": "http://user@a"},
        {"url": "http://a/#fragment"},
        {"url": "http://a\r\nb"},
        {"url": "http://a b"},
        {"url": "http://a", "path": "engine.io"},
        {"url": "http://a", "path": "/a?b"},
        {"url": "http://a", "path": "/a\r\nb"},
        {"url": "http://a/one", "path": "/two"},
        {"url": "http://a?sid=1"},
        {"url": "http://a", "query": {"EIO": "4"}},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        parse_target(**options)
