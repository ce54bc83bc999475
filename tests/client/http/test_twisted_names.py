"""Canaries: a release of Twisted that changes its client's connections says so."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.doubles import has_fired
from txengineio.client.http._twisted import TwistedConnection
from txengineio.client.http.connections import WrittenRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def connection() -> Any:
    """A connection that is made, and a list of what became quiescent."""
    quiescent: list[Any] = []
    made = TwistedConnection(quiescent.append)
    made.makeConnection(StringTransport())
    return made, quiescent


def test_a_connection_says_whether_it_is_free(connection: Any) -> None:
    made, quiescent = connection
    assert made.is_quiescent, "no connection would be used for a second request"
    response = made.request(WrittenRequest(b"GET", "/", b"GET / HTTP/1.1\r\n\r\n"))
    assert not made.is_quiescent, "two requests would be sent at once"
    made.dataReceived(ANSWER)
    assert has_fired(response)
    assert made.is_quiescent
    assert quiescent == [made], "connections would not be kept"
    made.connectionLost(Failure(ConnectionDone()))
    assert not made.is_quiescent, "lost connections would be used"


def test_a_request_that_is_written_in_one_piece_is_taken(connection: Any) -> None:
    made, _ = connection
    written = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
    made.request(WrittenRequest(b"POST", "/", written))
    assert made.transport.value() == written, "requests would not be sent"
