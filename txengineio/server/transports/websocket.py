"""The WebSockets of a server, and their factory, which keeps the set of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from typing_extensions import override
from zope.interface import implementer

from txengineio.protocol.codec import Codec
from txengineio.server.session import ICarriesSession, IEngine
from txengineio.server.transports.opening import OpeningRequest, opening_response
from txengineio.session.websocket import WebSocketTransport
from txengineio.websocket._autobahn import ServerConnection
from txengineio.websocket.deflate import Deflater
from txengineio.websocket.factories import ServerFactory
from txengineio.websocket.limits import FrameLimits

__all__ = ["OPEN_PACKET_DELAY", "EngineWebSocketFactory", "ServerWebSocket"]

OPEN_PACKET_DELAY: Final = 0.01
"""Seconds by which the open packet of revision 3 follows the answer to the opening.

A client that listens for packets only once it knows that the WebSocket is open misses
those that it reads together with that answer. Another segment alone does not help: a
client that is not woken up between the two still reads both at once.
"""

_DELAYED_REVISION: Final = 3


@implementer(ICarriesSession)
class ServerWebSocket(WebSocketTransport):
    """One WebSocket of a server."""

    __slots__ = ()

    connection: ServerConnection

    def accept(
        self,
        opening: OpeningRequest,
        headers: Mapping[str, Any],
        deflate: Deflater | None = None,
    ) -> None:
        """Prepare the answer to the opening request; the connection is made already.

        It goes out with what is sent first, or when the connection's writer is flushed.

        Args:
            opening: The request.
            headers: More headers of the answer.
            deflate: The compression that was agreed on.
        """
        if deflate is not None:
            headers = {**headers, "Sec-WebSocket-Extensions": deflate.parameters.header}
            self.deflate = deflate
        self.connection.accept(
            opening_response(opening, headers),
            None if deflate is None else deflate.parameters,
        )
        if self._codec.revision == _DELAYED_REVISION:
            clock = self.connection.factory.reactor
            self.connection.writer.delay_data(OPEN_PACKET_DELAY, clock)


class EngineWebSocketFactory(ServerFactory):
    """Builds the WebSockets of one engine, and keeps the set of open ones."""

    def __init__(self, engine: IEngine) -> None:
        options = engine.options
        limits = FrameLimits(
            max_size=options.max_http_buffer_size,
            seconds=engine.clock.seconds,
            max_fragments=options.max_message_fragments,
            max_tiny_frames=options.max_tiny_frames_per_second,
        )
        super().__init__(limits, engine.clock)
        self._waiting: list[Deferred[None]] = []

    def build(self, codec: Codec, supports_binary: bool) -> ServerWebSocket:
        """Build a WebSocket for a peer; it has no connection yet."""
        return ServerWebSocket(ServerConnection(self), codec, supports_binary)

    @override
    def connection_lost(self, connection: ServerConnection) -> None:
        super().connection_lost(connection)
        if not self.connections:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)

    def abort_all(self) -> None:
        """Drop every connection."""
        for connection in tuple(self.connections):
            connection.transport.abortConnection()

    def when_idle(self) -> Deferred[None]:
        """Return a Deferred that fires when no connection is left."""
        if not self.connections:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred
