"""What is kept of the request that opened a session."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.web.test.requesthelper import DummyRequest

from tests.session.sessions import handshake_request
from txengineio.server.handshake_request import client_address
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.web.foreign_request import incoming


def test_the_last_value_of_a_header_counts_whatever_its_case() -> None:
    request = handshake_request()
    assert request.header("cookie") == "b=2"
    assert request.header("X-Nothing") is None


def test_it_has_the_names_of_twisteds_request() -> None:
    request = handshake_request()
    request.headers.setRawHeaders("Cookie", ["a=1; lang=en", "lang = fr;x; y=2=3;"])
    assert request.getHeader("cookie") == "lang = fr;x; y=2=3;"
    assert request.getHeader(b"X-Nothing") is None
    assert request.getCookie(b"lang") == b"fr"
    assert request.getCookie(b"x") is None
    assert request.cookies == {b"a": b"1", b"lang": b"fr", b"y": b"2=3"}
    assert request.requestHeaders is request.headers
    assert request.getClientAddress() is request.client_address
    assert request.isSecure() is request.secure


def from_(address: IAddress, *forwarded: str) -> Any:
    request: Any = DummyRequest([])
    request.uri = b"/"
    request.client = address
    request.requestHeaders.setRawHeaders("X-Forwarded-For", list(forwarded))
    return incoming(request)


def test_the_address_is_the_connections() -> None:
    peer = IPv4Address("TCP", "192.0.2.1", 1)
    assert client_address(from_(peer, "10.1.1.1"), TrustedProxies([])) == "192.0.2.1"


def test_a_unix_socket_has_no_address() -> None:
    request = from_(UNIXAddress("/run/app"), "203.0.113.5")
    assert client_address(request, TrustedProxies([])) is None
    assert client_address(request, TrustedProxies(["unix"])) == "203.0.113.5"


def test_a_proxy_that_is_trusted_says_whose_request_it_is() -> None:
    peer = IPv4Address("TCP", "10.0.0.1", 1)
    request = from_(peer, "1.1.1.1, 203.0.113.5", "10.0.0.2")
    proxies = TrustedProxies(["10.0.0.0/8"])
    assert client_address(request, proxies) == "203.0.113.5"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        handshake_request().method = "POST"  # type: ignore[misc]  # that is the test
