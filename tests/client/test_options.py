from __future__ import annotations

from http.cookiejar import CookieJar
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.web.client import Agent

from txengineio.client.options import ClientOptions
from txengineio.errors import InvalidOption


def test_good_values_are_kept() -> None:
    agent: Any = Agent(Clock())
    options = ClientOptions.from_mapping(
        {"agent": agent, "headers": {"X-A": "b"}, "cookies": {"a": "b"}, "revision": 3}
    )
    assert options.agent is agent
    assert dict(options.headers) == {"X-A": "b"}
    assert options.transports == ("polling", "websocket")
    assert ClientOptions(cookies=CookieJar()).headers == ()


@pytest.mark.parametrize(
    "option",
    [
        {"unknown": 1},
        {"transports": "polling"},
        {"transports": []},
        {"transports": ["polling", "polling"]},
        {"transports": 1},
        {"upgrade": 1},
        {"headers": ["a"]},
        {"headers": {"a": 1}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"cookies": "a=b"},
        {"agent": object()},
        {"endpoints": object()},
        {"tls": object()},
        {"revision": 5},
        {"revision": True},
        {"connect_timeout": 0},
        {"max_http_buffer_size": -1},
        {"max_post_packets": 0},
    ],
)
def test_bad_values_are_refused_by_name(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        ClientOptions.from_mapping(option)
    assert next(iter(option)) in str(refused.value)
