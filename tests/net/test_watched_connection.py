"""Connections that a poller watches are to everybody what Twisted's are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from twisted.internet import unix
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port, Server
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override

from tests.connection import make_request
from tests.frames import CLOSE, TEXT, make_frame
from tests.net.descriptors import Descriptors, Recorder, pair
from tests.wiring import opening_headers
from txengineio.net import poller as module
from txengineio.net.poller import Poller, poller_of
from txengineio.net.watched_connection import (
    WatchedConnection,
    leaves_now,
    watch_closely,
    watch_port,
)
from txengineio.server.engine import Engine
from txengineio.server.web.resource import EngineIOResource
from txengineio.server.web.site import EngineIOSite, engine_site
from txengineio.testing import RecordingApplication
from txengineio.websocket.close_timeout import SLOW_CLOSE_TIMEOUT, CloseTimeout

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(module._epoll is None, reason="this system has no epoll"),
]


@dataclass(kw_only=True)
class Listener:
    """A port on the loopback interface, and what has come to it."""

    port: Any
    stack: ExitStack

    def accept(self) -> tuple[socket.socket, Any]:
        """Connect, and return both ends."""
        host = self.port.getHost()
        family = socket.AF_INET6 if ":" in host.host else socket.AF_INET
        peer = self.stack.enter_context(socket.socket(family))
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.host, host.host)
        peer.connect((loopback, host.port))
        peer.settimeout(20)
        before = len(self.port.accepted)
        self.port.doRead()
        [transport] = self.port.accepted[before:]
        self.stack.callback(lose, transport)
        return peer, transport


def lose(transport: Any) -> None:
    if transport.connected:
        transport.connectionLost(Failure(CONNECTION_LOST))


@contextmanager
def listening(
    reactor: Descriptors, factory: Any, interface: str = "127.0.0.1"
) -> Iterator[Listener]:
    port: Any = Port(0, factory, interface=interface, reactor=reactor)
    port.startListening()
    port.accepted = []
    with ExitStack() as stack:
        stack.callback(port.connectionLost, Failure(ConnectionDone()))
        yield Listener(port=port, stack=stack)


class Accepting(Factory):
    """Tells its port of each transport."""

    noisy = False

    def __init__(self, act: Callable[[Any], object]) -> None:
        self._act = act
        self.port: Any = None

    @override
    def buildProtocol(self, _address: Any) -> Any:
        protocol = Recorder()
        factory = self

        def made() -> None:
            factory.port.accepted.append(protocol.transport)
            factory._act(protocol.transport)

        vars(protocol)["connectionMade"] = made
        return protocol


@contextmanager
def accepting(
    reactor: Descriptors, act: Callable[[Any], object], interface: str = "127.0.0.1"
) -> Iterator[Listener]:
    factory = Accepting(act)
    with listening(reactor, factory, interface) as listener:
        factory.port = listener.port
        yield listener


# --- connections that their reactor has watched before --------------------------------


def test_a_plain_connection_is_taken_from_its_reactor(reactor: Descriptors) -> None:
    with pair(reactor) as connection:
        assert reactor.readers == [connection.transport]
        assert watch_closely(connection.transport)
        assert reactor.readers == [poller_of(reactor)]
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.data == [b"a"]
        # Once is enough.
        assert not watch_closely(connection.transport)
        assert reactor.readers == [poller_of(reactor)]


def test_a_unix_socket_is_taken_too(reactor: Descriptors) -> None:
    with pair(reactor, make=unix.Server) as connection:
        assert watch_closely(connection.transport)
        connection.peer.send(b"a")
        reactor.turn()
        assert connection.protocol.data == [b"a"]
        # Nobody takes descriptors here; they are not kept.
        with open(os.devnull) as file:
            socket.send_fds(connection.peer, [b"b"], [file.fileno()])
            before = len(os.listdir("/proc/self/fd"))
            reactor.turn()
            assert connection.protocol.data == [b"a", b"b"]
            assert len(os.listdir("/proc/self/fd")) == before
        connection.peer.close()
        reactor.turn()
        assert connection.protocol.lost == [ConnectionDone]


def test_other_transports_are_left_alone(reactor: Descriptors) -> None:
    class Other(Server):
        pass

    assert not watch_closely(StringTransport())
    with pair(reactor, make=Other) as connection:
        assert not watch_closely(connection.transport)
        assert reactor.readers == [connection.transport]


def test_a_connection_that_is_written_to_is_left_alone(reactor: Descriptors) -> None:
    with pair(reactor) as connection:
        connection.transport.write(b"a")
        assert not watch_closely(connection.transport)
        assert reactor.writers == [connection.transport]


def test_without_a_poller_all_stays_as_it_is(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_epoll", None)
    with pair(reactor) as connection:
        assert not watch_closely(connection.transport)
        assert reactor.readers == [connection.transport]
        assert connection.transport.reactor is reactor


def test_unix_sockets_are_not_needed() -> None:
    program = (
        "import sys, twisted.internet.posixbase\n"
        # As on a system where Twisted's module cannot be imported.
        "sys.modules['twisted.internet.unix'] = None\n"
        "import txengineio; print('fine')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "fine\n", done.stderr


# --- connections that come to a port --------------------------------------------------


def test_what_comes_to_a_port_is_watched_from_the_beginning(
    reactor: Descriptors,
) -> None:
    def watch(transport: Any) -> None:
        if watch_closely(transport):
            watch_port(transport.server)

    with accepting(reactor, watch) as listener:
        kinds = []
        for _ in range(3):
            peer, transport = listener.accept()
            kinds.append(type(transport))
            assert set(reactor.readers) == {listener.port, poller_of(reactor)}
            peer.send(b"a")
            reactor.turn()
            assert transport.protocol.data == [b"a"]
        assert kinds == [Server, WatchedConnection, WatchedConnection]


def test_a_port_without_a_poller_goes_on_as_before(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_epoll", None)
    with accepting(reactor, lambda transport: watch_port(transport.server)) as listener:
        assert type(listener.accept()[1]) is Server
        assert type(listener.accept()[1]) is Server


def test_a_port_that_makes_other_connections_goes_on_to_do_so(
    reactor: Descriptors,
) -> None:
    class Other(Server):
        pass

    with accepting(reactor, lambda transport: watch_port(transport.server)) as listener:
        listener.port.transport = Other
        assert type(listener.accept()[1]) is Other
        assert type(listener.accept()[1]) is Other
    watch_port(None)


@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_it_says_what_twisteds_says(reactor: Descriptors, interface: str) -> None:
    if ":" in interface and not has_ipv6():
        pytest.skip("no IPv6 on the loopback interface")
    with accepting(reactor, lambda _: None, interface) as listener:
        _, theirs = listener.accept()
        watch_port(listener.port)
        _, ours = listener.accept()
        assert type(ours) is WatchedConnection
        for name in ("getHost", "getTcpKeepAlive"):
            assert getattr(ours, name)() == getattr(theirs, name)()
        assert ours.getHost() is ours.getHost()
        assert type(ours.getPeer()) is type(theirs.getPeer())
        assert ours.getPeer().host == theirs.getPeer().host
        assert ours.getPeer().port == ours.client[1]
        assert ours.logPrefix() == theirs.logPrefix().replace(",0,", ",1,")
        assert repr(ours) == repr(theirs).replace("#0", "#1")
        assert ours.getHandle() is ours.socket
        assert not ours.getHandle().getblocking()
        # The log names connections that are lost.
        lose(ours)
        assert ours.logPrefix() == theirs.logPrefix().replace(",0,", ",1,")
        assert repr(ours) == repr(theirs).replace("#0", "#1")


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_nothing_is_held_back_whoever_has_seen_to_it(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with accepting(reactor, lambda _: None) as listener:
        listener.accept()
        watch_port(listener.port)
        _, ours = listener.accept()
        # The kernel has had it set by the port, or it has to be asked.
        assert ours.getTcpNoDelay() == (platform == "linux")
        for wanted in (True, False, True):
            ours.setTcpNoDelay(wanted)
            assert ours.getTcpNoDelay() == wanted


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_it_has_every_attribute_that_twisted_gives_it(reactor: Descriptors) -> None:
    with accepting(reactor, lambda _: None) as listener:
        _, theirs = listener.accept()
        watch_port(listener.port)
        _, ours = listener.accept()
        missing = [name for name in vars(theirs) if not hasattr(ours, name)]
        assert missing == []


# --- connections to engines -----------------------------------------------------------


def read_until(reactor: Descriptors, peer: socket.socket, end: bytes) -> bytes:
    received = b""
    for _ in range(100):
        reactor.turn()
        peer.settimeout(0.2)
        try:
            received += peer.recv(1 << 16)
        except TimeoutError:
            continue
        if received.endswith(end):
            return received
    raise AssertionError(received)


TARGET = "/engine.io/?EIO=4&transport=websocket"


@contextmanager
def serving(
    reactor: Descriptors, *, own_site: bool, short_path: bool
) -> Iterator[tuple[Engine, Listener]]:
    """Serve an engine that echoes, in a site of its own or in Twisted's."""
    application = RecordingApplication(
        on_message=lambda protocol, message: protocol.session.send(message)
    )
    engine = Engine(application, reactor=reactor)
    engine.websockets.short_path = short_path
    root = Resource()
    root.putChild(b"engine.io", EngineIOResource(engine))
    site: Any = Site(root, reactor=reactor)
    if own_site:
        site = engine_site(engine, reactor=reactor)
        site.short_path = short_path
    with listening(reactor, site) as listener:
        yield engine, listener
    engine.close()


def open_websocket(reactor: Descriptors, listener: Listener) -> socket.socket:
    host = listener.port.getHost()
    peer = listener.stack.enter_context(
        socket.create_connection((host.host, host.port))
    )
    listener.port.doRead()
    peer.sendall(make_request("GET", TARGET, None, opening_headers()))
    assert b"101 Switching" in read_until(reactor, peer, b"}")
    return peer


@pytest.mark.parametrize("own_site", [True, False])
@pytest.mark.parametrize("short_path", [True, False])
def test_websockets_are_watched_on_ports_that_are_ours(
    reactor: Descriptors, own_site: bool, short_path: bool
) -> None:
    with serving(reactor, own_site=own_site, short_path=short_path) as served:
        engine, listener = served
        for number in range(2):
            peer = open_websocket(reactor, listener)
            peer.sendall(make_frame(TEXT, b"4hello"))
            assert read_until(reactor, peer, b"4hello") == b"\x81\x064hello"
            [*_, websocket] = engine.websockets.connections
            transport = websocket.transport
            is_watched = own_site and short_path
            assert isinstance(transport.reactor, Poller) is is_watched
            # The first one tells the port.
            is_ours = is_watched and number
            assert type(transport) is (WatchedConnection if is_ours else Server)
            peer.sendall(make_frame(CLOSE, b""))
            assert read_until(reactor, peer, b"\x88\x00") == b"\x88\x00"
            for _ in range(3):
                reactor.turn()
            assert peer.recv(1) == b""
        assert set(reactor.readers) == {listener.port}


@pytest.mark.parametrize("watch", [True, False])
def test_ports_of_others_are_left_alone_unless_they_ask(
    reactor: Descriptors, watch: bool
) -> None:
    engine = Engine(RecordingApplication(), reactor=reactor)
    details: Any = {"watch": True} if watch else {}
    site: Any = EngineIOSite(
        Resource(), {"/engine.io/": engine}, reactor=reactor, **details
    )
    with listening(reactor, site) as listener:
        for _ in range(2):
            open_websocket(reactor, listener)
        assert (listener.port.transport is Server) is not watch
        assert (poller_of(reactor) in reactor.readers) is watch
    engine.close()


@pytest.mark.parametrize("short_path", [True, False])
def test_a_goodbye_of_who_takes_nothing_more_is_not_waited_for_forever(
    reactor: Descriptors, short_path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reactor, own_site=True, short_path=short_path) as (engine, listener):
        peer = open_websocket(reactor, listener)
        [websocket] = engine.websockets.connections
        # What it does while the kernel says that the socket cannot be written to.
        monkeypatch.setattr(websocket.transport, "loseConnection", lambda: None)
        peer.sendall(make_frame(CLOSE, b""))
        assert read_until(reactor, peer, b"\x88\x00") == b"\x88\x00"
        assert engine.websockets.connections
        reactor.advance(SLOW_CLOSE_TIMEOUT + 1)
        reactor.turn()
        assert not engine.websockets.connections


def test_a_goodbye_after_which_the_connection_leaves_at_once_needs_no_timer(
    reactor: Descriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[type] = []
    start = CloseTimeout.start

    def record(timeout: CloseTimeout) -> None:
        started.append(type(timeout._transport))
        start(timeout)

    monkeypatch.setattr(CloseTimeout, "start", record)
    with serving(reactor, own_site=True, short_path=True) as (engine, listener):
        for _ in range(2):
            peer = open_websocket(reactor, listener)
            [*_, websocket] = engine.websockets.connections
            assert not leaves_now(websocket.transport)
            peer.sendall(make_frame(CLOSE, b""))
            assert read_until(reactor, peer, b"\x88\x00") == b"\x88\x00"
            for _ in range(3):
                reactor.turn()
            assert peer.recv(1) == b""
            assert not engine.websockets.connections
    # The first one came before the port was watched.
    assert started == [Server]
