"""Socket.IO servers in memory, and clients that are nothing but their packets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Queue
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.wiring import Server, WebSocketClient
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication

__all__ = ["DEADLINE", "ThreadingClock", "connected", "opened", "wired"]

DEADLINE = 30.0

Result = Callable[[bool, Any], object]


class ThreadingClock(Clock):
    """A reactor whose time stands still, with real threads."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(  # noqa: N802
        self, function: Callable[..., object], *arguments: Any, **keywords: Any
    ) -> None:
        self._calls.put(partial(function, *arguments, **keywords))

    def getThreadPool(self) -> ThreadingClock:  # noqa: N802
        return self

    def callInThreadWithCallback(  # noqa: N802
        self, result: Result, function: Callable[..., Any], *arguments: Any
    ) -> None:
        def run() -> None:
            try:
                value = function(*arguments)
            except Exception:
                result(False, Failure())
            else:
                result(True, value)

        threading.Thread(target=run, daemon=True).start()

    def next_call(self) -> None:
        """Wait for what a thread wants the reactor to do, and do it."""
        self._calls.get(timeout=DEADLINE)()


def wired(
    sio_class: Any, *, clock: Clock | None = None, **options: Any
) -> tuple[Any, Server]:
    """Make a Socket.IO server, and the site in memory that serves it."""
    clock = clock or Clock()
    sio = sio_class(reactor=clock, **options)
    server = Server(
        application=RecordingApplication(),
        engine=sio.engine,
        site=engine_site(sio.engine, reactor=clock),
        clock=clock,
    )
    return sio, server


def opened(server: Server) -> WebSocketClient:
    """Open a session of the engine that has not connected to a namespace."""
    client = server.open_websocket()
    assert client.sid
    return client


def connected(server: Server, namespace: str = "") -> WebSocketClient:
    """Connect a client to a namespace."""
    client = opened(server)
    client.send(f"40{namespace}")
    server.settle()
    (answer,) = client.packets()
    assert str(answer).startswith(f'40{namespace}{{"sid":"'), answer
    return client
