"""Canaries: a release of Twisted that renames what is used behind the door says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.tcp import Server

from tests.net.descriptors import Descriptors, Pair, pair
from txengineio.net import _twisted

pytestmark = pytest.mark.socket

DIRECT_WRITES = "what is written directly would overtake what waits"
BACKLOG = "what a peer does not read would not be counted"


@pytest.fixture
def connection() -> Iterator[Pair]:
    with pair(Descriptors(), make=Server) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "otherwise"),
    [
        ("dataBuffer", DIRECT_WRITES),
        ("_tempDataBuffer", DIRECT_WRITES),
        ("offset", BACKLOG),
        ("_tempDataLen", BACKLOG),
        ("_aborting", "connections that are dropped would be read from"),
    ],
)
def test_twisted_has_it(connection: Pair, name: str, otherwise: str) -> None:
    assert hasattr(connection.transport, name), f"{name} is gone: {otherwise}"


def test_what_waits_is_counted(connection: Pair) -> None:
    transport: Any = connection.transport
    assert _twisted.to_write(transport) == 0
    transport.write(b"12345")
    assert _twisted.to_write(transport) == 5, BACKLOG
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    transport.write(b"x" * 1_000_000)
    transport.doWrite()
    left = _twisted.to_write(transport)
    assert 0 < left < 1_000_005
    transport.write(b"12345")
    assert _twisted.to_write(transport) == left + 5


def test_what_is_written_directly_overtakes_nothing(connection: Pair) -> None:
    transport: Any = connection.transport
    _twisted.write_directly(transport, b"1")
    assert _twisted.to_write(transport) == 0
    transport.write(b"2")
    _twisted.write_directly(transport, b"3")
    assert _twisted.to_write(transport) == 2, DIRECT_WRITES
    transport.doWrite()
    # What the socket has not taken yet is before the next, too.
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    transport.write(b"x" * 1_000_000)
    transport.doWrite()
    left = _twisted.to_write(transport)
    _twisted.write_directly(transport, b"4")
    assert _twisted.to_write(transport) == left + 1, DIRECT_WRITES


def test_it_is_known_who_is_dropped(connection: Pair) -> None:
    assert not _twisted.is_aborting(connection.transport)
    connection.transport.abortConnection()
    assert _twisted.is_aborting(connection.transport)
