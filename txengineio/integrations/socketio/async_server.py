"""`AsyncServer`: python-socketio's asyncio server on Twisted's asyncio reactor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import socketio
from socketio import exceptions, packet
from twisted.logger import Logger
from typing_extensions import override

from txengineio.errors import InvalidOption, PacketDecodeError
from txengineio.integrations.socketio.admin import AsyncioAdmin
from txengineio.integrations.socketio.concurrency import AsyncioConcurrency
from txengineio.integrations.socketio.engine_adapter import (
    SERVED_BY,
    AsyncEngineAdapter,
)
from txengineio.integrations.socketio.engine_options import check_namespaces
from txengineio.integrations.socketio.managers.cluster import AsyncClusterManager
from txengineio.integrations.socketio.packet_class import packet_class_for
from txengineio.integrations.socketio.packets import (
    EVENTS,
    MAX_ATTACHMENTS,
    next_packet,
)
from txengineio.server.engine import Engine

__all__ = ["AsyncServer"]


class AsyncServer(socketio.AsyncServer):  # type: ignore[misc]  # no annotations
    """A Socket.IO server whose handlers are those of `socketio.AsyncServer`.

    It needs Twisted's asyncio reactor: ``twistd --reactor asyncio``.

    Args:
        client_manager: Who is in which room; by default an `AsyncClusterManager`.
        connect_timeout: Seconds that a client has to connect to a namespace.
        reactor: As for `txengineio.Engine`, whose other options are taken, too.

    Attributes:
        max_attachments: As of `txengineio.socketio.Server`.
    """

    max_attachments: int = MAX_ATTACHMENTS
    packet_class: type[Any]

    _log = Logger()

    def __init__(self, client_manager: Any = None, **options: Any) -> None:
        super().__init__(
            client_manager=client_manager or AsyncClusterManager(), **options
        )
        if not isinstance(self.manager, socketio.AsyncManager):
            expected = "one for asyncio, such as socketio.AsyncRedisManager"
            raise InvalidOption("client_manager", expected, self.manager)
        check_namespaces(self.namespaces)

    @property
    def engine(self) -> Engine:
        """The engine: its sessions, limits, statistics and middlewares."""
        adapter: AsyncEngineAdapter = self.eio
        return adapter.engine

    @override
    def attach(self, app: Any, socketio_path: str = "socket.io") -> None:
        """Serve it in an application of asyncio, which is not done here.

        Raises:
            AttributeError: Always; it says what to use.
        """
        raise AttributeError(SERVED_BY)

    @property
    def handle_request(self) -> Any:
        """What serves requests upstream, and nothing here.

        Raises:
            AttributeError: At each access; it says what to use.
        """
        raise AttributeError(SERVED_BY)

    @override
    def _engineio_server_class(self) -> Callable[..., AsyncEngineAdapter]:
        # Upstream asks for it once it knows the class of packets.
        self.packet_class = packet_class_for(self.packet_class)
        return partial(AsyncEngineAdapter, AsyncioConcurrency)

    @override
    def instrument(self, *arguments: Any, **options: Any) -> AsyncioAdmin:
        """Let the Socket.IO Admin UI look at the server, and change things.

        It takes what `socketio.AsyncServer.instrument` takes; ``auth`` must not be left
        out. The engine keeps statistics from now on.

        Returns:
            What reports; its ``shutdown`` ends that.
        """
        return AsyncioAdmin(self, *arguments, **options)

    @override
    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        try:
            received = next_packet(self, self._binary_packet, eio_sid, data)
        except PacketDecodeError as problem:
            self._binary_packet.pop(eio_sid, None)
            self.eio.refuse_packet(eio_sid, problem)
            return
        if received is None:
            return
        namespace, values = received.namespace, received.data
        if received.packet_type in EVENTS:
            await self._handle_event(eio_sid, namespace, received.id, values)
        elif received.packet_type == packet.CONNECT:
            await self._handle_connect(eio_sid, namespace, values)
        elif received.packet_type == packet.DISCONNECT:
            reason = self.reason.CLIENT_DISCONNECT
            await self._handle_disconnect(eio_sid, namespace, reason)
        else:
            await self._handle_ack(eio_sid, namespace, received.id, values)

    @override
    async def _handle_connect(
        self, eio_sid: str, namespace: str | None, data: Any
    ) -> None:
        self.eio.connected_to_namespace(eio_sid)
        await super()._handle_connect(eio_sid, namespace, data)
        namespace = namespace or "/"
        if eio_sid not in self.environ:
            # It has left while the handler took its time.
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            if sid is not None:
                await self.manager.disconnect(sid, namespace, ignore_queue=True)

    @override
    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        if event == "connect":
            return await self._ask(namespace, *args)
        try:
            return await super()._trigger_event(event, namespace, *args)
        except Exception:
            self._log.failure("a handler of {event} has failed", event=event)
            return self.not_handled

    async def _ask(
        self, namespace: str, sid: str, environ: Any, auth: Any = None
    ) -> Any:
        """Call the handler of ``connect``, which need not take ``auth``.

        Upstream tries both ways, in an order that depends on its release. Here both
        have been tried, so that it has nothing left to try.
        """
        call = partial(super()._trigger_event, "connect", namespace, sid, environ)
        try:
            try:
                return await call(auth)
            except TypeError as problem:
                if auth:
                    raise
                try:
                    return await call()
                except TypeError:
                    # It was not the number of arguments.
                    raise problem from None
        except exceptions.ConnectionRefusedError:
            raise
        except ConnectionRefusedError as refusal:
            # Releases before 5.18 take no refusal by Python's own exception.
            message = "Connection refused by server"
            raise exceptions.ConnectionRefusedError(message) from refusal
        except Exception:
            self._log.failure("a handler of connect has failed")
            return False
