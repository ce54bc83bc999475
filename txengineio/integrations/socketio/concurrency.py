"""The servers' ways to run lasting tasks: in the reactor, in threads, in asyncio."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from txengineio.session.callbacks import call_guarded

__all__ = ["AsyncioConcurrency", "Concurrency", "ReactorConcurrency", "Threads"]


class Concurrency(Protocol):
    """The part of an engine that python-socketio runs things by."""

    def run(self, handler: Callable[..., Any], *arguments: Any) -> Any:
        """Call a handler of the server; return a Deferred if it is not done then."""

    def create_event(self) -> Any:
        """Return the counterpart of ``threading.Event``."""

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> Any:
        """Run a function of the application beside everything else."""

    def sleep(self, seconds: float = 0) -> Any:
        """Wait."""


class ReactorConcurrency:
    """Everything runs in the reactor's thread; waiting is by Deferreds.

    Args:
        clock: The reactor.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def run(self, handler: Callable[..., Any], *arguments: Any) -> Any:
        """Call a handler of the server; it returns None or a Deferred."""
        return handler(*arguments)

    def create_event(self) -> Any:
        """Return a flag; no code waits for it in the reactor's thread."""
        return threading.Event()

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> Deferred[None]:
        """Call a function in the next turn of the reactor; it may return a Deferred.

        Returns:
            Fires when that is done; a failure is logged.
        """
        task = partial(target, *arguments, **keywords)
        done: Deferred[None] = deferLater(self._clock, 0)
        return done.addCallback(lambda _: call_guarded(task))

    def sleep(self, seconds: float = 0) -> Deferred[None]:
        """Return a Deferred that fires after so many seconds."""
        return deferLater(self._clock, seconds)


class Threads:
    """Tasks in threads of their own: they may block, and many never end.

    Args:
        clock: The reactor.
    """

    def __init__(self, clock: IReactorTime) -> None:
        pass

    def run(self, handler: Callable[..., Any], *arguments: Any) -> Any:
        """Call a handler of the server, which itself goes to a thread."""
        return handler(*arguments)

    def create_event(self) -> threading.Event:
        """Return an event of threads."""
        return threading.Event()

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> threading.Thread:
        """Call a function in a thread of its own, which ends with the process."""
        thread = threading.Thread(
            target=target, args=arguments, kwargs=keywords, daemon=True
        )
        thread.start()
        return thread

    def sleep(self, seconds: float = 0) -> None:
        """Block the thread that calls this."""
        time.sleep(seconds)


class AsyncioConcurrency:
    """Everything as tasks of asyncio; needs Twisted's asyncio reactor.

    Args:
        clock: The reactor.
    """

    # From Python 3.12 on a task that never waits costs no turn of the loop.
    _eagerly: dict[str, Any] = (
        {"eager_start": True} if sys.version_info >= (3, 12) else {}
    )

    def __init__(self, clock: IReactorTime) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(
        self, handler: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> Deferred[Any] | None:
        """Run a handler of the server as a task, so that asyncio knows where it is."""
        loop = asyncio.get_running_loop()
        task = asyncio.Task(handler(*arguments), loop=loop, **self._eagerly)
        if task.done() and not task.cancelled() and task.exception() is None:
            return None
        return Deferred.fromFuture(task)

    def create_event(self) -> asyncio.Event:
        """Return an event of asyncio."""
        return asyncio.Event()

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a task."""
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*arguments, **keywords))
        # The loop itself holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)
