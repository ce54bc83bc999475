"""The opening request of a WebSocket: what RFC 6455 asks of it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.http_headers import Headers

from txengineio.server.transports.opening import (
    BadOpening,
    OpeningRequest,
    wants_websocket,
)
from txengineio.server.web.foreign_request import incoming

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Connection": ["Upgrade"],
    "Upgrade": ["websocket"],
    "Sec-WebSocket-Key": [KEY],
    "Sec-WebSocket-Version": ["13"],
}


class OpeningHeaders:
    """As much of a request as is looked at."""

    def __init__(self, headers: dict[str, list[str]], method: bytes = b"GET") -> None:
        self.method = method
        self.uri = b"/"
        self.clientproto = b"HTTP/1.1"
        self.requestHeaders = Headers()
        for name, values in headers.items():
            self.requestHeaders.setRawHeaders(name, values)


def request(method: bytes = b"GET", **changes: list[str]) -> Any:
    headers = GOOD | {name.replace("_", "-"): each for name, each in changes.items()}
    given: Any = OpeningHeaders(headers, method)
    return incoming(given)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], False),
        (["websocket"], True),
        (["WebSocket"], True),
        (["h2c, websocket"], True),
        (["h2c", "websocket"], True),
        (["h2c"], False),
        (["websockets"], False),
        ([""], False),
    ],
)
def test_only_who_says_websocket_wants_one(values: list[str], wanted: bool) -> None:
    assert wants_websocket(request(Upgrade=values)) is wanted


def test_a_request_is_read_once() -> None:
    opening = OpeningRequest.of(
        request(
            Sec_WebSocket_Protocol=["one, two", "three"],
            Sec_WebSocket_Extensions=["permessage-deflate", "x; y=1"],
        )
    )
    assert opening == OpeningRequest(
        key=KEY,
        version=13,
        subprotocols=["one", "two", "three"],
        extensions="permessage-deflate, x; y=1",
    )


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", " UPGRADE "])
def test_the_connection_header_is_a_list_of_tokens(connection: str) -> None:
    opening = OpeningRequest.of(request(Connection=[connection]))
    assert opening.extensions == ""
    assert opening.subprotocols == []


@pytest.mark.parametrize("version", ["13", "8", " 13 "])
def test_two_versions_are_known(version: str) -> None:
    opening = OpeningRequest.of(request(Sec_WebSocket_Version=[version]))
    assert opening.version == int(version)


@pytest.mark.parametrize("method", [b"POST", b"HEAD", b"PUT"])
def test_it_must_be_a_get(method: bytes) -> None:
    with pytest.raises(BadOpening, match="Invalid HTTP method") as raised:
        OpeningRequest.of(request(method))
    assert raised.value.status == 405
    assert raised.value.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [""],
        ["short"],
        ["a" * 24],
        [KEY, KEY],
        [KEY[:-2] + "!="],
        ["ü" * 12],
        [KEY + KEY],
    ],
)
def test_the_key_must_be_sixteen_bytes(keys: list[str]) -> None:
    with pytest.raises(BadOpening, match="Sec-WebSocket-Key") as raised:
        OpeningRequest.of(request(Sec_WebSocket_Key=keys))
    assert raised.value.status == 400


@pytest.mark.parametrize("versions", [[], [""], ["14"], ["13, 8"], ["13", "13"]])
def test_the_version_must_be_one_that_is_known(versions: list[str]) -> None:
    with pytest.raises(BadOpening, match="Sec-WebSocket-Version") as raised:
        OpeningRequest.of(request(Sec_WebSocket_Version=versions))
    assert raised.value.headers["Sec-WebSocket-Version"] == "13, 8"


@pytest.mark.parametrize("connection", [[], ["keep-alive"], ["upgraded"]])
def test_the_connection_must_be_one_to_upgrade(connection: list[str]) -> None:
    with pytest.raises(BadOpening, match="Invalid Connection header"):
        OpeningRequest.of(request(Connection=connection))


@pytest.mark.parametrize("protocols", ["one,,two", ",", "one, one", "on e", "one/two"])
def test_subprotocols_must_be_different_tokens(protocols: str) -> None:
    with pytest.raises(BadOpening, match="Invalid Sec-WebSocket-Protocol header"):
        OpeningRequest.of(request(Sec_WebSocket_Protocol=[protocols]))


def test_an_older_http_cannot_become_a_websocket() -> None:
    old = request()
    old.for_application.clientproto = b"HTTP/1.0"
    with pytest.raises(BadOpening) as refused:
        OpeningRequest.of(old)
    assert refused.value.status == 505
