"""How clients take turns, and what one that floods does; without a server."""

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import SimpleNamespace

import pytest
from typing_extensions import override

from benchmarks import frames
from benchmarks.apps.steering import address_for
from benchmarks.load import crowd, flood, loop
from benchmarks.load.base import Client, ExchangeLoad
from benchmarks.load.crowd import NodesLoad
from benchmarks.load.echo import EchoMessages
from benchmarks.load.flood import FLOODS, FloodedEchoLoad, Flooder
from benchmarks.load.loop import Address, LoadError, Loop

ADDRESS = Address("127.0.0.1", 1)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
SECONDS = 30


class Time:
    """It passes while somebody waits, or works."""

    now = 100.0

    def read(self) -> float:
        return self.now

    def wait(
        self, reading: object, writing: object, other: object, seconds: float
    ) -> tuple[list[int], list[int], list[int]]:
        self.now += seconds
        return [], [], []


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(loop, "perf_counter", time.read)
    fake = SimpleNamespace(select=time.wait, epoll=select.epoll)
    monkeypatch.setattr(loop, "select", fake)
    return time


def test_a_rate_is_kept(time: Time) -> None:
    acted: list[float] = []
    Loop().run_at_rate(2, 2.0, lambda: acted.append(time.now))
    assert acted == [100.5, 101.0, 101.5, 102.0]


def test_who_is_late_makes_up_for_it(time: Time) -> None:
    acted: list[float] = []

    def act() -> None:
        acted.append(time.now)
        if len(acted) == 1:
            time.now += 1.2

    Loop().run_at_rate(2, 2.5, act)
    assert acted == pytest.approx([100.5, 101.7, 101.7, 102.0, 102.5])


class Polite:
    """A client whose answer the test gives."""

    def __init__(self, name: str, begun: list[str]) -> None:
        self.busy = False
        self._begun = begun
        self._name = name

    def begin(self) -> None:
        self.busy = True
        self._begun.append(self._name)


class PoliteLoad(ExchangeLoad):
    def __init__(self, rate: float | None) -> None:
        super().__init__(ADDRESS, rate=rate)
        self.begun: list[str] = []
        self.polite = [Polite(name, self.begun) for name in "abc"]

    @override
    def connect(self) -> Sequence[Client]:
        return self.polite

    def answer(self) -> None:
        for client in self.polite:
            client.busy = False


def test_at_a_rate_clients_take_turns(time: Time) -> None:
    load = PoliteLoad(rate=1.0)
    load.prepare()
    load.answer()
    load.warm_up(0)
    load.begun.clear()
    load.run(2.0)
    load.answer()
    assert load.begun == ["a", "b"]


def test_who_still_waits_is_passed_over(time: Time) -> None:
    load = PoliteLoad(rate=1.0)
    load.prepare()
    load.begun.clear()
    load.polite[1].busy = False
    load.run(1.0)
    assert load.begun == ["b"]


def test_a_server_that_does_not_keep_up_is_an_error(time: Time) -> None:
    load = PoliteLoad(rate=1.0)
    load.prepare()
    with pytest.raises(LoadError, match="does not keep up with 1 a second"):
        load.run(1.0)


@pytest.mark.parametrize(("rate", "running"), [(1.0, False), (None, True)])
def test_only_who_keeps_a_rate_stops_after_the_warm_up(
    rate: float | None, running: bool
) -> None:
    load = PoliteLoad(rate)
    load.prepare()
    load.answer()
    load.warm_up(0)
    assert load.running is running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """The server's ends of the connections that a flooder opens."""
    servers: list[socket.socket] = []

    def connect(_address: Address) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.settimeout(SECONDS)
        servers.append(theirs)
        return ours

    monkeypatch.setattr(flood, "connect", connect)
    yield servers
    for each in servers:
        each.close()


def test_a_flood_begins_once_the_server_has_switched(
    server: list[socket.socket],
) -> None:
    running = Loop()
    flooder = Flooder(running, ADDRESS, FLOODS["pings"])
    assert server[0].recv(65_536) == frames.websocket_request(str(ADDRESS))
    server[0].sendall(SWITCHED)
    received = bytearray()

    def enough() -> bool:
        server[0].setblocking(False)
        with suppress(BlockingIOError):
            received.extend(server[0].recv(65_536))
        return len(received) > 500_000

    running.run_until(enough, SECONDS, "the flood")
    ping = FLOODS["pings"]
    assert received == (ping * (len(received) // len(ping) + 1))[: len(received)]
    flooder.close()
    running.close()


def test_who_is_thrown_out_comes_again(server: list[socket.socket]) -> None:
    running = Loop()
    flooder = Flooder(running, ADDRESS, FLOODS["messages"])
    server[0].close()
    running.run_until(lambda: flooder.visits == 2, SECONDS, "the second visit")
    assert server[1].recv(65_536) == frames.websocket_request(str(ADDRESS))
    running.close()


def test_a_flood_that_is_not_let_in_is_an_error(server: list[socket.socket]) -> None:
    running = Loop()
    Flooder(running, ADDRESS, FLOODS["messages"])
    server[0].sendall(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")
    with pytest.raises(LoadError, match="429"):
        running.run_until(lambda: False, SECONDS, "the refusal")
    running.close()


def test_a_flood_of_fragments_is_one_of_messages() -> None:
    first, second = b"\x01\x81", b"\x80\x81"
    flood = FLOODS["fragments"]
    assert flood[:2] == first
    assert flood[7:9] == second


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flood, "open_websocket", lambda _address: (ours, b""))
    with theirs:
        yield theirs


@pytest.mark.usefixtures("server")
def test_a_timer_is_asked_for_how_late_it_was(timer: socket.socket) -> None:
    for answer in (b"4L0.0", b"4L0.0125", b"4hello"):
        timer.sendall(frames.server_frame(frames.TEXT, answer))
    messages = EchoMessages(32, 1)
    load = FloodedEchoLoad(ADDRESS, messages, connections=0, flood="pings")
    load.prepare()
    assert timer.recv(100) == frames.client_frame(frames.TEXT, b"4L")
    assert load.lateness() == 0.0125
    with pytest.raises(LoadError, match="hello"):
        load.lateness()
    load.close()


@pytest.mark.parametrize(("apart", "speakers"), [(False, 1), (True, 2)])
def test_each_node_has_as_many_sessions_and_each_that_is_apart_a_speaker(
    apart: bool, speakers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: list[str] = []
    servers: list[socket.socket] = []

    def open_websocket(_address: Address, source: str) -> tuple[socket.socket, bytes]:
        ours, theirs = socket.socketpair()
        theirs.settimeout(0)
        sources.append(source)
        servers.append(theirs)
        return ours, b""

    monkeypatch.setattr(crowd, "open_websocket", open_websocket)
    load = NodesLoad(
        ADDRESS, nodes=2, apart=apart, sessions=4, request=b"4B", reply=b"4B"
    )
    load.prepare()
    assert sources == [address_for(0), address_for(1)] * 2
    for server in servers[:speakers]:
        assert server.recv(100) == frames.client_frame(frames.TEXT, b"4B")
    for server in servers[speakers:]:
        with pytest.raises(BlockingIOError):
            server.recv(100)
    for server in servers:
        server.sendall(frames.server_frame(frames.TEXT, b"4B"))
    load.finish()
    assert load.operations == 4
    load.close()
    for server in servers:
        server.close()
