"""Workers accept from the sockets that they inherit; for others' when they are told."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from typing_extensions import override

from tests.interop.certificates import make_certificates
from tests.twistd.supervisor.bound import DEADLINE, HOST, REACTOR, bind
from txengineio.twistd.supervisor.inheritance import Inheritance, as_inherited
from txengineio.twistd.supervisor.sockets import Binder

pytestmark = pytest.mark.socket

ROUNDS = 200
"""The kernel spreads connections at random: so many come to each of two sockets."""


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


class Heir:
    """What a worker inherits; its answers are its slot's number."""

    def __init__(self, binder: Binder, slot: int, description: str) -> None:
        places = [[os.dup(each) for each in place] for place in binder.descriptors()]
        self.inheritance: Any = Inheritance(REACTOR, places, slot)
        listening: list[Any] = []
        endpoint = serverFromString(self.inheritance, as_inherited(description))
        self.factory = named(b"%d" % slot)
        endpoint.listen(self.factory).addBoth(listening.append)
        self.port = listening[0]


def who_answers(address: Any) -> str:
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(address)
        return connection.recv(100).decode()


async def all_who_answer(
    address: Any, ask: Callable[[Any], str] = who_answers, expected: int = 2
) -> set[str]:
    """Ask until so many have answered, or often enough."""
    found: set[str] = set()
    for _ in range(ROUNDS):
        found.add(await deferToThread(ask, address))
        if len(found) == expected:
            break
    return found


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
async def test_each_worker_accepts_from_the_socket_of_its_slot() -> None:
    description = f"tcp:0:interface={HOST}"
    binder, bound = bind(description)
    address: Any = bound.getHost()
    heirs = [Heir(binder, slot, description) for slot in range(2)]
    assert await all_who_answer((HOST, address.port)) == {"0", "1"}
    for heir in heirs:
        assert heir.port.getHost() == address
        await heir.port.stopListening()
    await binder.close()
    with pytest.raises(ConnectionRefusedError):
        await deferToThread(who_answers, (HOST, address.port))


@pytest_twisted.ensureDeferred
async def test_nobody_is_refused_while_a_slot_waits_for_its_next_process() -> None:
    description = f"tcp:0:interface={HOST}"
    binder, bound = bind(description, slots=1)
    address: Any = bound.getHost()
    first = Heir(binder, 0, description)
    assert await deferToThread(who_answers, (HOST, address.port)) == "0"
    await first.port.stopListening()
    waiting = deferToThread(who_answers, (HOST, address.port))
    second = Heir(binder, 0, description)
    assert await waiting == "0"
    await second.port.stopListening()
    await binder.close()


# --- standing in ----------------------------------------------------------------------


async def assert_stands_in(description: str, ask: Callable[[Any], str]) -> None:
    binder, bound = bind(description)
    address: Any = bound.getHost()
    where = HOST, address.port
    heir = Heir(binder, 1, description)
    # What waits already is answered, too.
    waiting = [deferToThread(ask, where) for _ in range(8)]
    heir.inheritance.stand_in([0])
    heir.inheritance.stand_in([0])
    assert [await each for each in waiting] == ["1"] * 8
    for _ in range(40):
        assert await deferToThread(ask, where) == "1"

    # It stops as soon as the slot has a worker, whose queue is as it was.
    heir.inheritance.stand_in([])
    waiting = [deferToThread(ask, where) for _ in range(8)]
    worker = Heir(binder, 0, description)
    assert {await each for each in waiting} <= {"0", "1"}
    assert await all_who_answer(where, ask) == {"0", "1"}
    await heir.port.stopListening()
    worker.inheritance.stand_in([1])
    for _ in range(10):
        assert await deferToThread(ask, where) == "0"

    # Once it has stopped, it accepts from none of them any more.
    await worker.port.stopListening()
    heir.inheritance.stand_in([0])
    late = Heir(binder, 0, description)
    late.inheritance.stand_in([1])
    assert await deferToThread(ask, where) == "0"
    await late.port.stopListening()
    assert [each.factory.numPorts for each in (heir, worker, late)] == [0, 0, 0]
    await binder.close()


@pytest_twisted.ensureDeferred
async def test_it_stands_in_for_a_slot_that_has_no_worker() -> None:
    await assert_stands_in(f"tcp:0:interface={HOST}", who_answers)


@pytest_twisted.ensureDeferred
async def test_it_stands_in_with_tls(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    description = (
        f"ssl:0:interface={HOST}:privateKey={files.server_key}:certKey={files.server}"
    )
    await assert_stands_in(description, ask_by_tls)


def ask_by_tls(where: tuple[str, int]) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(where, DEADLINE) as connection,
        context.wrap_socket(connection) as secure,
    ):
        return secure.recv(100).decode()


@pytest_twisted.ensureDeferred
async def test_what_all_slots_have_needs_nobody_to_stand_in(tmp_path: Path) -> None:
    description = f"unix:{tmp_path / 'sock'}"
    binder, _ = bind(description)
    heir = Heir(binder, 1, description)
    heir.inheritance.stand_in([0])
    assert await deferToThread(who_answers, str(tmp_path / "sock")) == "1"
    await heir.port.stopListening()
    await binder.close()


# --- sockets that come from elsewhere -------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_path_is_the_supervisors(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    description = f"unix:{path}:mode=600"
    binder, bound = bind(description)
    ports = [Heir(binder, slot, description).port for slot in range(2)]
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
        port = Heir(binder, 1, "systemd:domain=INET:index=0").port
        assert await deferToThread(who_answers, (HOST, address.port)) == "1"
        await port.stopListening()
        await binder.close()
        # It is still the one's who has given it.
        assert given.getsockname()[1] == address.port


def test_programs_that_are_started_do_not_go_on_listening() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        inherited = [os.dup(listener.fileno()) for _ in range(2)]
        for each in inherited:
            os.set_inheritable(each, True)
        inheritance = Inheritance(MemoryReactorClock(), [inherited], 0)
        # From the start: an application may start them while it is imported.
        assert not any(map(os.get_inheritable, inherited))
        inheritance.listenUNIX("anywhere", named(b"")).stopListening()
        for each in inherited:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(each)
