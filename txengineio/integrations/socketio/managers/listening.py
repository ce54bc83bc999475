"""Managers of python-socketio that wait in threads, for a server in the reactor.

Upstream's blocking managers wait for their queue (Redis, Kafka, anything that Kombu
knows) when they send, and listen to it in a thread. Here, neither blocks the reactor's
thread, and only that thread does what other servers ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Full, Queue
from threading import Thread
from time import monotonic
from typing import Any, Final

from socketio import PubSubManager
from twisted.logger import Logger
from twisted.python.threadable import isInIOThread
from typing_extensions import override

from txengineio.integrations.socketio.managers.manager import Manager
from txengineio.observing.seldom import SeldomLog
from txengineio.session.callbacks import call_guarded

__all__ = ["MAX_UNPUBLISHED", "ReactorPubSubManager"]

MAX_UNPUBLISHED: Final = 10_000
"""What may wait for a queue that does not take it, in messages; more are dropped."""

Handler = Callable[[dict[str, Any]], Any]


class ReactorPubSubManager(PubSubManager, Manager):  # type: ignore[misc]  # upstream's
    """Lets a blocking manager of python-socketio work for a server of ours.

    It comes before that manager, for a `ThreadedServer` likewise::

        class RedisManager(ReactorPubSubManager, socketio.RedisManager):
            pass

        sio = Server(client_manager=RedisManager("redis://127.0.0.1:6379/0"))

    One thread listens; what it hears is done in the reactor. Another publishes what is
    said here, in order. What other servers are told goes at most once: it is lost with
    the process, with its queue, and when more than `MAX_UNPUBLISHED` messages wait.
    """

    _log = Logger()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unpublished: Queue[Any] = Queue(MAX_UNPUBLISHED)
        self._publisher: Thread | None = None
        self._seldom = SeldomLog(self._log, monotonic)

    @override
    def _thread(self) -> None:
        # `initialize` starts this as a background task, which may be of the reactor's.
        if isInIOThread():
            Thread(target=super()._thread, daemon=True).start()
        else:
            super()._thread()

    @override
    def _publish(self, data: Any) -> None:
        if self._publisher is None:
            self._publisher = Thread(target=self._publish_all, daemon=True)
            self._publisher.start()
        try:
            self._unpublished.put_nowait(data)
        except Full:
            self._seldom.warn(
                "unpublished",
                "other servers are not told: {count} messages wait to be published",
                count=MAX_UNPUBLISHED,
            )

    def _publish_all(self) -> None:
        publish = super()._publish
        while True:
            call_guarded(publish, self._unpublished.get())

    def _in_reactor(self, handle: Handler, message: dict[str, Any]) -> None:
        if isInIOThread():
            # It comes from this server, which has told the others as well.
            handle(message)
        else:
            reactor: Any = self.server.engine.clock
            reactor.callFromThread(call_guarded, handle, message)

    @override
    def _handle_emit(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_emit, message)

    @override
    def _handle_callback(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_callback, message)

    @override
    def _handle_disconnect(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_disconnect, message)

    @override
    def _handle_enter_room(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_enter_room, message)

    @override
    def _handle_leave_room(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_leave_room, message)

    @override
    def _handle_close_room(self, message: dict[str, Any]) -> None:
        self._in_reactor(super()._handle_close_room, message)
