"""Running things in the reactor, in threads, in asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from tests.conftest import FlushLoggedErrors
from tests.wiring import Server
from txengineio.integrations.socketio.concurrency import (
    AsyncioConcurrency,
    Inbox,
    ReactorConcurrency,
    Threads,
)
from txengineio.testing import RecordingApplication

DEADLINE = 30.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


# --- in the reactor -------------------------------------------------------------------


def test_a_task_begins_in_the_next_turn_of_the_reactor() -> None:
    clock = Clock()
    called: list[Any] = []
    done = ReactorConcurrency(clock).start_background_task(called.append, 1)
    assert called == []
    clock.advance(0)
    assert called == [1]
    assert done.called


def test_a_task_is_done_when_its_deferred_is() -> None:
    clock = Clock()
    waiting: Deferred[None] = Deferred()
    done = ReactorConcurrency(clock).start_background_task(lambda: waiting)
    ended: list[None] = []
    done.addCallback(ended.append)
    clock.advance(0)
    assert ended == []
    waiting.callback(None)
    assert ended == [None]


def test_a_task_that_fails_is_logged(flush_logged_errors: FlushLoggedErrors) -> None:
    clock = Clock()
    runs = ReactorConcurrency(clock)
    done = [
        runs.start_background_task(lambda: 1 / 0),
        runs.start_background_task(lambda: fail(ZeroDivisionError())),
    ]
    clock.advance(0)
    assert all(each.called for each in done)
    assert len(flush_logged_errors(ZeroDivisionError)) == 2


def test_to_sleep_is_to_wait_for_a_deferred() -> None:
    clock = Clock()
    awake = ReactorConcurrency(clock).sleep(2)
    clock.advance(1)
    assert not awake.called
    clock.advance(1)
    assert awake.called


@pytest.mark.parametrize("kind", [ReactorConcurrency, Threads])
def test_the_server_is_called_at_once(kind: Any) -> None:
    server = Server.new(RecordingApplication())
    client = server.open_websocket()
    runner = kind(server.clock).runner(server.engine.sessions[client.sid])
    assert runner.run(lambda value: value, 1) == 1

    def receive(*_: Any) -> None: ...

    # Not another call for each message.
    assert runner.receiver(receive) is receive


@pytest.mark.parametrize("kind", [ReactorConcurrency, Threads, AsyncioConcurrency])
def test_events_can_be_set(kind: Any) -> None:
    event = kind(Clock()).create_event()
    assert not event.is_set()
    event.set()
    assert event.is_set()


# --- in threads -----------------------------------------------------------------------


def test_a_task_has_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []
    runs = Threads(Clock())
    thread = runs.start_background_task(
        lambda *, into: into.append(threading.current_thread()), into=threads
    )
    thread.join(DEADLINE)
    assert threads == [thread]
    assert thread is not threading.current_thread()
    # One that never ends does not hold the process up.
    assert thread.daemon
    runs.sleep(0)


# --- in asyncio -----------------------------------------------------------------------


class Client:
    """What a server is told about a client, by tasks, and what the client gets."""

    def __init__(self, **options: Any) -> None:
        self.server = Server.new(RecordingApplication(), **options)
        self.websocket = self.server.open_websocket()
        self.session = self.server.engine.sessions[self.websocket.sid]
        self.inbox: Inbox = AsyncioConcurrency(self.server.clock).runner(self.session)
        self.told: list[Any] = []
        self.waiting: dict[Any, asyncio.Event] = {}
        self.receive = self.inbox.receiver(self.handle)

    async def handle(self, message: Any) -> None:
        self.told.append(message)
        if message in self.waiting:
            await self.waiting[message].wait()
        self.session.send(f"done {message}")


@in_loop
async def test_one_task_handles_what_comes_together() -> None:
    client = Client()
    tasks: list[Any] = []

    others_have_come = asyncio.Event()

    async def handle(message: Any) -> None:
        tasks.append(asyncio.current_task())
        await others_have_come.wait()

    for number in range(3):
        assert client.inbox.receiver(handle)(number) is None
    others_have_come.set()
    await turns()
    assert len(tasks) == 3
    assert len(set(tasks)) == 1
    assert tasks[0] is not None


@in_loop
async def test_what_handlers_send_in_one_step_goes_out_together() -> None:
    client = Client()
    writes = len(client.websocket.connection.transport.writes)
    for number in range(3):
        client.receive(number)
    await turns()
    client.server.settle()
    assert client.websocket.packets() == ["4done 0", "4done 1", "4done 2"]
    assert len(client.websocket.connection.transport.writes) == writes + 1


@in_loop
async def test_what_is_sent_before_a_handler_waits_is_not_held_back() -> None:
    client = Client()
    client.waiting[1] = asyncio.Event()
    client.receive(0)
    client.receive(1)
    await turns()
    client.server.settle()
    assert client.websocket.packets() == ["4done 0"]
    client.waiting[1].set()
    await turns()
    client.server.settle()
    assert client.websocket.packets() == ["4done 1"]


@in_loop
async def test_each_waits_for_the_one_before() -> None:
    client = Client()
    client.waiting[0] = asyncio.Event()
    client.receive(0)
    client.receive(1)
    last = client.inbox.run(client.handle, "last")
    await turns()
    assert client.told == [0]
    assert last is not None
    assert not last.called
    client.waiting[0].set()
    await turns()
    assert client.told == [0, 1, "last"]
    assert last.called


@in_loop
async def test_a_client_that_is_ahead_of_its_handlers_is_waited_for() -> None:
    client = Client(max_pending_messages=2)
    client.waiting[0] = asyncio.Event()
    client.receive(0)
    await turns()
    assert client.receive(1) is None
    assert client.receive(2) is None
    held_up = client.receive(3)
    assert held_up is not None
    client.waiting[0].set()
    await turns()
    assert client.told == [0, 1, 2, 3]
    assert held_up.called
    assert client.receive(4) is None


@in_loop
async def test_a_handler_that_fails_is_logged_and_the_next_is_called(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    client = Client()

    async def broken() -> None:
        raise ZeroDivisionError

    done = client.inbox.run(broken)
    client.receive("next")
    await turns()
    assert client.told == ["next"]
    # From Python 3.12 on it has failed at once.
    assert done is None or done.called
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


@in_loop
async def test_a_task_that_is_cancelled_leaves_room_for_another() -> None:
    client = Client()
    tasks: list[asyncio.Task[Any] | None] = []

    async def cancelled() -> None:
        tasks.append(asyncio.current_task())
        await asyncio.Event().wait()

    done = client.inbox.run(cancelled)
    await turns()
    assert tasks[0] is not None
    tasks[0].cancel()
    await turns()
    assert done is not None
    assert done.called
    client.receive("next")
    await turns()
    assert client.told == ["next"]


@in_loop
async def test_a_background_task_is_kept_until_it_is_done() -> None:
    runs = AsyncioConcurrency(Clock())
    done = asyncio.Event()

    async def work(value: int) -> int:
        await runs.sleep(0)
        done.set()
        return value

    task = runs.start_background_task(work, 5)
    assert runs._tasks == {task}
    assert await task == 5
    await turns()
    assert done.is_set()
    assert runs._tasks == set()


@in_loop
async def test_a_handler_that_is_cancelled_does_not_hold_up_the_next() -> None:
    client = Client()
    waited_for: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await waited_for

    done = client.inbox.run(wait)
    client.receive("next")
    await turns()
    waited_for.cancel()
    await turns()
    assert done is not None
    assert done.called
    assert client.told == ["next"]
