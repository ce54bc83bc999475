"""Endpoints from strings, and what is said of strings that describe none."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactor

from txengineio.errors import InvalidOption
from txengineio.net.endpoints import WrongEndpoint, server_endpoint

REACTOR: Any = MemoryReactor()


def test_a_description_is_read_as_twisted_does() -> None:
    endpoint = server_endpoint(REACTOR, "tcp:8080:interface=127.0.0.1")
    assert isinstance(endpoint, TCP4ServerEndpoint)


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ("", "must be an endpoint such as tcp:8080 or unix:/run/app.sock, not ''"),
        ("8080", "must be an endpoint such as tcp:8080 or unix:/run/app.sock, not"),
        ("tcp", "must be tcp:PORT, or tcp:PORT:interface=ADDRESS, with a port up to"),
        (
            "tcp:65536",
            "must be tcp:PORT, or tcp:PORT:interface=ADDRESS, with a port up",
        ),
        ("ssl:1:privateKey=/no", "ssl:1:privateKey=/no: cannot read /no: No such file"),
    ],
)
def test_what_is_wrong_is_said(description: str, problem: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        server_endpoint(REACTOR, description)
    assert isinstance(raised.value, WrongEndpoint)
    assert raised.value.problem.startswith(problem)
    assert str(raised.value) == f"endpoint {raised.value.problem}"


def test_an_endpoint_is_one_already() -> None:
    endpoint = TCP4ServerEndpoint(REACTOR, 8080)
    assert server_endpoint(REACTOR, endpoint) is endpoint


@pytest.mark.parametrize("wrong", [8080, None, b"tcp:8080"])
def test_what_is_neither_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidOption, match="endpoint must be an endpoint such as tcp"):
        server_endpoint(REACTOR, wrong)
