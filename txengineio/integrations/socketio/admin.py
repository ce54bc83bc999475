"""The Socket.IO Admin UI: what upstream reports to it, from servers of ours.

Upstream counts packets and bytes within python-engineio's sockets, which are not there;
here the engine's statistics tell.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any, Final

from engineio.async_socket import AsyncSocket
from engineio.socket import Socket
from socketio.admin import EventBuffer, InstrumentedServer
from socketio.async_admin import InstrumentedAsyncServer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.server.engine import Engine

__all__ = ["AsyncioAdmin", "Counters", "ReactorAdmin", "ThreadedAdmin"]

_COUNTED: Final = {
    "messages_in": "packetsIn",
    "messages_out": "packetsOut",
    "bytes_in": "bytesIn",
    "bytes_out": "bytesOut",
}
_UPGRADE_CHECKS: Final = 5
_UPGRADE_INTERVAL: Final = 5.0


class Counters(EventBuffer):  # type: ignore[misc]  # no annotations
    """Counts events since the last report, and what the engine has carried.

    Args:
        engine: The engine; it keeps statistics from now on.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._statistics = engine.keep_statistics()
        self._told: dict[str, int] = self._totals()

    @override
    def get_and_clear(self) -> list[dict[str, Any]]:
        """Return what has happened since the last call."""
        totals = self._totals()
        for name, total in totals.items():
            if total > self._told[name]:
                self.push(_COUNTED[name], total - self._told[name])
        self._told = totals
        events: list[dict[str, Any]] = super().get_and_clear()
        return events

    def _totals(self) -> dict[str, int]:
        for session in self._engine.sessions.values():
            self._statistics.settle(session.transport.name, session.traffic)
        carried = self._statistics.carried.values()
        return {name: sum(getattr(each, name) for each in carried) for name in _COUNTED}


class ThreadedAdmin(InstrumentedServer):  # type: ignore[misc]  # no annotations
    """Reports to the Admin UI from a `ThreadedServer`."""

    auth: Any

    _log = Logger()

    @override
    def instrument(self) -> None:
        """Have the server tell what happens."""
        with _unchanged(Socket):
            super().instrument()
        engine = self.sio.engine
        self.event_buffer = Counters(engine)
        if callable(self.auth):
            self.auth = _answering_at_once(self.auth)
        # Upstream's task would be a thread, and this reads what belongs to the reactor.
        self.stats_task = LoopingCall(self._report, engine.clock.seconds())
        self.stats_task.clock = engine.clock
        self.stop_stats_event = self.sio.eio.create_event()

    @override
    def shutdown(self) -> None:
        """Report no statistics any more."""
        if self.stats_task.running:
            self.stats_task.stop()

    @override
    def _handle_eio_connect(self, eio_sid: str, environ: Any) -> Any:
        if not self.stats_task.running:
            reporting = self.stats_task.start(self.server_stats_interval, now=False)
            reporting.addErrback(self._cannot_report)
        return super()._handle_eio_connect(eio_sid, environ)

    @override
    def _emit(self, event: str, data: Any, namespace: str, **options: Any) -> Any:
        if namespace == self.admin_namespace:
            options = _for_admins(self.sio.manager, event, namespace, options)
        return super()._emit(event, data, namespace, **options)

    def _report(self, started_at: float) -> None:
        server = self.sio
        clients = list(server.eio.sockets.values())
        namespaces = [
            {
                "name": name,
                "socketsCount": len(list(server.manager.get_participants(name, None))),
            }
            for name in sorted(server.handlers)
        ]
        statistics = {
            "serverId": self.server_id,
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "uptime": server.engine.clock.seconds() - started_at,
            "clientsCount": len(clients),
            "pollingClientsCount": sum(not client.upgraded for client in clients),
            "aggregatedEvents": self.event_buffer.get_and_clear(),
            "namespaces": namespaces,
        }
        server.emit("server_stats", statistics, namespace=self.admin_namespace)

    def _cannot_report(self, failure: Failure) -> None:
        self._log.failure("no more statistics for the Admin UI", failure=failure)


class ReactorAdmin(ThreadedAdmin):
    """Reports to the Admin UI from a `Server`, which has no threads to wait in."""

    @override
    async def _check_for_upgrade(self, eio_sid: str, sid: str, namespace: str) -> None:
        for _ in range(_UPGRADE_CHECKS):
            await self.sio.sleep(_UPGRADE_INTERVAL)
            client = self.sio.eio.sockets.get(eio_sid)
            if client is None:
                return
            if client.upgraded:
                news = {"id": sid, "nsp": namespace, "transport": "websocket"}
                self.sio.emit("socket_updated", news, namespace=self.admin_namespace)
                return


class AsyncioAdmin(InstrumentedAsyncServer):  # type: ignore[misc]  # no annotations
    """Reports to the Admin UI from an `AsyncServer`."""

    auth: Any

    @override
    def instrument(self) -> None:
        """Have the server tell what happens."""
        with _unchanged(AsyncSocket):
            super().instrument()
        self.event_buffer = Counters(self.sio.engine)
        if callable(self.auth):
            self.auth = _awaiting(self.auth)

    @override
    async def _emit(self, event: str, data: Any, namespace: str, **options: Any) -> Any:
        if namespace == self.admin_namespace:
            options = _for_admins(self.sio.manager, event, namespace, options)
        return await super()._emit(event, data, namespace, **options)


@contextmanager
def _unchanged(kind: type[Any]) -> Iterator[None]:
    """Undo what is done to a class meanwhile.

    Upstream changes python-engineio's, for whatever else uses them in the process, too.
    """
    before = dict(vars(kind))
    try:
        yield
    finally:
        for name, value in dict(vars(kind)).items():
            if name not in before:
                delattr(kind, name)
            elif value is not before[name]:
                setattr(kind, name, before[name])


def _for_admins(
    manager: Any, event: str, namespace: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Correct the recipients of an event that upstream sends to the Admin UI.

    Admins whose credentials are still being checked do not get it. The list of all
    clients, which a new admin asks for, goes to all admins: where a namespace is
    younger than the Admin UI's, upstream sends it to a client of that namespace.
    """
    # Releases before 5.18 do not tell who is being checked.
    asked = getattr(manager, "pending_connect", {}).get(namespace, ())
    corrected = {**options, "skip_sid": list(asked)}
    return {**corrected, "room": None} if event == "all_sockets" else corrected


def _answering_at_once(auth: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuse an answer that has to be waited for: upstream would take it for a yes."""

    def ask(credentials: Any) -> Any:
        answer = auth(credentials)
        if isawaitable(answer):
            raise TypeError("auth of instrument() must answer True or False at once")
        return answer

    return ask


def _awaiting(auth: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def ask(credentials: Any) -> Any:
        answer = auth(credentials)
        return await answer if isawaitable(answer) else answer

    return ask
