"""Which worker a session is on, as the load with several workers knows it."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from benchmarks.apps.steering import address_for, steer
from benchmarks.load import workers
from benchmarks.load.loop import Address, LoadError, connect
from benchmarks.load.workers import NewConnectionsLoad, open_crossed

ADDRESS = Address("127.0.0.1", 1)
RANDOM = "01234567890123456789"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids of the sessions that will be opened, the first one last."""
    sids: list[str] = []
    sockets: list[socket.socket] = []

    def open_polling(
        _address: Address, _source: str | None = None
    ) -> tuple[socket.socket, str]:
        sockets.append(socket.socket())
        return sockets[-1], sids.pop() if len(sids) > 1 else sids[0]

    monkeypatch.setattr(workers, "open_polling", open_polling)
    yield sids
    for each in sockets:
        each.close()


def test_sessions_of_two_workers_change_connections(opened: list[str]) -> None:
    opened += [f"w1b-{RANDOM}", f"w0a-{RANDOM}", f"w0a-{RANDOM}"]
    first, second = open_crossed(ADDRESS, 2)
    assert [first[1][:3], second[1][:3]] == ["w1b", "w0a"]


def test_all_on_one_worker_are_an_error(opened: list[str]) -> None:
    opened.append(f"w0a-{RANDOM}")
    with pytest.raises(LoadError, match="all sessions come to worker w0a"):
        open_crossed(ADDRESS, 2)


def test_connections_are_crossed_when_workers_have_taken_their_places(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_PAUSE", 0.0)
    # One stands in for the other at first; the last one is for all the places.
    standing_in, apart = ["w0a"] * 10, ["w0a"] * 5 + ["w1b"] * 5
    opened += [f"{node}-{RANDOM}" for node in reversed(standing_in + apart + ["w0a"])]
    load = NewConnectionsLoad(ADDRESS, places=2, size=32, crossed=True)
    load.connect()
    # A session of the first address is used from the second, and the other way round.
    sources = [source for _, source in load._free]
    assert sources == [address_for(1), address_for(0)]
    load.close()


def test_connections_that_come_by_chance_are_an_error(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_START_SECONDS", 0.1)
    monkeypatch.setattr(workers, "_ALONE_SECONDS", 0.1)
    opened.append(f"w0a-{RANDOM}")
    load = NewConnectionsLoad(ADDRESS, places=2, size=32, crossed=True)
    with pytest.raises(LoadError, match="by chance"):
        load.connect()
    load.close()
    # They are local by chance or not: it does not matter, with one worker.
    load = NewConnectionsLoad(ADDRESS, places=2, size=32, crossed=False)
    load.connect()
    assert [source for _, source in load._free] == [address_for(0), address_for(1)]
    load.close()


@pytest.mark.socket
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux steers connections")
def test_the_kernel_gives_connections_to_the_socket_of_their_address() -> None:
    with ExitStack() as stack:
        listeners: list[socket.socket] = []
        port = 0
        for _ in range(2):
            each = stack.enter_context(socket.socket())
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind(("127.0.0.1", port))
            each.listen()
            each.settimeout(0)
            port = each.getsockname()[1]
            listeners.append(each)
        steer()
        for number in (0, 1) * 5:
            address = Address("127.0.0.1", port)
            with connect(address, source=address_for(number)):
                accepted, peer = listeners[number].accept()
                accepted.close()
            assert peer[0] == address_for(number)
