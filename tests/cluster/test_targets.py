"""Which session the first bytes of a request are for."""

from __future__ import annotations

import pytest

from txengineio.cluster.targets import handshake_target, target_of


@pytest.mark.parametrize(
    "query",
    [
        b"EIO=4&transport=polling&sid=n1-a_-Z0",
        b"sid=n1-a_-Z0&EIO=4",
        b"EIO=4&sid=n1-a_-Z0&sid=other",
    ],
)
def test_the_session_is_found_in_the_query(query: bytes) -> None:
    target = b"/engine.io/?" + query
    for method in (b"GET", b"POST", b"OPTIONS"):
        head = method + b" " + target + b" HTTP/1.1\r\nHost: x"
        assert target_of(head) == (target, "n1-a_-Z0")


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"GET /engine.io/?sid=n1-a HTTP/1.1",
        b"GET /engine.io/?sid=n1-a",
        b"GET /engine.io/?sid=n1-a\r\n",
        b"GET /engine.io/?EIO=4 HTTP/1.1\r\nX: ?sid=n1-a HTTP/1.1\r\n",
        b"GET /engine.io/?asid=n1-a HTTP/1.1\r\n",
        b"GET /engine.io/?sid= HTTP/1.1\r\n",
        b"GET /engine.io/?sid=n1%2Da HTTP/1.1\r\n",
        b"GET /sid=n1-a HTTP/1.1\r\n",
        b"\x16\x03\x01?sid=n1-a HTTP/1.1\r\n",
    ],
)
def test_what_names_none_is_for_the_parser(received: bytes) -> None:
    assert target_of(received) is None


def test_a_handshake_has_a_transport_and_no_session() -> None:
    target = b"/engine.io/?EIO=4&transport=polling"
    assert handshake_target(b"GET " + target + b" HTTP/1.1\r\n") == target
    for other in (
        b"GET " + target + b"&sid=n1-a HTTP/1.1\r\n",
        b"POST " + target + b" HTTP/1.1\r\n",
        b"GET /page HTTP/1.1\r\n",
        b"GET " + target,
    ):
        assert handshake_target(other) is None
