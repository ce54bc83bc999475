"""Connections of sockets that somebody has accepted."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.net.descriptors import Descriptors, Recorder
from txengineio.net import poller as module
from txengineio.net.accepted import Acceptor, deliver, serve_socket
from txengineio.net.poller import poller_of
from txengineio.net.watched_connection import WatchedConnection

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(module._epoll is None, reason="this system has no epoll"),
]


class Adopting(Descriptors):
    """Remembers what it was to adopt."""

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[int] = []
        self.problem: OSError | None = None
        self.adoptStreamConnection = self._adopt

    def _adopt(self, _descriptor: int, family: int, factory: Any) -> None:
        if self.problem is not None:
            raise self.problem
        self.adopted.append(family)
        factory.buildProtocol(None)


@pytest.fixture
def reactor() -> Adopting:
    return Adopting()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def ends(listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and the socket that was accepted of it."""
    with socket.create_connection(listener.getsockname(), 20) as client:
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


def recording() -> Any:
    factory: Any = Factory.forProtocol(Recorder)
    factory.noisy = False
    return factory


def lose(protocol: Any) -> None:
    protocol.transport.connectionLost(Failure(CONNECTION_LOST))


@pytest.mark.parametrize("knows", ["its address", "the socket it came to", "nothing"])
def test_a_connection_is_served(
    reactor: Adopting,
    listener: socket.socket,
    ends: tuple[socket.socket, socket.socket],
    knows: str,
) -> None:
    client, accepted = ends
    listening = listener if knows == "the socket it came to" else None
    acceptor = Acceptor(reactor, recording(), watch=True, listening=listening)
    address = client.getsockname() if knows == "its address" else None
    protocol = acceptor.serve(accepted, address)
    transport = protocol.transport
    assert isinstance(transport, WatchedConnection)
    assert transport.getPeer() == IPv4Address("TCP", *client.getsockname())
    assert transport.getHost() == IPv4Address("TCP", *listener.getsockname())
    assert not accepted.getblocking()
    client.sendall(b"hello")
    reactor.turn()
    assert protocol.data == [b"hello"]
    lose(protocol)


def test_its_poller_is_there_while_no_connection_is(
    reactor: Adopting, ends: tuple[socket.socket, socket.socket]
) -> None:
    acceptor = Acceptor(reactor, recording(), watch=True)
    before = poller_of(reactor)
    lose(acceptor.serve(ends[1]))
    gc.collect()
    assert poller_of(reactor) is before


@pytest.mark.parametrize("is_known", [True, False])
def test_unix_sockets_are_the_reactors(reactor: Adopting, is_known: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_UNIX) as unix:
        listening = unix if is_known else None
        acceptor = Acceptor(reactor, recording(), watch=True, listening=listening)
        assert isinstance(acceptor.serve(ours), Recorder)
    assert ours.fileno() == -1
    assert reactor.adopted == [socket.AF_UNIX]


def test_who_is_not_watched_is_the_reactors(
    reactor: Adopting, ends: tuple[socket.socket, socket.socket]
) -> None:
    assert isinstance(serve_socket(reactor, ends[1], recording(), False), Recorder)
    assert reactor.adopted == [socket.AF_INET]


@pytest.mark.parametrize("watch", [True, False])
def test_a_client_that_is_gone_cannot_be_served(
    reactor: Adopting, ends: tuple[socket.socket, socket.socket], watch: bool
) -> None:
    client, accepted = ends
    client.shutdown(socket.SHUT_RDWR)
    accepted.shutdown(socket.SHUT_RDWR)
    reactor.problem = OSError("not connected")
    with pytest.raises(OSError, match="not connected"):
        serve_socket(reactor, accepted, recording(), watch)
    assert accepted.fileno() == -1


def test_a_factory_may_want_none(
    reactor: Adopting, ends: tuple[socket.socket, socket.socket]
) -> None:
    class Refusing(Factory):
        noisy = False

        @override
        def buildProtocol(self, addr: object) -> None:
            return None

    assert serve_socket(reactor, ends[1], Refusing(), True) is None
    assert ends[1].fileno() == -1
    assert ends[0].recv(1) == b""


class Aborted:
    """A transport that is not a watched connection."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.aborted = 0

    def abortConnection(self) -> None:
        self.aborted += 1


def test_what_was_read_before_is_delivered(
    reactor: Adopting,
    ends: tuple[socket.socket, socket.socket],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    watched = serve_socket(reactor, ends[1], recording(), True)
    deliver(watched.transport, b"hello")
    assert watched.data == [b"hello"]
    lose(watched)

    def fail(_protocol: object, _data: bytes) -> None:
        raise ZeroDivisionError

    for react, times in ((None, 0), (fail, 1)):
        other = Aborted(Recorder(react))
        deliver(other, b"hello")
        assert other.protocol.data == [b"hello"]
        assert other.aborted == times
        assert len(flush_logged_errors(ZeroDivisionError)) == times
