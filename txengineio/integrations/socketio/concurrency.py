"""The servers' ways to run lasting tasks: in the reactor, in threads, in asyncio."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from txengineio.server.session import Session
from txengineio.session.callbacks import call_guarded, log_exception

__all__ = [
    "AsyncioConcurrency",
    "Concurrency",
    "Direct",
    "Inbox",
    "ReactorConcurrency",
    "Runner",
    "Threads",
]

Handler = Callable[..., Any]
# The last is the Deferred that fires when the call is done.
_Call = tuple[Handler, tuple[Any, ...], Deferred[None] | None]


class Runner(Protocol):
    """Calls the server about one client, in the order in which things happen to it."""

    def run(self, handler: Handler, *arguments: Any) -> Any:
        """Call a handler of the server; return a Deferred if it is not done then."""

    def receiver(self, handler: Handler) -> Handler:
        """Return what calls a handler that is called often.

        It returns a Deferred if, before the next call, that should be waited for.
        """


class Concurrency(Protocol):
    """The part of an engine that python-socketio runs things by."""

    def runner(self, session: Session) -> Runner:
        """Return what calls the server about a client."""

    def create_event(self) -> Any:
        """Return the counterpart of ``threading.Event``."""

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> Any:
        """Run a function of the application beside everything else."""

    def sleep(self, seconds: float = 0) -> Any:
        """Wait."""


class Direct:
    """Calls the server at once."""

    def run(self, handler: Handler, *arguments: Any) -> Any:
        """Call a handler."""
        return handler(*arguments)

    def receiver(self, handler: Handler) -> Handler:
        """Return the handler itself."""
        return handler


_DIRECT = Direct()


class ReactorConcurrency:
    """Everything runs in the reactor's thread; waiting is by Deferreds.

    Args:
        clock: The reactor.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def runner(self, session: Session) -> Direct:
        """Return what calls the server at once: it returns None or a Deferred."""
        return _DIRECT

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

    def runner(self, session: Session) -> Direct:
        """Return what calls the server at once, which itself goes to a thread."""
        return _DIRECT

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

    def __init__(self, clock: IReactorTime) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def runner(self, session: Session) -> Inbox:
        """Return what calls the server in a task, so that asyncio knows where it is."""
        return Inbox(session)

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


class Inbox:
    """What happens to a client of an `AsyncServer`, told by one task in order.

    Whatever comes before the task has begun, or is done, waits for it: a task for each
    message would cost more than most messages. What handlers send in its first step
    goes out together.

    Args:
        session: The client's.
    """

    # From Python 3.12 on a task that never waits costs no turn of the loop.
    _eagerly: dict[str, Any] = (
        {"eager_start": True} if sys.version_info >= (3, 12) else {}
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limit = session.engine.options.max_pending_messages
        self._calls: deque[_Call] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_working = False

    def run(self, handler: Handler, *arguments: Any) -> Deferred[None] | None:
        """Call a coroutine function after what has been put in before.

        Returns:
            Fires, and never fails, when that is done; None if it is done already.
        """
        done: Deferred[None] = Deferred()
        self._calls.append((handler, arguments, done))
        self._work()
        return None if done.called else done

    def receiver(self, handler: Handler) -> Handler:
        """Return a function that puts in calls of a coroutine function."""
        return partial(self._receive, handler)

    def _receive(self, handler: Handler, *arguments: Any) -> Deferred[None] | None:
        if len(self._calls) >= self._limit:
            return self.run(handler, *arguments)
        self._calls.append((handler, arguments, None))
        self._work()
        return None

    def _work(self) -> None:
        if not self._is_working:
            self._is_working = True
            loop = asyncio.get_running_loop()
            self._task = asyncio.Task(self._empty(loop), loop=loop, **self._eagerly)

    async def _empty(self, loop: asyncio.AbstractEventLoop) -> None:
        queue = self._session.send_queue
        if not queue.corked:
            queue.cork()
            # Whatever of the calls is done by then: one may take its time.
            loop.call_soon(queue.uncork)
        try:
            while self._calls:
                await self._call(*self._calls.popleft())
        finally:
            self._is_working = False

    async def _call(
        self, handler: Handler, arguments: tuple[Any, ...], done: Deferred[None] | None
    ) -> None:
        try:
            await handler(*arguments)
        except asyncio.CancelledError:
            # It has waited for something that was cancelled; those after it are not.
            pass
        except Exception:
            log_exception(handler)
        finally:
            if done is not None:
                done.callback(None)
