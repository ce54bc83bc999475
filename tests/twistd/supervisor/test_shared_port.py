"""A port on a socket that others have, too: it rests, and it lacks descriptors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from txengineio.server.web.site import EngineIOSite
from txengineio.twistd.supervisor.shared_port import SharedPort

pytestmark = pytest.mark.socket

DEADLINE = 20.0


def served() -> Any:
    factory: Any = Factory.forProtocol(Protocol)
    factory.noisy = False
    return factory


class Adopting(MemoryReactorClock):
    """Does with connections what the test says."""

    def __init__(self, *outcomes: Exception | None) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.adopted = 0

    @override
    def adoptStreamConnection(self, *_arguments: object) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.adopted += 1


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        made.listen()
        made.setblocking(False)
        yield made


def connect(listener: socket.socket) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    client.connect(listener.getsockname())
    return client


def test_it_accepts_all_that_wait(listener: socket.socket) -> None:
    reactor = Adopting()
    port = SharedPort(reactor, listener, served())
    port.startListening()
    with connect(listener), connect(listener):
        port.doRead()
        assert reactor.adopted == 2
        port.doRead()
        assert reactor.adopted == 2
    port.stopListening()


def test_it_rests_and_accepts_again(listener: socket.socket) -> None:
    reactor = Adopting()
    factory = served()
    port = SharedPort(reactor, listener, factory)
    for _ in range(2):
        port.startListening()
        port.startListening()
        assert port in reactor.readers
        assert factory.numPorts == 1
        port.rest()
        port.rest()
        assert port not in reactor.readers
        assert factory.numPorts == 0
        assert port.fileno() == listener.fileno()
    port.stopListening()
    assert port.fileno() == -1


def test_the_reactors_end_is_its_end(listener: socket.socket) -> None:
    reactor = Adopting()
    port = SharedPort(reactor, listener, served())
    port.startListening()
    port.connectionLost(Failure(ConnectionDone()))
    assert port not in reactor.readers
    assert port.fileno() == -1
    port.stopListening()


class Accepts:
    """A socket that has no descriptor for what comes."""

    family = socket.AF_UNIX

    def __init__(self, problem: OSError) -> None:
        self.problem = problem
        self.closed = False

    def accept(self) -> Any:
        raise self.problem

    def fileno(self) -> int:
        return -1 if self.closed else 7

    def close(self) -> None:
        self.closed = True


def test_without_descriptors_it_tries_again_later() -> None:
    reactor = Adopting()
    broken: Any = Accepts(OSError(errno.EMFILE, "Too many open files"))
    port = SharedPort(reactor, broken, served())
    port.startListening()
    port.doRead()
    assert port not in reactor.readers
    reactor.advance(1.0)
    assert port in reactor.readers
    port.doRead()
    port.stopListening()
    port.stopListening()
    assert reactor.getDelayedCalls() == []
    assert port not in reactor.readers


def test_without_a_second_descriptor_it_tries_again_later(
    listener: socket.socket,
) -> None:
    reactor = Adopting(OSError(errno.EMFILE, "Too many open files"))
    port = SharedPort(reactor, listener, served())
    port.startListening()
    with connect(listener) as client:
        port.doRead()
        assert client.recv(1) == b""
    assert port not in reactor.readers
    reactor.advance(1.0)
    assert port in reactor.readers
    port.stopListening()


def test_a_client_that_is_gone_by_then_holds_up_nobody(
    listener: socket.socket,
) -> None:
    reactor = Adopting(OSError(errno.ENOTCONN, "Socket is not connected"))
    port = SharedPort(reactor, listener, served())
    port.startListening()
    with connect(listener), connect(listener):
        port.doRead()
    assert reactor.adopted == 1
    assert port in reactor.readers
    port.stopListening()


class Node:
    """Takes the connections that it is told to."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.taken: list[socket.socket] = []

    def takes_accepted(self, site: object, accepted: socket.socket) -> bool:
        if not self.answers.pop(0):
            return False
        self.taken.append(accepted)
        return True


def test_nothing_is_made_of_what_another_node_takes(listener: socket.socket) -> None:
    reactor = Adopting()
    site = EngineIOSite(Resource(), {}, reactor)
    node: Any = Node(True, False)
    site.elsewhere = node
    port = SharedPort(reactor, listener, site)
    port.startListening()
    with connect(listener), connect(listener):
        port.doRead()
    assert reactor.adopted == 1
    (taken,) = node.taken
    assert not taken.getblocking()
    taken.close()
    port.stopListening()


def test_a_connection_that_cannot_be_served_is_logged(
    listener: socket.socket, flush_logged_errors: FlushLoggedErrors
) -> None:
    reactor = Adopting(ValueError("broken"))
    port = SharedPort(reactor, listener, served())
    port.startListening()
    with connect(listener), connect(listener):
        port.doRead()
    assert reactor.adopted == 1
    assert len(flush_logged_errors(ValueError)) == 1
    port.stopListening()
