"""`Server`: python-socketio's server, whose handlers run in the reactor.

Where upstream's `socketio.Server` blocks its thread, this one waits for Deferreds:
handlers may return them, or be ``async def`` and await them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import socketio
from socketio import PubSubManager, exceptions, packet
from twisted.internet.defer import Deferred, DeferredList, TimeoutError, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.errors import InvalidOption, PacketDecodeError
from txengineio.integrations.socketio.admin import ReactorAdmin, ThreadedAdmin
from txengineio.integrations.socketio.concurrency import (
    Concurrency,
    ReactorConcurrency,
)
from txengineio.integrations.socketio.engine_adapter import SERVED_BY, EngineAdapter
from txengineio.integrations.socketio.engine_options import check_namespaces
from txengineio.integrations.socketio.events import EventQueue
from txengineio.integrations.socketio.managers.clients import (
    confirm,
    forget,
    register,
)
from txengineio.integrations.socketio.managers.cluster import ClusterManager
from txengineio.integrations.socketio.managers.listening import ReactorPubSubManager
from txengineio.integrations.socketio.packet_class import packet_class_for
from txengineio.integrations.socketio.packets import (
    EVENTS,
    MAX_ATTACHMENTS,
    next_packet,
)
from txengineio.server.engine import Engine
from txengineio.session.callbacks import as_deferred, call_guarded

__all__ = ["Server"]

_REFUSED: Final = exceptions.ConnectionRefusedError().error_args


class Server(socketio.Server):  # type: ignore[misc]  # it has no annotations
    """A Socket.IO server for Twisted; takes what `socketio.Server` takes.

    Handlers run in the reactor's thread. They may return Deferreds or be coroutine
    functions that await Deferreds: acknowledgements, answers to ``connect`` and the
    end of ``disconnect`` wait for them.

    Args:
        client_manager: Who is in which room; by default a `ClusterManager`.
        connect_timeout: Seconds that a client has to connect to a namespace.
        reactor: As for `txengineio.Engine`, whose other options are taken, too.

    Attributes:
        max_attachments: How many attachments a packet of a client may have; 10, unless
            it is set. Until the last one is here, all of them take memory.
    """

    max_attachments: int = MAX_ATTACHMENTS
    packet_class: type[Any]

    concurrency: type[Concurrency] = ReactorConcurrency
    admin: type[ThreadedAdmin] = ReactorAdmin

    _log = Logger()

    def __init__(
        self, client_manager: Any = None, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(client_manager or ClusterManager(), *arguments, **options)
        _check_manager(self.manager)
        check_namespaces(self.namespaces)
        self._events = EventQueue(self.engine.options.max_pending_messages)

    @property
    def engine(self) -> Engine:
        """The engine: its sessions, limits, statistics and middlewares."""
        adapter: EngineAdapter = self.eio
        return adapter.engine

    @property
    def handle_request(self) -> Any:
        """What serves requests upstream, and nothing here.

        Raises:
            AttributeError: At each access; it says what to use.
        """
        raise AttributeError(SERVED_BY)

    @override
    def _engineio_server_class(self) -> Callable[..., EngineAdapter]:
        # Upstream asks for it once it knows the class of packets.
        self.packet_class = packet_class_for(self.packet_class)
        return partial(EngineAdapter, self.concurrency)

    # --- what applications call -------------------------------------------------------

    @override
    def emit(  # as upstream
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """Emit an event, as `socketio.Server.emit` does.

        The callback, too, may return a Deferred or be a coroutine function.
        """
        super().emit(
            event,
            data=data,
            to=to,
            room=room,
            skip_sid=skip_sid,
            namespace=namespace,
            callback=None if callback is None else partial(self._guarded, callback),
            ignore_queue=ignore_queue,
        )

    @override
    def call(  # as upstream
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float = 60,
        ignore_queue: bool = False,
    ) -> Deferred[Any]:
        """Emit an event to one client and wait for its acknowledgement.

        Returns:
            Fires with what the client says: None, one value, or a tuple of several. It
            fails with ``socketio.exceptions.TimeoutError`` after ``timeout`` seconds.
        """
        if to is None and sid is None:
            raise ValueError("call() needs a client: to= or sid=")
        answered: Deferred[Any] = Deferred()

        def answer(*values: Any) -> None:
            if not answered.called:
                answered.callback(values)

        self.emit(
            event,
            data=data,
            to=to or sid,
            namespace=namespace,
            callback=answer,
            ignore_queue=ignore_queue,
        )
        answered.addTimeout(timeout, self.engine.clock)
        return answered.addCallbacks(_unpacked, _timed_out)

    @override
    def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> Deferred[None]:
        """Disconnect a client from a namespace.

        Returns:
            Fires when its handler of ``disconnect`` is done.
        """
        namespace = namespace or "/"
        may = self.manager.is_connected if ignore_queue else self.manager.can_disconnect
        if not may(sid, namespace):
            return succeed(None)
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        goodbye = self.packet_class(packet.DISCONNECT, namespace=namespace)
        self._send_packet(eio_sid, goodbye)
        reason = self.reason.SERVER_DISCONNECT
        return self._leave(eio_sid, sid, namespace, reason) or succeed(None)

    @override
    def instrument(self, *arguments: Any, **options: Any) -> ThreadedAdmin:
        """Let the Socket.IO Admin UI look at the server, and change things.

        It takes what `socketio.Server.instrument` takes; ``auth`` must not be left out.
        A function that is ``auth`` answers at once. The engine keeps statistics from
        now on.

        Returns:
            What reports; its ``shutdown`` ends that.
        """
        return self.admin(self, *arguments, **options)

    # --- what clients send ------------------------------------------------------------

    @override
    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> Any:
        """Take a message of the engine: a packet, or one of its attachments."""
        try:
            received = next_packet(self, self._binary_packet, eio_sid, data)
        except PacketDecodeError as problem:
            self._binary_packet.pop(eio_sid, None)
            self.eio.refuse_packet(eio_sid, problem)
            return None
        if received is None:
            return None
        namespace, values = received.namespace, received.data
        if received.packet_type in EVENTS:
            return self._handle_event(eio_sid, namespace, received.id, values)
        if received.packet_type == packet.CONNECT:
            return self._handle_connect(eio_sid, namespace, values)
        if received.packet_type == packet.DISCONNECT:
            return self._handle_disconnect(eio_sid, namespace)
        return self._handle_ack(eio_sid, namespace, received.id, values)

    # --- coming -----------------------------------------------------------------------

    @override
    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> Any:
        namespace = namespace or "/"
        self.eio.connected_to_namespace(eio_sid)
        sid = None
        if self._serves(namespace):
            sid = register(self.manager, eio_sid, namespace)
        if sid is None:
            self._send(packet.CONNECT_ERROR, eio_sid, namespace, "Unable to connect")
            return None
        if self.always_connect:
            self._welcome(eio_sid, sid, namespace)
        try:
            answer = self._call(self._ask, eio_sid, sid, namespace, data)
        except Exception:
            self._failed_to_connect(eio_sid, sid, namespace, Failure())
            return None
        waiting = as_deferred(answer)
        if waiting is None:
            self._decide(eio_sid, sid, namespace, answer)
            return None
        client = (eio_sid, sid, namespace)
        return waiting.addCallbacks(
            lambda answer: self._decide(*client, answer),
            lambda failure: self._failed_to_connect(*client, failure),
        )

    def _serves(self, namespace: str) -> bool:
        return (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        )

    def _ask(self, eio_sid: str, sid: str, namespace: str, auth: Any) -> Any:
        """Call the handler of ``connect``, which need not take ``auth``."""
        client = ("connect", namespace, sid, self.environ[eio_sid])
        if auth:
            return self._trigger_event(*client, auth)
        try:
            return self._trigger_event(*client, None)
        except TypeError as problem:
            try:
                return self._trigger_event(*client)
            except TypeError:
                # It was not the number of arguments.
                raise problem from None

    def _decide(self, eio_sid: str, sid: str, namespace: str, answer: Any) -> None:
        if answer is False:
            self._refuse(eio_sid, sid, namespace, _REFUSED)
        elif eio_sid not in self.environ:
            # It has left while the handler took its time.
            forget(self.manager, sid, namespace)
        elif not self.always_connect:
            self._welcome(eio_sid, sid, namespace)

    def _failed_to_connect(
        self, eio_sid: str, sid: str, namespace: str, failure: Failure
    ) -> None:
        if isinstance(failure.value, exceptions.ConnectionRefusedError):
            self._refuse(eio_sid, sid, namespace, failure.value.error_args)
            return
        if not failure.check(ConnectionRefusedError):
            self._log.failure("a handler of connect has failed", failure=failure)
        message = {"message": "Connection refused by server"}
        self._refuse(eio_sid, sid, namespace, message)

    def _welcome(self, eio_sid: str, sid: str, namespace: str) -> None:
        self._send(packet.CONNECT, eio_sid, namespace, {"sid": sid})
        confirm(self.manager, sid, namespace)

    def _refuse(self, eio_sid: str, sid: str, namespace: str, reason: Any) -> None:
        if self.always_connect:
            self.manager.pre_disconnect(sid, namespace)
            self._send(packet.DISCONNECT, eio_sid, namespace, reason)
        else:
            self._send(packet.CONNECT_ERROR, eio_sid, namespace, reason)
        forget(self.manager, sid, namespace)

    def _send(self, packet_type: int, eio_sid: str, namespace: str, data: Any) -> None:
        answer = self.packet_class(packet_type, data=data, namespace=namespace)
        self._send_packet(eio_sid, answer)

    # --- leaving ----------------------------------------------------------------------

    @override
    def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> Any:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return None
        reason = reason or self.reason.CLIENT_DISCONNECT
        return self._leave(eio_sid, sid, namespace, reason)

    def _leave(self, eio_sid: str, sid: str, namespace: str, reason: str) -> Any:
        """Call the handler of ``disconnect``; then forget the client."""
        self.manager.pre_disconnect(sid, namespace=namespace)
        self._binary_packet.pop(eio_sid, None)
        waiting = call_guarded(
            self._call, self._trigger_event, "disconnect", namespace, sid, reason
        )
        if waiting is not None:
            return waiting.addCallback(lambda _: forget(self.manager, sid, namespace))
        forget(self.manager, sid, namespace)
        return None

    @override
    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> Any:
        """Handle the end of a session of the engine: its client leaves everywhere."""
        namespaces = list(self.manager.get_namespaces())
        waiting = [
            each
            for namespace in namespaces
            if (each := self._handle_disconnect(eio_sid, namespace, reason)) is not None
        ]
        self._binary_packet.pop(eio_sid, None)
        if not waiting:
            self._forget(eio_sid)
            return None
        return DeferredList(waiting).addCallback(lambda _: self._forget(eio_sid))

    def _forget(self, eio_sid: str) -> None:
        self.environ.pop(eio_sid, None)

    # --- events -----------------------------------------------------------------------

    @override
    def _handle_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]
    ) -> Any:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return None
        if not self.async_handlers:
            event = partial(self._run_event, eio_sid, sid, namespace, id, data)
            return self._events.run_in_order(eio_sid, event)
        done = self._run_event(eio_sid, sid, namespace, id, data)
        return None if done is None else self._events.begun(eio_sid, done)

    def _run_event(
        self,
        eio_sid: str,
        sid: str,
        namespace: str,
        id: int | None,
        data: list[Any],
    ) -> Deferred[None] | None:
        """Call the handler of an event, and acknowledge the event with what it says."""
        try:
            answer = self._call(self._trigger_event, data[0], namespace, sid, *data[1:])
            waiting = as_deferred(answer)
            if waiting is None:
                self._acknowledge(answer, eio_sid, namespace, id)
                return None
        except Exception:
            self._event_failed(Failure())
            return None
        return waiting.addCallback(
            self._acknowledge, eio_sid, namespace, id
        ).addErrback(self._event_failed)

    def _event_failed(self, failure: Failure) -> None:
        self._log.failure("a handler of an event has failed", failure=failure)

    def _acknowledge(
        self, answer: Any, eio_sid: str, namespace: str, id: int | None
    ) -> None:
        if id is None or answer is self.not_handled:
            return
        if isinstance(answer, tuple):
            values = list(answer)
        else:
            values = [] if answer is None else [answer]
        ack = self.packet_class(packet.ACK, namespace=namespace, id=id, data=values)
        self._send_packet(eio_sid, ack)

    def _guarded(self, callback: Callable[..., Any], *values: Any) -> None:
        call_guarded(self._call, callback, *values)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that calls the application."""
        return function(*arguments)


def _check_manager(manager: Any) -> None:
    """Raise an error if a manager needs asyncio, or changes rooms in a thread."""
    if isinstance(manager, socketio.AsyncManager):
        expected = "one that is not for asyncio, such as socketio.RedisManager"
        raise InvalidOption("client_manager", expected, manager)
    if not isinstance(manager, PubSubManager) or manager.write_only:
        return
    if not isinstance(manager, ReactorPubSubManager):
        name = type(manager).__name__
        expected = (
            f"class Manager(ReactorPubSubManager, {name}), as that one listens in a "
            "thread"
        )
        raise InvalidOption("client_manager", expected, manager)


def _unpacked(values: tuple[Any, ...]) -> Any:
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def _timed_out(failure: Failure) -> Failure:
    if failure.check(TimeoutError):
        return Failure(exceptions.TimeoutError())
    return failure
