"""A port on a socket that others have, too: it rests, and it lacks descriptors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.net.descriptors import Descriptors
from txengineio.net.poller import poller_of
from txengineio.net.turns import SHARE
from txengineio.server.engine import Engine
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication
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
        self.taken: list[tuple[socket.socket, bytes]] = []

    def takes_accepted(
        self, site: object, accepted: socket.socket, received: bytes
    ) -> bool:
        if not self.answers.pop(0):
            return False
        self.taken.append((accepted, received))
        return True

    def takes_connection(self, channel: object, received: bytes) -> bool:
        return False


REQUEST = b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def tcp_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


@contextmanager
def serving(
    listener: socket.socket, node: Node | None = None
) -> Iterator[tuple[Descriptors, SharedPort, Callable[[bytes], socket.socket]]]:
    """Serve an engine; also give a function that connects, and sends something."""
    reactor: Any = Descriptors()
    engine = Engine(RecordingApplication(), reactor=reactor)
    site = engine_site(engine, reactor=reactor)
    site.elsewhere = cast(Any, node)
    port = SharedPort(reactor, listener, site)
    port.startListening()
    with ExitStack() as stack:

        def sending(data: bytes) -> socket.socket:
            client = stack.enter_context(socket.socket())
            client.settimeout(DEADLINE)
            client.connect(listener.getsockname())
            client.sendall(data)
            return client

        yield reactor, port, sending
        for transport in getattr(poller_of(reactor), "getReaders", list)():
            transport.connectionLost(Failure(ConnectionDone()))
    port.stopListening()


def test_nothing_is_made_of_what_another_node_takes(
    tcp_listener: socket.socket,
) -> None:
    node = Node(True, False)
    with serving(tcp_listener, node) as (reactor, port, sending):
        sending(REQUEST)
        client = sending(REQUEST)
        port.doRead()
        # What was read goes with it; the other one is served here.
        [(taken, received)] = node.taken
        assert received == REQUEST
        taken.close()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        poller: Any = poller_of(cast(Any, reactor))
        assert len(poller.getReaders()) == 1


def test_a_request_that_is_there_is_answered_at_once(
    tcp_listener: socket.socket,
) -> None:
    with serving(tcp_listener) as (reactor, port, sending):
        client = sending(REQUEST)
        port.doRead()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        # The next one comes by the reactor.
        client.sendall(REQUEST)
        reactor.turn()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_request_that_has_not_come_is_waited_for(
    tcp_listener: socket.socket,
) -> None:
    node = Node()
    with serving(tcp_listener, node) as (reactor, port, sending):
        client, gone = sending(b""), sending(b"")
        gone.close()
        port.doRead()
        client.sendall(REQUEST)
        reactor.turn()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        poller: Any = poller_of(cast(Any, reactor))
        assert len(poller.getReaders()) == 1


def test_a_request_in_pieces_is_put_together(tcp_listener: socket.socket) -> None:
    with serving(tcp_listener, Node(False)) as (reactor, port, sending):
        client = sending(REQUEST[:20])
        port.doRead()
        client.sendall(REQUEST[20:])
        reactor.turn()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_those_who_come_together_leave_time_for_others(
    tcp_listener: socket.socket,
) -> None:
    class Slow(Node):
        @override
        def takes_accepted(self, *_arguments: object) -> bool:
            reactor.advance(SHARE)
            return False

    with serving(tcp_listener, Slow()) as (reactor, port, sending):
        for client in [sending(REQUEST) for _ in range(3)]:
            client.settimeout(0.01)
            with pytest.raises(TimeoutError):
                client.recv(4096)
            client.settimeout(DEADLINE)
            port.doRead()
            assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_it_may_be_stopped_by_one_that_is_served(tcp_listener: socket.socket) -> None:
    class Stopping(Node):
        @override
        def takes_accepted(self, *_arguments: object) -> bool:
            port.stopListening()
            return False

    with serving(tcp_listener, Stopping()) as (_, port, sending):
        client, late = sending(REQUEST), sending(REQUEST)
        port.doRead()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        # The kernel refuses those that wait when the last descriptor is closed.
        with pytest.raises(ConnectionResetError):
            late.recv(4096)


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
