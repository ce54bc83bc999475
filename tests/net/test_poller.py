"""Connections that are watched together, in turns that the tests make."""

from __future__ import annotations

import errno
import gc
import os
import socket
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from tests.conftest import FlushLoggedErrors
from tests.net.descriptors import (
    Descriptors,
    Pair,
    Recorder,
    pair,
    served,
    watched,
    watched_by,
)
from txengineio.net import poller as module
from txengineio.net.poller import Poller, poller_of
from txengineio.net.read_size import LARGE

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(module._epoll is None, reason="this system has no epoll"),
]


def raises(_protocol: Any, _data: bytes) -> None:
    raise ZeroDivisionError


class Broken(Recorder):
    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        raise ZeroDivisionError


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    halves: tuple[str, ...] = ()

    def readConnectionLost(self) -> None:
        self.halves += ("read",)

    def writeConnectionLost(self) -> None:
        self.halves += ("write",)


# --- pollers --------------------------------------------------------------------------


def test_a_reactor_has_one(reactor: Descriptors) -> None:
    poller = poller_of(reactor)
    assert isinstance(poller, Poller)
    assert poller_of(reactor) is poller
    assert poller_of(poller) is poller
    assert poller_of(Descriptors()) is not poller


def test_a_reactor_that_watches_no_descriptors_has_none() -> None:
    assert poller_of(Clock()) is None


def test_a_system_without_epoll_has_none(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_epoll", None)
    assert poller_of(reactor) is None


def test_a_process_without_descriptors_has_none(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_epoll", refuse)
        assert poller_of(reactor) is None
    # Next time there may be one.
    assert poller_of(reactor) is not None


def test_it_goes_with_the_last_connection(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        found = weakref.ref(connection.transport.reactor)
        assert reactor.readers == [found()]
        connection.peer.close()
        reactor.turn()
        assert reactor.readers == []
    del connection
    gc.collect()
    assert found() is None


def test_it_has_calls_made_later(reactor: Descriptors) -> None:
    poller: Any = poller_of(reactor)
    called: list[int] = []
    poller.callLater(1, called.append, 1)
    reactor.advance(1)
    assert called == [1]


def test_its_description_names_its_connections(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    assert repr(poller_of(reactor)) == (
        "<Poller of [<Recorder #7 on None>, <Recorder #7 on None>, "
        "<Recorder #7 on None>]>"
    )


def test_the_log_names_it(reactor: Descriptors) -> None:
    poller: Any = poller_of(reactor)
    assert poller.logPrefix() == "Engine.IO connections"


def test_it_survives_that_the_reactor_watches_nothing_any_more(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    poller: Any = poller_of(reactor)
    reactor.removeAll()
    with watched(reactor) as another:
        another.peer.send(b"a")
        reactor.turn()
        assert another.protocol.data == [b"a"]
        # Those are forgotten, as the reactor has forgotten all others.
        assert poller.getReaders() == [another.transport]
        connections[0].transport.loseConnection()


# --- reading --------------------------------------------------------------------------


def test_connections_are_one_descriptor_of_the_reactor(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    poller: Any = poller_of(reactor)
    assert reactor.readers == [poller]
    assert reactor.writers == []
    assert set(poller.getReaders()) == {each.transport for each in connections}
    assert poller.getWriters() == []


def test_what_has_come_is_received(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    first, second, third = connections
    first.peer.send(b"a")
    third.peer.send(b"b")
    reactor.turn()
    assert [each.protocol.data for each in connections] == [[b"a"], [], [b"b"]]
    second.peer.send(b"c")
    first.peer.send(b"d")
    reactor.turn()
    assert [each.protocol.data for each in connections] == [
        [b"a", b"d"],
        [b"c"],
        [b"b"],
    ]


def test_a_large_message_comes_in_pieces(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sent = 0
        while sent < 2 * LARGE:
            sent += connection.peer.send(b"x" * (2 * LARGE - sent))
            reactor.turn()
        assert b"".join(connection.protocol.data) == b"x" * 2 * LARGE
        assert max(map(len, connection.protocol.data)) <= LARGE


def test_what_comes_meanwhile_is_read_in_the_same_turn(reactor: Descriptors) -> None:
    def next_one(_protocol: Any, data: bytes) -> None:
        if data != b"c":
            connection.peer.send(bytes((data[0] + 1,)))

    with watched(reactor, next_one) as connection:
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.data == [b"a", b"b", b"c"]


def test_what_is_paused_is_not_read(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        connection.transport.pauseProducing()
        assert reactor.readers == []
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.data == []
        connection.transport.resumeProducing()
        reactor.turn()
        assert connection.protocol.data == [b"a"]


def test_nothing_is_read_from_what_was_paused_or_lost_by_another(
    reactor: Descriptors,
) -> None:
    together: list[Pair] = []

    def end_others(protocol: Any, _data: bytes) -> None:
        for other in together:
            if other.protocol is not protocol:
                other.transport.pauseProducing()
                other.transport.connectionLost(Failure(CONNECTION_LOST))

    with ExitStack() as stack:
        together += [
            stack.enter_context(watched(reactor, end_others)) for _ in range(3)
        ]
        for each in together:
            each.peer.send(b"a")
        reactor.turn()
        received = [each for each in together if each.protocol.data]
        assert len(received) == 1
        assert received[0].protocol.lost == []


class Socket:
    """A socket that fails when it is read from."""

    def __init__(self, real: socket.socket, problem: OSError) -> None:
        self._real = real
        self._problem = problem

    def recv(self, _size: int) -> bytes:
        raise self._problem

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_connection_that_is_reset_is_lost(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    first, second, _ = connections
    transport = first.transport
    transport.socket = Socket(transport.socket, ConnectionResetError())
    first.peer.send(b"a")
    second.peer.send(b"b")
    reactor.turn()
    assert first.protocol.lost == [ConnectionLost]
    assert second.protocol.data == [b"b"]


def test_a_socket_that_has_nothing_after_all_is_read_later(
    reactor: Descriptors,
) -> None:
    with watched(reactor) as connection:
        transport = connection.transport
        real = transport.socket
        transport.socket = Socket(real, BlockingIOError())
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.lost == []
        transport.socket = real
        reactor.turn()
        assert connection.protocol.data == [b"a"]


# --- ends -----------------------------------------------------------------------------


def test_a_connection_that_its_peer_has_closed_is_done(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    first, *others = connections
    first.peer.send(b"last")
    first.peer.close()
    reactor.turn()
    assert first.protocol.data == [b"last"]
    assert first.protocol.lost == [ConnectionDone]
    assert [each.protocol.lost for each in others] == [[], []]


def test_half_a_connection_may_go_on(reactor: Descriptors) -> None:
    protocol = HalfCloseable()
    connection = served(reactor, protocol, **watched_by(reactor))
    connection.peer.shutdown(socket.SHUT_WR)
    reactor.turn()
    assert protocol.halves == ("read",)
    connection.transport.write(b"still here")
    reactor.turn()
    assert connection.peer.recv(100) == b"still here"
    connection.peer.close()
    connection.transport.connectionLost(Failure(CONNECTION_LOST))


def test_a_failure_ends_its_connection_alone(
    reactor: Descriptors,
    connections: list[Pair],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    with watched(reactor, raises) as broken:
        for each in (broken, *connections):
            each.peer.send(b"a")
        reactor.turn()
        assert broken.protocol.lost == [ZeroDivisionError]
        assert [each.protocol.data for each in connections] == [[b"a"]] * 3
        assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_what_was_read_before_is_received_like_all_else(
    reactor: Descriptors, flush_logged_errors: FlushLoggedErrors
) -> None:
    def close(protocol: Any, _data: bytes) -> None:
        protocol.transport.loseConnection()
        # Never while it is called.
        assert protocol.lost == []

    with watched(reactor, raises) as broken, watched(reactor, close) as closing:
        poller = broken.transport.reactor
        poller.deliver(broken.transport, b"a")
        assert broken.protocol.lost == [ZeroDivisionError]
        assert len(flush_logged_errors(ZeroDivisionError)) == 1
        poller.deliver(closing.transport, b"a")
        assert closing.protocol.lost == [ConnectionDone]
    assert reactor.readers == []


def test_who_fails_at_the_end_does_no_harm_to_others(
    reactor: Descriptors,
    connections: list[Pair],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    broken = served(reactor, Broken(), **watched_by(reactor))
    broken.peer.shutdown(socket.SHUT_WR)
    for each in connections:
        each.peer.send(b"a")
    reactor.turn()
    assert broken.protocol.lost == [ConnectionDone]
    assert [each.protocol.data for each in connections] == [[b"a"]] * 3
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    broken.peer.close()
    # The round is over all the same.
    connections[0].transport.loseConnection()
    assert connections[0].transport.connected
    reactor.turn()
    assert connections[0].protocol.lost == [ConnectionDone]


def test_the_end_of_the_reactor_is_that_of_all_connections(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    for reader in reactor.removeAll():
        reader.connectionLost(Failure(CONNECTION_LOST))
    assert [each.protocol.lost for each in connections] == [[ConnectionLost]] * 3
    assert reactor.readers == []


@contextmanager
def next_is(descriptor: int) -> Iterator[None]:
    """See to it that the next descriptor has the number of one that is closed."""
    with ExitStack() as stack:
        while (taken := os.open(os.devnull, os.O_RDONLY)) < descriptor:
            stack.callback(os.close, taken)
        os.close(taken)
        yield


def test_a_socket_that_was_closed_by_others_is_forgotten(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    first, *others = connections
    descriptor = first.transport.fileno()
    first.transport.startWriting()
    first.transport.socket.close()
    first.transport.connectionLost(Failure(CONNECTION_LOST))
    poller: Any = poller_of(reactor)
    assert set(poller.getReaders()) == {each.transport for each in others}
    assert poller.getWriters() == []
    # The next one may have its number.
    with next_is(descriptor), watched(reactor) as another:
        assert another.transport.fileno() == descriptor
        another.peer.send(b"a")
        reactor.turn()
        assert another.protocol.data == [b"a"]


def test_what_is_not_watched_can_be_removed(
    reactor: Descriptors, connections: list[Pair]
) -> None:
    with pair(reactor) as other:
        poller: Any = poller_of(reactor)
        poller.removeReader(other.transport)
        poller.removeWriter(other.transport)
        poller.removeWriter(connections[0].transport)
        assert len(poller.getReaders()) == 3


# --- closing --------------------------------------------------------------------------


def test_what_is_closed_while_it_is_read_ends_in_the_same_turn(
    reactor: Descriptors,
) -> None:
    def close(protocol: Any, _data: bytes) -> None:
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        # Never while it is called.
        assert protocol.lost == []
        assert protocol.transport.disconnecting

    with watched(reactor, close) as connection:
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.lost == [ConnectionDone]
        assert connection.peer.recv(1) == b""
        assert reactor.readers == []


def test_who_closes_others_at_the_end_ends_them_in_the_same_turn(
    reactor: Descriptors,
) -> None:
    class Friend(Recorder):
        @override
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            super().connectionLost(reason)
            other.transport.loseConnection()

    friend = served(
        reactor,
        Friend(lambda protocol, _data: protocol.transport.loseConnection()),
        **watched_by(reactor),
    )
    with watched(reactor) as other:
        friend.peer.send(b"a")
        reactor.turn()
        assert friend.protocol.lost == [ConnectionDone]
        assert other.protocol.lost == [ConnectionDone]
    friend.peer.close()


def test_what_was_written_leaves_before_the_end(reactor: Descriptors) -> None:
    def close(protocol: Any, _data: bytes) -> None:
        protocol.transport.write(b"x" * 2_000_000)
        protocol.transport.loseConnection()

    with watched(reactor, close) as connection:
        connection.peer.send(b"a")
        received = read_all(reactor, connection)
        assert received == b"x" * 2_000_000
        assert connection.protocol.lost == [ConnectionDone]


def test_what_is_written_after_closing_leaves_too(reactor: Descriptors) -> None:
    def close(protocol: Any, _data: bytes) -> None:
        protocol.transport.loseConnection()
        # As Twisted has it.
        protocol.transport.write(b"goodbye")

    with watched(reactor, close) as connection:
        connection.peer.send(b"a")
        assert read_all(reactor, connection) == b"goodbye"
        assert connection.protocol.lost == [ConnectionDone]


def test_an_abort_is_not_a_polite_end(reactor: Descriptors) -> None:
    def abort(protocol: Any, _data: bytes) -> None:
        protocol.transport.loseConnection()
        protocol.transport.abortConnection()

    with watched(reactor, abort) as connection:
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.lost == []
        reactor.turn()
        assert [each.__name__ for each in connection.protocol.lost] == [
            "ConnectionAborted"
        ]


def test_nothing_is_read_from_what_was_aborted_and_resumed(
    reactor: Descriptors,
) -> None:
    def abort(protocol: Any, _data: bytes) -> None:
        protocol.transport.abortConnection()
        protocol.transport.resumeProducing()
        connection.peer.send(b"b")

    with watched(reactor, abort) as connection:
        connection.peer.send(b"a")
        reactor.turn()
        reactor.turn()
        assert connection.protocol.data == [b"a"]
        assert connection.protocol.lost == [ConnectionAborted]


def test_whoever_is_let_go_after_an_interrupted_turn_asks_the_reactor(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with watched(reactor) as connection:
        poller: Any = poller_of(reactor)
        monkeypatch.setattr(poller, "_epoll", SimpleNamespace(poll=interrupt))
        with pytest.raises(KeyboardInterrupt):
            poller.doRead()
        monkeypatch.undo()
        connection.transport.loseConnection()
        reactor.turn()
        assert connection.protocol.lost == [ConnectionDone]


def test_a_producer_keeps_the_connection(reactor: Descriptors) -> None:
    class Producer:
        def pauseProducing(self) -> None: ...
        def resumeProducing(self) -> None: ...
        def stopProducing(self) -> None: ...

    def close(protocol: Any, _data: bytes) -> None:
        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.producerPaused = True
        protocol.transport.loseConnection()

    with watched(reactor, close) as connection:
        connection.peer.send(b"a")
        reactor.turn()
        reactor.turn()
        assert connection.protocol.lost == []
        connection.transport.unregisterProducer()
        reactor.turn()
        assert connection.protocol.lost == [ConnectionDone]


# --- writing --------------------------------------------------------------------------


def read_all(reactor: Descriptors, connection: Pair) -> bytes:
    """Read until the connection is closed, in as many turns as it takes."""
    received = b""
    for _ in range(10_000):
        reactor.turn()
        try:
            data = connection.peer.recv(1 << 16)
        except BlockingIOError:
            continue
        if not data:
            return received
        received += data
    raise AssertionError(f"no end after {len(received)} bytes")


def test_what_a_socket_does_not_take_is_written_later(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        poller: Any = poller_of(reactor)
        connection.transport.write(b"x" * 2_000_000)
        assert poller.getWriters() == [connection.transport]
        received = 0
        while received < 2_000_000:
            reactor.turn()
            received += len(connection.peer.recv(1 << 16))
        reactor.turn()
        assert poller.getWriters() == []
        assert poller.getReaders() == [connection.transport]


def test_who_only_writes_learns_that_the_peer_is_gone(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        connection.transport.write(b"x" * 2_000_000)
        connection.transport.pauseProducing()
        reactor.turn()
        connection.peer.close()
        reactor.turn()
        assert connection.protocol.lost == [ConnectionLost]
        assert reactor.readers == []


def test_reading_and_writing_are_watched_apart(reactor: Descriptors) -> None:
    with watched(reactor) as connection:
        poller: Any = poller_of(reactor)
        transport = connection.transport
        for _ in range(2):
            transport.startWriting()
            transport.startReading()
        transport.stopReading()
        assert (poller.getReaders(), poller.getWriters()) == ([], [transport])
        connection.peer.send(b"a")
        transport.startReading()
        transport.stopWriting()
        assert (poller.getReaders(), poller.getWriters()) == ([transport], [])
        reactor.turn()
        assert connection.protocol.data == [b"a"]
        transport.stopReading()
        assert reactor.readers == []
