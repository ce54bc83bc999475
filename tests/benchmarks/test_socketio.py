"""The load of Socket.IO: what it sends, and what it takes for an answer."""

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks import frames
from benchmarks.load import socketio as load_module
from benchmarks.load.base import Load
from benchmarks.load.loop import Address, LoadError
from benchmarks.load.socketio import (
    AcknowledgedEvents,
    AcknowledgedLoad,
    ConnectLoad,
    RoomLoad,
    open_client,
)
from benchmarks.process import ServerProcess
from benchmarks.rounds import suited
from benchmarks.scenarios import GROUPS
from benchmarks.servers import (
    PYTHON_SOCKETIO,
    SERVERS,
    SOCKETIO,
    SOCKETIO_ASYNC,
    SOCKETIO_NODE,
)

ADDRESS = Address("127.0.0.1", 1)
WELCOME = frames.server_frame(frames.TEXT, b'40{"sid":"x"}')


def test_each_event_of_a_window_has_a_number_of_its_own() -> None:
    events = AcknowledgedEvents(12, 2)
    text = frames.message_text(12, 0)
    first, second = (
        frames.client_frame(frames.TEXT, f'42{number}["echo","{text}"]'.encode())
        for number, text in ((100, text), (101, frames.message_text(12, 1)))
    )
    assert bytes(events.requests) == first + second
    assert events.first_reply == frames.server_frame(
        frames.TEXT, f'43100["{text}"]'.encode()
    )


@pytest.fixture
def server_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The other end of the connection of every session that is opened."""
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(load_module, "open_websocket", lambda _: (ours, b""))
    yield theirs
    ours.close()
    theirs.close()


def test_a_client_is_open_once_it_is_connected(server_end: socket.socket) -> None:
    server_end.sendall(WELCOME + b"\x81\x013")
    _, rest = open_client(ADDRESS)
    assert rest == b"\x81\x013"
    assert server_end.recv(100) == frames.client_frame(frames.TEXT, b"40")


def test_a_client_that_is_refused_is_an_error(server_end: socket.socket) -> None:
    server_end.sendall(frames.server_frame(frames.TEXT, b'44{"message":"no"}'))
    with pytest.raises(LoadError, match="not connected"):
        open_client(ADDRESS)


def test_who_does_not_get_into_the_room_is_an_error(server_end: socket.socket) -> None:
    server_end.sendall(WELCOME + frames.server_frame(frames.TEXT, b"43101[]"))
    load = RoomLoad(ADDRESS, members=1, size=8)
    with pytest.raises(LoadError, match="not in the room"):
        load.open_session()
    load.close()


def test_nobody_outside_the_room_may_be_told(server_end: socket.socket) -> None:
    server_end.sendall(WELCOME)
    load = RoomLoad(ADDRESS, members=1, size=8)
    load.add_outsider()
    server_end.sendall(frames.server_frame(frames.TEXT, b'42["told","x"]'))
    with pytest.raises(LoadError, match="outside the room was told"):
        load.run(1.0)
    load.close()


def test_peers_are_compared_in_what_socketio_does() -> None:
    everybody = {SOCKETIO, SOCKETIO_ASYNC, "socketio-threaded", SOCKETIO_NODE}
    for scenario in GROUPS["socketio"]:
        found = {each.name for each in suited(list(SERVERS.values()), scenario)}
        assert found == everybody | set(PYTHON_SOCKETIO)


def _has_worked(load: Load) -> bool:
    return load.operations > 20


@pytest.mark.socket
@pytest.mark.parametrize("name", [SOCKETIO, SOCKETIO_ASYNC, "socketio-threaded"])
def test_our_servers_do_what_the_load_asks_for(name: str, tmp_path: Path) -> None:
    server = SERVERS[name]
    loads: tuple[Callable[[Address], Load], ...] = (
        lambda address: AcknowledgedLoad(
            address, AcknowledgedEvents(32, 10), connections=3
        ),
        lambda address: RoomLoad(address, members=5, size=32),
        lambda address: ConnectLoad(address, places=2),
    )
    with (
        (tmp_path / "log").open("w") as log,
        ServerProcess(
            [*server.command, "--ping-interval", "300"],
            cpu=min(os.sched_getaffinity(0)),
            environment=server.environment,
            directory=tmp_path,
            log=log,
        ) as process,
    ):
        address = process.wait_until_listening()
        for make_load in loads:
            load = make_load(address)
            load.prepare()
            load.loop.run_until(partial(_has_worked, load), 60, "some operations")
            load.finish()
            load.close()
