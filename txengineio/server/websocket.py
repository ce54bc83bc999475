"""The WebSockets of a server: Autobahn protocols that carry sessions' packets.

Twisted has read the opening request already, so that a protocol starts with `accept`
and never parses one. What server and client share is in `txengineio.session.websocket`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from typing_extensions import override

from txengineio.protocol.codec import Codec
from txengineio.server.interfaces import IEngine
from txengineio.server.opening import OpeningRequest
from txengineio.session.frames import MASK_WIDTH, encode_frame
from txengineio.session.websocket import WebSocketTransport, protocol_options

__all__ = ["EngineWebSocketFactory", "EngineWebSocketProtocol"]


class EngineWebSocketProtocol(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketTransport, WebSocketServerProtocol
):
    """One WebSocket of a server."""

    mask_width = MASK_WIDTH
    encode_frame = staticmethod(encode_frame)

    # Looked up once on the class that the factory makes, not copied to each protocol.
    CONFIG_ATTRS: list[str] = []  # noqa: RUF012

    factory: EngineWebSocketFactory

    def accept(self, opening: OpeningRequest, headers: Mapping[str, Any]) -> None:
        """Answer the opening request with 101; the connection is made already."""
        self.websocket_version = opening.version
        self.websocket_protocols = opening.subprotocols
        self.websocket_extensions = []
        self._wskey = opening.key
        subprotocol = opening.subprotocols[0] if opening.subprotocols else None
        self.succeedHandshake((subprotocol, headers))

    @override
    def connectionMade(self) -> None:
        # Not Autobahn's: that collects details of the transport that nobody reads here.
        self._connectionMade()
        self.factory.connections.add(self)
        # What does not leave the process is kept by the session, not by the transport.
        self.transport.registerProducer(self, True)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.factory.connection_lost(self)
        super().connectionLost(reason)


class EngineWebSocketFactory(WebSocketServerFactory):
    """Builds the WebSockets of one engine, and knows those that are there.

    Attributes:
        connections: The WebSockets whose connection is not lost yet.
        short_path: Whether simple frames may go around Autobahn's parser.
    """

    noisy = False

    def __init__(self, engine: IEngine) -> None:
        super().__init__(reactor=engine.clock, server="")
        self.connections: set[EngineWebSocketProtocol] = set()
        self.short_path = True
        self._waiting: list[Deferred[None]] = []
        limit = engine.options.max_http_buffer_size
        self.setProtocolOptions(**protocol_options(limit))
        options = {
            name: getattr(self, name) for name in WebSocketServerProtocol.CONFIG_ATTRS
        }
        self._protocol_class = type(
            EngineWebSocketProtocol.__name__, (EngineWebSocketProtocol,), options
        )

    def build(
        self, address: IAddress, codec: Codec, supports_binary: bool
    ) -> EngineWebSocketProtocol:
        """Build a WebSocket for a peer; it has no connection yet."""
        protocol: EngineWebSocketProtocol = self._protocol_class(codec, supports_binary)
        protocol.factory = self
        protocol.peer = str(address)
        return protocol

    def connection_lost(self, protocol: EngineWebSocketProtocol) -> None:
        """Forget a WebSocket whose connection is lost."""
        self.connections.discard(protocol)
        if not self.connections:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)

    def abort_all(self) -> None:
        """Drop every connection."""
        for protocol in tuple(self.connections):
            protocol.transport.abortConnection()

    def when_idle(self) -> Deferred[None]:
        """Return a Deferred that fires when no connection is left."""
        if not self.connections:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred
