"""The default managers: rooms that reach over all processes of a cluster.

Without a cluster they are what python-socketio's own are.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from twisted.logger import Logger
from typing_extensions import override

from txengineio.errors import InvalidOption
from txengineio.integrations.socketio.managers import orders
from txengineio.integrations.socketio.managers.async_manager import AsyncManager
from txengineio.integrations.socketio.managers.delivery import Audience
from txengineio.integrations.socketio.managers.manager import Manager
from txengineio.integrations.socketio.managers.nodes import Nodes
from txengineio.session.callbacks import call_guarded

__all__ = ["AsyncClusterManager", "ClusterManager"]


class ClusterManager(Manager):
    """Knows who is in which room, for `Server` and `ThreadedServer`.

    Where the engine has a cluster, what is done here is done on all its nodes: events
    reach the clients of all, and a client is asked, disconnected, or moved from room to
    room wherever it is. What is asked about a client, such as its rooms and its
    session, only its own process knows.

    Messages between processes go at most once, as all that a cluster carries.
    """

    def __init__(self) -> None:
        super().__init__()
        self._nodes = Nodes(self, call_guarded)

    @override
    def set_server(self, server: Any) -> None:
        """Learn whose clients these are."""
        _check_server(self, server, is_asyncio=False)
        super().set_server(server)

    @override
    def initialize(self) -> None:
        """Get ready for the first client."""
        super().initialize()
        self._nodes.join()

    @override
    def emit(  # as upstream
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        ignore_queue: bool = False,
        **kwargs: Any,
    ) -> None:
        """Send an event to those who are in a room, in whatever process.

        Raises:
            ValueError: Everybody would have to acknowledge, in several processes.
            TypeError: A room is neither text nor a number, which other processes cannot
                be told.
        """
        audience = Audience.of(namespace, to or room, skip_sid)
        self._nodes.emit(event, data, audience, callback, stays_here=ignore_queue)

    @override
    def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Say whether to disconnect a client here; have its process do it else."""
        if self._nodes.has(sid, namespace):
            return bool(super().can_disconnect(sid, namespace))
        self._nodes.tell(orders.Disconnect(namespace, sid))
        return False

    @override
    def enter_room(
        self, sid: str, namespace: str, room: Any, eio_sid: str | None = None
    ) -> None:
        """Have a client enter a room, in whatever process it is."""
        if eio_sid is None and self._is_elsewhere(sid, namespace):
            self._nodes.tell(orders.Enter(namespace, sid, room))
        else:
            super().enter_room(sid, namespace, room, eio_sid=eio_sid)

    @override
    def leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Have a client leave a room, in whatever process it is."""
        if self._is_elsewhere(sid, namespace):
            self._nodes.tell(orders.Leave(namespace, sid, room))
        else:
            super().leave_room(sid, namespace, room)

    @override
    def close_room(self, room: Any, namespace: str) -> None:
        """Have all clients leave a room, in all processes."""
        super().close_room(room, namespace)
        self._nodes.tell(orders.Close(namespace, room))

    def _is_elsewhere(self, sid: str, namespace: str) -> bool:
        return self._nodes.join() is not None and not self._nodes.has(sid, namespace)


class AsyncClusterManager(AsyncManager):
    """The same for `AsyncServer`."""

    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self._nodes = Nodes(self, self._run)

    @override
    def set_server(self, server: Any) -> None:
        """Learn whose clients these are."""
        _check_server(self, server, is_asyncio=True)
        super().set_server(server)

    @override
    def initialize(self) -> None:
        """Get ready for the first client."""
        super().initialize()
        self._nodes.join()

    @override
    async def emit(  # as upstream
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        ignore_queue: bool = False,
        **kwargs: Any,
    ) -> None:
        """Send an event to those who are in a room, as `ClusterManager.emit`."""
        audience = Audience.of(namespace, to or room, skip_sid)
        self._nodes.emit(event, data, audience, callback, stays_here=ignore_queue)

    @override
    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Say whether to disconnect a client here; have its process do it else."""
        if self._nodes.has(sid, namespace):
            return bool(await super().can_disconnect(sid, namespace))
        self._nodes.tell(orders.Disconnect(namespace, sid))
        return False

    @override
    async def enter_room(
        self, sid: str, namespace: str, room: Any, eio_sid: str | None = None
    ) -> None:
        """Have a client enter a room, in whatever process it is."""
        if eio_sid is None and self._is_elsewhere(sid, namespace):
            self._nodes.tell(orders.Enter(namespace, sid, room))
        else:
            await super().enter_room(sid, namespace, room, eio_sid=eio_sid)

    @override
    async def leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Have a client leave a room, in whatever process it is."""
        if self._is_elsewhere(sid, namespace):
            self._nodes.tell(orders.Leave(namespace, sid, room))
        else:
            await super().leave_room(sid, namespace, room)

    @override
    async def close_room(self, room: Any, namespace: str) -> None:
        """Have all clients leave a room, in all processes."""
        await super().close_room(room, namespace)
        self._nodes.tell(orders.Close(namespace, room))

    def _is_elsewhere(self, sid: str, namespace: str) -> bool:
        return self._nodes.join() is not None and not self._nodes.has(sid, namespace)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.server.start_background_task(self._guarded, function, *arguments)

    async def _guarded(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            result = function(*arguments)
            if isawaitable(result):
                await result
        except Exception:
            self._log.failure("what another process has asked for has failed")


def _check_server(manager: Any, server: Any, *, is_asyncio: bool) -> None:
    """Raise an error if a manager cannot work for a server."""
    kind = "an AsyncServer" if is_asyncio else "a Server or ThreadedServer"
    if not hasattr(server, "engine") or server.is_asyncio_based() != is_asyncio:
        expected = f"for {type(manager).__name__} {kind} of txengineio.socketio"
        raise InvalidOption("client_manager", expected, server)
