"""`ThreadedServer`: handlers in threads; the network and the time are in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import socketio
from twisted.python import threadable

from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import (
    DEADLINE,
    ThreadingClock,
    opened,
    wired,
)
from tests.wiring import WebSocketClient
from txengineio.socketio import ThreadedServer


class World:
    """A server, and one client after the other.

    Attributes:
        sio: The server.
        sids: The ids of the clients.
        left: Why those are gone who are.
    """

    def __init__(self, **options: Any) -> None:
        self._clock = ThreadingClock()
        self.sio, self.server = wired(ThreadedServer, clock=self._clock, **options)
        self.sids: list[str] = []
        self.left: list[str] = []
        self.sio.on("connect", lambda sid, environ: self.sids.append(sid))
        self.sio.on("disconnect", lambda sid, why: self.left.append(why))

    def until(self, what: Callable[[], Any]) -> None:
        """Do what threads ask for, until something is the case."""
        self.server.settle()
        while not what():
            self._clock.next_call()
            self.server.settle()

    def packets(self, client: WebSocketClient, count: int) -> list[str | bytes]:
        """Wait for so many packets of a client."""
        found: list[str | bytes] = []

        def have_come() -> bool:
            found.extend(client.packets())
            return len(found) >= count

        self.until(have_come)
        return found

    def connected(self) -> WebSocketClient:
        client = opened(self.server)
        client.send("40")
        (answer,) = self.packets(client, 1)
        assert str(answer).startswith('40{"sid":')
        return client

    def in_thread(self, function: Callable[[], Any]) -> Any:
        """Call something in a thread, and do what it asks for until it is done."""
        results: list[Any] = []
        self._clock.callInThreadWithCallback(
            lambda success, result: self._clock.callFromThread(
                results.append, (success, result)
            ),
            function,
        )
        self.until(lambda: results)
        ((success, result),) = results
        if not success:
            result.raiseException()
        return result


@pytest.fixture(autouse=True)
def this_is_the_reactors_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threadable, "ioThread", threadable.getThreadID())


def test_handlers_run_in_threads() -> None:
    world = World()
    threads: list[int] = []

    def where(sid: str, data: Any) -> Any:
        threads.append(threading.get_ident())
        return data

    world.sio.on("where", where)
    client = world.connected()
    client.send('421["where",{"a":1}]')
    assert world.packets(client, 1) == ['431[{"a":1}]']
    assert threads
    assert threading.get_ident() not in threads


def test_a_handler_may_ask_its_client_and_wait() -> None:
    world = World()
    world.sio.on("ask", lambda sid: world.sio.call("question", 5, to=sid))
    client = world.connected()
    client.send('421["ask"]')
    (question,) = world.packets(client, 1)
    assert question == '421["question",5]'
    client.send("431[6]")
    assert world.packets(client, 1) == ["431[6]"]


def test_a_question_that_times_out_fails_in_the_thread() -> None:
    world = World()
    failed: list[bool] = []

    def ask(sid: str) -> None:
        try:
            world.sio.call("question", to=sid, timeout=2)
        except socketio.exceptions.TimeoutError:
            failed.append(True)

    world.sio.on("ask", ask)
    client = world.connected()
    client.send('421["ask"]')
    world.packets(client, 1)
    world.server.advance(2)
    assert world.packets(client, 1) == ["431[]"]
    assert failed == [True]


def test_events_of_a_thread_keep_their_order() -> None:
    world = World()
    client = world.connected()

    def emit() -> None:
        for number in range(5):
            world.sio.emit("count", number)
        world.sio.send("last")

    world.in_thread(emit)
    assert world.packets(client, 6) == [
        *(f'42["count",{number}]' for number in range(5)),
        '42["message","last"]',
    ]


def test_everything_may_be_called_from_a_thread() -> None:
    world = World()
    client = world.connected()
    (sid,) = world.sids
    sio = world.sio

    def do() -> list[Any]:
        sio.enter_room(sid, "room")
        inside = sorted(sio.rooms(sid))
        sio.leave_room(sid, "room")
        outside = sio.rooms(sid)
        sio.enter_room(sid, "other")
        sio.close_room("other")
        with sio.session(sid) as session:
            session["name"] = "Ada"
        sio.save_session(sid, {**sio.get_session(sid), "age": 36})
        return [inside, outside, sio.rooms(sid), sio.transport(sid)]

    inside, outside, closed, transport = world.in_thread(do)
    assert inside == sorted([sid, "room"])
    assert outside == closed == [sid]
    assert transport == "websocket"
    assert sio.get_session(sid) == {"name": "Ada", "age": 36}
    assert client.packets() == []


def test_a_thread_waits_until_its_client_has_gone() -> None:
    world = World()
    client = world.connected()
    (sid,) = world.sids
    seen = world.in_thread(lambda: (world.sio.disconnect(sid), list(world.left)))
    assert seen == (None, ["server disconnect"])
    assert client.packets() == ["41"]


def test_the_reactor_does_not_wait() -> None:
    world = World()
    client = world.connected()
    (sid,) = world.sids
    assert world.sio.rooms(sid) == [sid]
    gone: list[None] = []
    world.sio.disconnect(sid).addCallback(gone.append)
    assert gone == []
    world.until(lambda: gone)
    assert world.left == ["server disconnect"]
    assert client.packets() == ["41"]


def test_a_mistake_is_told_in_the_thread() -> None:
    world = World()
    with pytest.raises(ValueError, match="call\\(\\) needs a client"):
        world.in_thread(lambda: world.sio.call("question"))
    with pytest.raises(ValueError, match="not connected to requested namespace"):
        world.in_thread(lambda: world.sio.enter_room("nobody", "room"))


@pytest.mark.parametrize("answer", [False, ConnectionRefusedError()])
def test_a_client_is_refused(answer: Any) -> None:
    world = World()

    def connect(sid: str, environ: Any, auth: Any) -> Any:
        if answer is False:
            return False
        raise answer

    world.sio.on("connect", connect)
    client = opened(world.server)
    client.send("40")
    (refusal,) = world.packets(client, 1)
    assert str(refusal).startswith("44{")


def test_a_handler_that_fails_harms_nobody(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    world = World()
    world.sio.on("bad", lambda sid: 1 / 0)
    world.sio.on("good", lambda sid: "fine")
    client = world.connected()
    client.send('421["bad"]')
    world.until(lambda: flush_logged_errors(ZeroDivisionError))
    client.send('422["good"]')
    assert world.packets(client, 1) == ['432["fine"]']


def test_events_of_a_client_can_be_kept_in_order() -> None:
    world = World(async_handlers=False)
    may_end = threading.Event()
    ran: list[str] = []

    def slow(sid: str) -> str:
        assert may_end.wait(DEADLINE)
        ran.append("slow")
        return "slow"

    world.sio.on("slow", slow)
    world.sio.on("fast", lambda sid: ran.append("fast"))
    client = world.connected()
    client.send('421["slow"]', '422["fast"]')
    world.server.settle()
    may_end.set()
    assert world.packets(client, 2) == ['431["slow"]', "432[]"]
    assert ran == ["slow", "fast"]


def test_a_thread_may_shut_the_server_down() -> None:
    world = World()
    client = world.connected()
    results: list[Any] = []
    thread = threading.Thread(
        target=lambda: results.append(world.sio.shutdown()), daemon=True
    )
    thread.start()
    world.until(lambda: client.close_frame() is not None)
    client.connection.lose()
    world.until(lambda: world.left)
    assert world.left == ["server disconnect"]
    thread.join(DEADLINE)
    assert not thread.is_alive()
