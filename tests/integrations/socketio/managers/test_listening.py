"""Blocking managers of python-socketio in servers of ours: their threads, in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
import socketio
from twisted.logger import capturedLogs, formatEvent
from twisted.python import threadable

from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import (
    DEADLINE,
    ThreadingClock,
    opened,
    wired,
)
from tests.wiring import WebSocketClient
from txengineio.integrations.socketio.managers import listening
from txengineio.socketio import ReactorPubSubManager, Server


class Broker:
    """What all servers publish to, and hear.

    Attributes:
        takes: While it is not set, nobody can publish.
        has_come: Is set when somebody wants to.
        threads: Those that have published.
    """

    def __init__(self) -> None:
        self.takes = threading.Event()
        self.has_come = threading.Event()
        self.takes.set()
        self.threads: set[int] = set()
        self._listeners: list[Queue[str]] = []

    def subscribe(self) -> Queue[str]:
        self._listeners.append(Queue())
        return self._listeners[-1]

    def publish(self, message: str) -> None:
        self.has_come.set()
        assert self.takes.wait(DEADLINE)
        self.threads.add(threading.get_ident())
        for each in self._listeners:
            each.put(message)


class BrokerManager(socketio.PubSubManager):  # type: ignore[misc]
    """A manager as python-socketio's documentation tells to write one."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.broker = broker
        self.heard = broker.subscribe()

    def _publish(self, data: Any) -> None:
        if data.get("event") == "unspeakable":
            raise ConnectionError("no broker")
        self.broker.publish(json.dumps(data))

    def _listen(self) -> Iterator[str]:
        while True:
            yield self.heard.get()


class Manager(ReactorPubSubManager, BrokerManager):
    pass


class World:
    """Two servers in one reactor, which only a broker connects; a client at each."""

    def __init__(self) -> None:
        self.clock = ThreadingClock()
        self.broker = Broker()
        self.sids: list[str] = []
        self.left: list[str] = []
        self.threads: set[int] = set()
        self.sites: list[Any] = []
        self.servers: list[Any] = []
        for _ in range(2):
            manager = Manager(self.broker)
            sio, site = wired(Server, clock=self.clock, client_manager=manager)
            sio.on("connect", lambda sid, environ: self.sids.append(sid))
            sio.on("disconnect", self.disconnect)
            self.servers.append(sio)
            self.sites.append(site)
        self.clients = [self.connected(site) for site in self.sites]

    def disconnect(self, sid: str, reason: str) -> None:
        self.threads.add(threading.get_ident())
        self.left.append(sid)

    def connected(self, site: Any) -> WebSocketClient:
        client = opened(site)
        client.send("40")
        site.settle()
        assert str(client.packets()[0]).startswith("40{")
        return client

    def until(self, what: Callable[[], Any]) -> None:
        """Do what threads ask for, until something is the case."""
        while True:
            for site in self.sites:
                site.settle()
            if what():
                return
            self.clock.next_call()

    def packets(self, number: int, count: int = 1) -> list[str | bytes]:
        found: list[str | bytes] = []

        def have_come() -> bool:
            found.extend(self.clients[number].packets())
            return len(found) >= count

        self.until(have_come)
        return found


@pytest.fixture(autouse=True)
def this_is_the_reactors_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threadable, "ioThread", threadable.getThreadID())


def test_an_event_reaches_the_clients_of_all_servers_once() -> None:
    world = World()
    for number in range(3):
        world.servers[0].emit("news", number)
    expected = [f'42["news",{number}]' for number in range(3)]
    assert world.packets(0, 3) == expected
    assert world.packets(1, 3) == expected
    # One thread of that server's, and not the reactor's.
    assert len(world.broker.threads) == 1
    assert threading.get_ident() not in world.broker.threads


def test_the_reactor_does_not_wait_for_the_broker() -> None:
    world = World()
    world.broker.takes.clear()
    world.servers[0].emit("news")
    assert world.packets(0) == ['42["news"]']
    assert world.clients[1].packets() == []
    world.broker.takes.set()
    assert world.packets(1) == ['42["news"]']


def test_rooms_reach_over_the_servers() -> None:
    world = World()
    first, (_, his) = world.servers[0], world.sids
    first.enter_room(his, "room")
    first.emit("inside", room="room")
    assert world.packets(1) == ['42["inside"]']
    first.leave_room(his, "room")
    first.emit("inside", room="room")
    first.emit("all")
    assert world.packets(1) == ['42["all"]']
    first.enter_room(his, "room")
    first.close_room("room")
    first.emit("inside", room="room")
    first.emit("end")
    assert world.packets(1) == ['42["end"]']


def test_a_client_of_another_server_is_asked() -> None:
    world = World()
    answers: list[Any] = []
    world.servers[0].call("ask", 5, to=world.sids[1]).addCallback(answers.append)
    assert world.packets(1) == ['421["ask",5]']
    world.clients[1].send("431[6]")
    world.until(lambda: answers)
    assert answers == [6]


def test_a_client_of_another_server_is_disconnected_in_the_reactor() -> None:
    world = World()
    world.servers[0].disconnect(world.sids[1])
    assert world.packets(1) == ["41"]
    world.until(lambda: world.left)
    assert world.left == [world.sids[1]]
    assert world.threads == {threading.get_ident()}


def test_what_cannot_be_published_is_logged_and_the_rest_goes_out(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    world = World()
    world.servers[0].emit("unspeakable")
    world.servers[0].emit("news")
    assert world.packets(1) == ['42["news"]']
    assert len(flush_logged_errors(ConnectionError)) == 1


def test_no_more_waits_to_be_published_than_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "MAX_UNPUBLISHED", 2)
    world = World()
    world.broker.takes.clear()
    world.servers[0].emit("news", 0)
    assert world.broker.has_come.wait(DEADLINE)
    with capturedLogs() as logs:
        for number in range(1, 10):
            world.servers[0].emit("news", number)
    # One line for the seven that are dropped.
    told = "other servers are not told: 2 messages wait to be published"
    assert [formatEvent(each)[: len(told)] for each in logs] == [told]
    assert len(world.packets(0, 10)) == 10
    world.broker.takes.set()
    # One was under way, and two waited.
    expected = [f'42["news",{number}]' for number in range(3)]
    assert world.packets(1, 3) == expected
    world.servers[0].emit("end")
    assert world.packets(1) == ['42["end"]']
