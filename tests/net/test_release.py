"""A socket that is let go goes on, and its transport is over."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from typing_extensions import override

from tests.net.descriptors import Descriptors, pair
from txengineio.net.release import can_be_released, release_socket
from txengineio.testing import MemoryTransport

pytestmark = pytest.mark.socket


class Told(Protocol):
    def __init__(self) -> None:
        self.lost: list[Failure] = []

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.append(reason)


def test_the_socket_goes_on_and_the_transport_is_over() -> None:
    descriptors = Descriptors()
    with pair(descriptors, make=Server) as made:
        transport: Any = made.transport
        told = transport.protocol = Told()
        transport.registerProducer(made, True)
        assert can_be_released(transport)
        with release_socket(transport) as released:
            assert len(told.lost) == 1
            assert transport.fileno() == -1
            assert not transport.connected
            assert (descriptors.readers, descriptors.writers) == ([], [])
            transport.loseConnection()
            transport.abortConnection()
            released.send(b"still here")
            assert released.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            assert made.peer.recv(100) == b"still here"


def test_a_transport_that_has_something_to_write_keeps_its_socket() -> None:
    with pair(Descriptors(), make=Server) as made:
        transport: Any = made.transport
        transport.write(b"later")
        assert not can_be_released(transport)
    assert not can_be_released(MemoryTransport())
