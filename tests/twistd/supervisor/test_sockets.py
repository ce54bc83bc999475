"""Sockets that the supervisor binds and workers accept from."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251 - real sockets
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from typing_extensions import override

from tests.interop.certificates import make_certificates
from txengineio.twistd.supervisor import sockets
from txengineio.twistd.supervisor.sockets import (
    Binder,
    Inheritance,
    UnixPort,
    as_inherited,
)

pytestmark = pytest.mark.socket

HOST = "127.0.0.1"
REACTOR: Any = reactor
DEADLINE = 20.0


class Says(Protocol):
    """Says who accepts, and closes."""

    @override
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.factory.name)
        self.transport.loseConnection()


def named(name: bytes) -> Any:
    factory: Any = Factory.forProtocol(Says)
    factory.noisy = False
    factory.name = name
    return factory


def bind(description: str, slots: int = 2) -> tuple[Binder, IListeningPort]:
    binder = Binder(REACTOR, slots)
    bound: list[Any] = []
    endpoint = serverFromString(binder, description)
    endpoint.listen(Factory()).addBoth(bound.append)
    if not hasattr(bound[0], "getHost"):
        binder.close()
        raise bound[0].value
    return binder, bound[0]


def inherit(binder: Binder, slot: int, description: str) -> Any:
    """Listen as a worker does whose name is its slot's."""
    inheritance = Inheritance(REACTOR, map(os.dup, binder.descriptors(slot)))
    made: Any = inheritance
    listening: list[Any] = []
    endpoint = serverFromString(made, as_inherited(description))
    endpoint.listen(named(b"%d" % slot)).addBoth(listening.append)
    return listening[0]


def who_answers(address: Any) -> str:
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(address)
        return connection.recv(100).decode()


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("tcp:80", "tcp:80"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("systemd:domain=INET:index=0", "tcp:0"),
        ("systemd:domain=UNIX:name=chat", "tcp:0"),
        ("fd:fileno=3", "tcp:0"),
        ("haproxy:systemd:domain=INET:index=0", "haproxy:tcp:0"),
        ("haproxy:tcp:80", "haproxy:tcp:80"),
    ],
)
def test_descriptions_for_workers(description: str, expected: str) -> None:
    assert as_inherited(description) == expected


@pytest_twisted.ensureDeferred
async def test_each_slot_has_a_socket_and_all_share_the_port() -> None:
    description = f"tcp:0:interface={HOST}"
    binder, bound = bind(description)
    address: Any = bound.getHost()
    assert binder.descriptors(0) != binder.descriptors(1)
    ports = [inherit(binder, slot, description) for slot in range(2)]
    found = set()
    for _ in range(200):
        found.add(await deferToThread(who_answers, (HOST, address.port)))
        if len(found) == 2:
            break
    assert found == {"0", "1"}
    for port in ports:
        assert port.getHost() == address
        await port.stopListening()
    await binder.close()
    with pytest.raises(ConnectionRefusedError):
        await deferToThread(who_answers, (HOST, address.port))


@pytest.mark.parametrize("slot", [0, 1])
@pytest_twisted.ensureDeferred
async def test_the_others_have_the_share_of_a_slot_that_has_no_process(
    slot: int,
) -> None:
    description = f"tcp:0:interface={HOST}"
    binder, bound = bind(description)
    address: Any = bound.getHost()
    other = inherit(binder, 1 - slot, description)
    binder.withdraw(slot)
    binder.withdraw(slot)
    for _ in range(40):
        answer = await deferToThread(who_answers, (HOST, address.port))
        assert answer == str(1 - slot)

    again = inherit(binder, slot, description)
    found = set()
    for _ in range(200):
        found.add(await deferToThread(who_answers, (HOST, address.port)))
        if len(found) == 2:
            break
    assert found == {"0", "1"}
    for port in (other, again):
        await port.stopListening()
    await binder.close()


@pytest_twisted.ensureDeferred
async def test_without_the_right_to_bind_a_port_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    description = f"tcp:0:interface={HOST}"
    binder, _ = bind(description)
    before = binder.descriptors(0)

    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError

    monkeypatch.setattr(sockets, "_listener", refuse)
    binder.withdraw(0)
    assert binder.descriptors(0) == before
    await binder.close()


@pytest_twisted.ensureDeferred
async def test_a_socket_that_all_slots_have_is_not_withdrawn(tmp_path: Path) -> None:
    description = f"unix:{tmp_path / 'sock'}"
    binder, _ = bind(description)
    other = inherit(binder, 1, description)
    binder.withdraw(0)
    assert await deferToThread(who_answers, str(tmp_path / "sock")) == "1"
    await other.stopListening()
    await binder.close()


@pytest_twisted.ensureDeferred
async def test_nobody_is_refused_while_a_slot_waits_for_its_next_process() -> None:
    description = f"tcp:0:interface={HOST}"
    binder, bound = bind(description, slots=1)
    address: Any = bound.getHost()
    first = inherit(binder, 0, description)
    assert await deferToThread(who_answers, (HOST, address.port)) == "0"
    await first.stopListening()
    waiting = deferToThread(who_answers, (HOST, address.port))
    second = inherit(binder, 0, description)
    assert await waiting == "0"
    await second.stopListening()
    await binder.close()


def test_a_port_of_somebody_else_is_taken_though_it_may_be_shared() -> None:
    binder, bound = bind(f"tcp:0:interface={HOST}")
    address: Any = bound.getHost()
    with pytest.raises(CannotListenError) as raised:
        bind(f"tcp:{address.port}:interface={HOST}")
    assert raised.value.socketError.errno == errno.EADDRINUSE
    binder.close()


def test_an_address_of_ipv6() -> None:
    try:
        binder, bound = bind(r"tcp6:0:interface=\:\:1")
    except CannotListenError as problem:
        pytest.skip(f"no IPv6 here: {problem.socketError}")
    address: Any = bound.getHost()
    assert (address.type, address.host) == ("TCP", "::1")
    assert len(set(binder.descriptors(0) + binder.descriptors(1))) == 2
    binder.close()


def test_an_address_that_is_not_here() -> None:
    with pytest.raises(CannotListenError):
        bind("tcp:0:interface=192.0.2.1")


def test_one_socket_for_all_where_ports_are_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    binder, _ = bind(f"tcp:0:interface={HOST}", slots=3)
    assert len({binder.descriptors(slot)[0] for slot in range(3)}) == 1
    binder.close()


@pytest_twisted.ensureDeferred
async def test_a_path_is_the_supervisors(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    description = f"unix:{path}:mode=600"
    binder, bound = bind(description)
    ports = [inherit(binder, slot, description) for slot in range(2)]
    assert bound.getHost() == ports[0].getHost()
    assert await deferToThread(who_answers, str(path)) in "01"
    await ports[0].stopListening()
    # Neither its mode nor its place has changed.
    assert path.stat().st_mode & 0o777 == 0o600
    assert await deferToThread(who_answers, str(path)) == "1"
    await ports[1].stopListening()
    assert path.exists()
    await binder.close()
    assert list(tmp_path.iterdir()) == []


@pytest_twisted.ensureDeferred
async def test_a_socket_that_somebody_has_given() -> None:
    with socket.create_server((HOST, 0)) as given:
        binder = Binder(REACTOR, 2)
        bound = binder.adoptStreamPort(given.fileno(), socket.AF_INET, Factory())
        address: Any = bound.getHost()
        port = inherit(binder, 1, "systemd:domain=INET:index=0")
        assert await deferToThread(who_answers, (HOST, address.port)) == "1"
        await port.stopListening()
        await binder.close()
        # It is still the one's who has given it.
        assert given.getsockname()[1] == address.port


def test_a_socket_that_is_not_there() -> None:
    closed = os.dup(0)
    os.close(closed)
    with pytest.raises(CannotListenError):
        Binder(REACTOR, 1).adoptStreamPort(closed, socket.AF_INET, Factory())


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
    clock = MemoryReactorClock()
    broken: Any = Accepts(OSError(errno.EMFILE, "Too many open files"))
    port = UnixPort(clock, broken, named(b""))
    port.startListening()
    assert port in clock.readers
    port.doRead()
    assert port not in clock.readers
    clock.advance(1.0)
    assert port in clock.readers
    port.doRead()
    port.stopListening()
    port.stopListening()
    assert clock.getDelayedCalls() == []
    assert port not in clock.readers


def test_programs_that_are_started_do_not_go_on_listening() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        inherited = os.dup(listener.fileno())
        os.set_inheritable(inherited, True)
        inheritance = Inheritance(MemoryReactorClock(), [inherited])
        port: Any = inheritance.listenUNIX("anywhere", named(b""))
        assert port.fileno() == inherited
        assert not os.get_inheritable(inherited)
        port.stopListening()


class NoRoom(MemoryReactorClock):
    """Has no descriptor for the copy of a socket."""

    @override
    def adoptStreamConnection(self, *_arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")


def test_without_a_second_descriptor_it_tries_again_later(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as us:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)
        us.connect(path)
        us.settimeout(DEADLINE)
        clock = NoRoom()
        port = UnixPort(clock, listener, named(b""))
        port.startListening()
        port.doRead()
        assert us.recv(1) == b""
        assert port not in clock.readers
        clock.advance(1.0)
        assert port in clock.readers
        port.stopListening()


@pytest_twisted.ensureDeferred
async def test_tls_is_put_on_in_the_worker(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    description = (
        f"ssl:0:interface={HOST}:privateKey={files.server_key}:certKey={files.server}"
    )
    binder, bound = bind(description)
    port = inherit(binder, 0, description)
    other = inherit(binder, 1, description)
    address: Any = bound.getHost()
    assert await deferToThread(ask_by_tls, address.port) in "01"
    await port.stopListening()
    await other.stopListening()
    await binder.close()


def ask_by_tls(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((HOST, port), DEADLINE) as connection,
        context.wrap_socket(connection) as secure,
    ):
        return secure.recv(100).decode()


def test_a_deferred_is_what_closing_returns() -> None:
    assert isinstance(Binder(REACTOR, 1).close(), Deferred)
