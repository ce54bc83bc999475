"""`ThreadedServer`: python-socketio's server, whose handlers may block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.threads import blockingCallFromThread, deferToThreadPool
from twisted.python.threadable import isInIOThread
from typing_extensions import override

from txengineio.integrations.socketio.admin import ThreadedAdmin
from txengineio.integrations.socketio.concurrency import Concurrency, Threads
from txengineio.integrations.socketio.server import Server

__all__ = ["ThreadedServer"]


class ThreadedServer(Server):
    """A Socket.IO server whose handlers run in the reactor's thread pool.

    Its methods may be called from any thread. From a thread that is not the reactor's
    they do as upstream's do: `call` and `disconnect` block until they are done.
    """

    concurrency: type[Concurrency] = Threads
    admin: type[ThreadedAdmin] = ThreadedAdmin

    @override
    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        reactor: Any = self.engine.clock
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)

    @override
    def emit(self, *arguments: Any, **keywords: Any) -> None:
        """Emit an event; it goes out in the order of calls from one thread."""
        emit = partial(super().emit, *arguments, **keywords)
        if isInIOThread():
            emit()
        else:
            reactor: Any = self.engine.clock
            reactor.callFromThread(emit)

    @override
    def call(self, *arguments: Any, **keywords: Any) -> Any:
        """Ask a client; blocks, and returns what it says."""
        return self._in_reactor(partial(super().call, *arguments, **keywords))

    @override
    def disconnect(self, *arguments: Any, **keywords: Any) -> Any:
        """Disconnect a client; blocks until its handler is done."""
        return self._in_reactor(partial(super().disconnect, *arguments, **keywords))

    @override
    def enter_room(self, *arguments: Any, **keywords: Any) -> None:
        """Have a client enter a room."""
        self._in_reactor(partial(super().enter_room, *arguments, **keywords))

    @override
    def leave_room(self, *arguments: Any, **keywords: Any) -> None:
        """Have a client leave a room."""
        self._in_reactor(partial(super().leave_room, *arguments, **keywords))

    @override
    def close_room(self, *arguments: Any, **keywords: Any) -> None:
        """Have all clients leave a room."""
        self._in_reactor(partial(super().close_room, *arguments, **keywords))

    @override
    def rooms(self, *arguments: Any, **keywords: Any) -> Any:
        """Return the rooms that a client is in."""
        return self._in_reactor(partial(super().rooms, *arguments, **keywords))

    @override
    def transport(self, *arguments: Any, **keywords: Any) -> Any:
        """Return the name of a client's transport."""
        return self._in_reactor(partial(super().transport, *arguments, **keywords))

    @override
    def get_session(self, *arguments: Any, **keywords: Any) -> Any:
        """Return what is kept of a client."""
        return self._in_reactor(partial(super().get_session, *arguments, **keywords))

    @override
    def save_session(self, *arguments: Any, **keywords: Any) -> None:
        """Keep something of a client."""
        self._in_reactor(partial(super().save_session, *arguments, **keywords))

    @override
    def shutdown(self) -> Any:
        """End all sessions."""
        return self._in_reactor(super().shutdown)

    def _in_reactor(self, function: Callable[[], Any]) -> Any:
        """Call something in the reactor's thread, and wait for it in any other."""
        if isInIOThread():
            return function()
        reactor: Any = self.engine.clock
        return blockingCallFromThread(reactor, function)
