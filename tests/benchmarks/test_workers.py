"""Which worker a session is on, as the load with several workers knows it."""

import socket
from collections.abc import Iterator

import pytest

from benchmarks.load import workers
from benchmarks.load.loop import Address, LoadError
from benchmarks.load.workers import open_crossed

ADDRESS = Address("127.0.0.1", 1)
RANDOM = "01234567890123456789"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids of the sessions that will be opened, the first one last."""
    sids: list[str] = []
    sockets: list[socket.socket] = []

    def open_polling(_address: Address) -> tuple[socket.socket, str]:
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
