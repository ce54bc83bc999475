"""The engine that python-socketio expects, made of ours.

`socketio.Server` makes an engine and uses little of it: three events, two ways to send,
ids, and what its kind of concurrency needs. `EngineAdapter` is that engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import engineio
from engineio.packet import Packet
from socketio.packet import CONNECT, CONNECT_ERROR
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.application import EngineIOProtocol
from txengineio.checks import check_duration
from txengineio.errors import CloseReason, SessionClosed
from txengineio.integrations.socketio.concurrency import Concurrency, Runner
from txengineio.integrations.socketio.engine_options import engine_options
from txengineio.integrations.socketio.environ import environ_of
from txengineio.server.broadcast import EncodedMessage
from txengineio.server.engine import Engine
from txengineio.server.registry import new_sid
from txengineio.server.session import Session

__all__ = [
    "CONNECT_TIMEOUT",
    "SERVED_BY",
    "AsyncEngineAdapter",
    "EngineAdapter",
    "SocketIOProtocol",
]

CONNECT_TIMEOUT = 45.0
"""Seconds that a client has to connect to a namespace: ``connectTimeout`` of Node's."""

SERVED_BY: Final = (
    "servers of txengineio.socketio are served by SocketIOResource(sio) in a site, or "
    "by twistd socketio"
)
"""What to say to who looks for upstream's ways to serve one."""

_OLDER_REVISION: Final = 3
_CONNECT: Final = str(CONNECT)
_CONNECT_ERROR: Final = str(CONNECT_ERROR)

_Reason = engineio.Server.reason

_REASONS: Mapping[CloseReason, str] = {
    CloseReason.PING_TIMEOUT: _Reason.PING_TIMEOUT,
    CloseReason.TRANSPORT_CLOSE: _Reason.TRANSPORT_CLOSE,
    CloseReason.FORCED_CLOSE: _Reason.SERVER_DISCONNECT,
}


class SocketIOProtocol(EngineIOProtocol[Session]):
    """One client of a Socket.IO server, in as many namespaces as it likes.

    Clients of Socket.IO 2, whose sessions are of revision 3, are in the main namespace
    without asking for it.

    Attributes:
        user_session: The application's data of the client, by namespaces.
        receive: Gives the server a message, after the id of the session.
        runner: Calls the server about this client.
        send: Sends the client a message that is for it alone.
    """

    receive: Callable[[str, str | bytes], Any]
    runner: Runner
    send: Callable[[str | bytes], bool]

    def __init__(self, adapter: EngineAdapter) -> None:
        self.user_session: dict[str, Any] = {}
        self._adapter = adapter
        self._connect_call: IDelayedCall | None = None

    @property
    def upgraded(self) -> bool:
        """Whether the client is on WebSocket, as the admin UI asks for it."""
        return bool(self.session.transport.name == "websocket")

    @override
    def connectionMade(self) -> Any:
        clock = self.session.engine.clock
        self._connect_call = clock.callLater(
            self._adapter.connect_timeout, self._did_not_connect
        )
        self.send = self.session.send
        came = self._adapter.client_came(self)
        if self.session.protocol_revision != _OLDER_REVISION:
            return came
        self.send = self._send_to_older
        if came is None:
            return self.messageReceived(_CONNECT)
        return came.addCallback(lambda _: self.messageReceived(_CONNECT))

    @override
    def messageReceived(self, message: str | bytes) -> Any:
        return self.receive(self.session.id, message)

    @override
    def connectionLost(self, reason: Failure | None = None) -> Any:
        self.connected_to_namespace()
        assert reason is not None
        closed = reason.value
        assert isinstance(closed, SessionClosed)
        return self._adapter.client_left(self, _reason_of(closed))

    def connected_to_namespace(self) -> None:
        """Stop waiting for the client to choose a namespace."""
        call, self._connect_call = self._connect_call, None
        if call is not None and call.active():
            call.cancel()

    def _did_not_connect(self) -> None:
        self.session.close()

    def _send_to_older(self, message: str | bytes) -> bool:
        if isinstance(message, str):
            message = _before_revision_5(message)
        return self.session.send(message)


def _before_revision_5(message: str) -> str:
    """Return a packet as the revision of Socket.IO before 5 had it.

    The answer to a client that connects had no values, and may have none. That to a
    client that is refused was what the application said, as with Node.
    """
    head, brace, values = message.partition("{")
    if message.startswith(_CONNECT):
        return head
    if brace and message.startswith(_CONNECT_ERROR):
        refusal = json.loads(brace + values)
        return head + json.dumps(refusal.get("data") or refusal.get("message"))
    return message


def _reason_of(closed: SessionClosed) -> str:
    """Return why a client is gone, in python-socketio's words."""
    if closed.said_goodbye:
        reason: str = _Reason.CLIENT_DISCONNECT
        return reason
    return _REASONS.get(closed.reason, _Reason.TRANSPORT_ERROR)


class EngineAdapter:
    """An engine, as python-socketio knows one.

    Args:
        concurrency: Makes, of the reactor, how the server runs things.
        connect_timeout: Seconds that a client has to connect to a namespace.
        reactor: As for `txengineio.Engine`.
        options: python-engineio's options, and the engine's.

    Attributes:
        engine: The engine.
        sockets: The clients by the ids of their sessions, until their handlers of
            ``disconnect`` are done.
    """

    async_mode = "twisted"

    _log = Logger()

    def __init__(
        self,
        concurrency: Callable[[IReactorTime], Concurrency],
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        reactor: Any = None,
        **options: Any,
    ) -> None:
        self.connect_timeout = check_duration("connect_timeout", connect_timeout)
        self.sockets: dict[str, SocketIOProtocol] = {}
        self.engine = Engine(
            Factory.forProtocol(lambda: SocketIOProtocol(self)),
            reactor=reactor,
            **engine_options(options),
        )
        runs = concurrency(self.engine.clock)
        self.create_event = runs.create_event
        self.start_background_task = runs.start_background_task
        self.sleep = runs.sleep
        self._runner = runs.runner
        self._handlers: dict[str, Callable[..., Any]] = {}

    # --- what the server asks for -----------------------------------------------------

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """Have the server told of ``connect``, ``message`` or ``disconnect``."""
        self._handlers[event] = handler

    def generate_id(self) -> str:
        """Return an id for a client in a namespace."""
        return new_sid()

    def send(self, sid: str, data: str | bytes) -> Any:
        """Send a message; clients that are gone get none."""
        client = self.sockets.get(sid)
        if client is not None:
            client.send(data)

    def send_packet(self, sid: str, packet: Packet) -> Any:
        """Send a message that goes to many: the packet keeps its encoded form."""
        encoded = vars(packet).get("encoded_message")
        if encoded is None:
            encoded = packet.encoded_message = EncodedMessage(packet.data)
        self.deliver(sid, encoded)

    def deliver(self, sid: str, message: EncodedMessage) -> None:
        """Send a message that goes to many."""
        client = self.sockets.get(sid)
        if client is not None:
            message.send_to(client.session)

    def transport(self, sid: str) -> str:
        """Return the name of a client's transport.

        Raises:
            KeyError: There is no such client.
        """
        return str(self._get_socket(sid).session.transport.name)

    def get_session(self, sid: str) -> Any:
        """Return the application's data of a client.

        Raises:
            KeyError: There is no such client.
        """
        return self._get_socket(sid).user_session

    def shutdown(self) -> Any:
        """End all sessions; returns a Deferred that fires when they are gone."""
        return self.engine.close()

    def connected_to_namespace(self, sid: str) -> None:
        """Note that a client has chosen a namespace."""
        client = self.sockets.get(sid)
        if client is not None:
            client.connected_to_namespace()

    def refuse_packet(self, sid: str, problem: Exception) -> None:
        """End the session of a client that has sent something that is not a packet."""
        client = self.sockets.get(sid)
        if client is not None:
            client.session.decode_failed(problem)

    # The admin UI of python-socketio looks for these two.

    def _get_socket(self, sid: str) -> SocketIOProtocol:
        return self.sockets[sid]

    def _ok(self, *_arguments: Any, **_keywords: Any) -> None:
        """Answer polls: the engine does that itself, and this is never called."""

    # --- what clients do --------------------------------------------------------------

    def client_came(self, client: SocketIOProtocol) -> Any:
        """Tell the server of a new client."""
        session = client.session
        self.sockets[session.id] = client
        client.runner = self._runner(session)
        client.receive = client.runner.receiver(self._handlers["message"])
        connect = self._handlers["connect"]
        return client.runner.run(connect, session.id, environ_of(session))

    def client_left(self, client: SocketIOProtocol, reason: str) -> Any:
        """Tell the server that a client is gone; then forget it."""
        sid = client.session.id
        waiting = client.runner.run(self._handlers["disconnect"], sid, reason)
        if waiting is None:
            del self.sockets[sid]
            return None
        return waiting.addBoth(lambda _: self.sockets.pop(sid))


class AsyncEngineAdapter(EngineAdapter):
    """The same for `socketio.AsyncServer`, which awaits what it calls."""

    @override
    async def send(self, sid: str, data: str | bytes) -> None:
        super().send(sid, data)

    @override
    async def send_packet(self, sid: str, packet: Packet) -> None:
        super().send_packet(sid, packet)

    @override
    async def get_session(self, sid: str) -> dict[str, Any]:
        return self._get_socket(sid).user_session

    @override
    async def shutdown(self) -> None:
        await self.engine.close()
