"""The WebSockets of a server: Autobahn protocols that carry sessions' packets.

The opening request has been read already, so that a protocol starts with `accept` and
never parses one. What server and client share is in `txengineio.session.websocket`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from typing_extensions import override
from zope.interface import implementer

from txengineio.net.turns import turns_of
from txengineio.protocol.codec import Codec
from txengineio.server.session import ICarriesSession, IEngine
from txengineio.server.transports.deflate import Deflate
from txengineio.server.transports.opening import OpeningRequest, opening_response
from txengineio.session.frugal import protocol_options
from txengineio.session.websocket import WebSocketTransport
from txengineio.websocket.frames import (
    MASK_WIDTH,
    encode_frame,
    encode_message,
    lone_masked_text,
)

__all__ = ["OPEN_PACKET_DELAY", "EngineWebSocketFactory", "EngineWebSocketProtocol"]

OPEN_PACKET_DELAY: Final = 0.01
"""Seconds by which the open packet of revision 3 follows the answer to the opening.

A client that listens for packets only once it knows that the WebSocket is open misses
those that it reads together with that answer. Another segment alone does not help: a
client that is not woken up between the two still reads both at once.
"""

_DELAYED_REVISION: Final = 3

_NORMAL: Final = WebSocketProtocol.CLOSE_STATUS_CODE_NORMAL
_GOING_AWAY: Final = WebSocketProtocol.CLOSE_STATUS_CODE_GOING_AWAY

_GOODBYES: Final[Mapping[int | None, bytes]] = {
    code: bytes((0x88, len(said))) + said
    for code, said in (
        (None, b""),
        (_NORMAL, _NORMAL.to_bytes(2, "big")),
        (_GOING_AWAY, _GOING_AWAY.to_bytes(2, "big")),
    )
}
"""The close frames that answer those with which nearly every WebSocket ends."""


@implementer(ICarriesSession)
class EngineWebSocketProtocol(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketTransport, WebSocketServerProtocol
):
    """One WebSocket of a server."""

    # Autobahn's logs name it.
    peer = property(lambda self: self.transport.getPeer())

    mask_width = MASK_WIDTH
    encode_frame = staticmethod(encode_frame)
    encode_message = staticmethod(encode_message)
    lone_text = staticmethod(lone_masked_text)

    factory: EngineWebSocketFactory
    remoteCloseCode: Any  # noqa: N815
    localCloseCode: Any  # noqa: N815

    # As long as what was sent is kept in ``before_first``.
    _hold_call: IDelayedCall | None = None

    def accept(
        self,
        opening: OpeningRequest,
        headers: Mapping[str, Any],
        deflate: Deflate | None = None,
    ) -> None:
        """Prepare the answer to the opening request; the connection is made already.

        It goes out with what is sent first, or by `send_opening`.

        Args:
            opening: The request.
            headers: More headers of the answer.
            deflate: The compression that was negotiated.
        """
        if deflate is not None:
            headers = {**headers, "Sec-WebSocket-Extensions": deflate.response}
            # The name under which Autobahn inflates what comes in.
            self._perMessageCompress: Any = deflate
            self.deflate = deflate
        self.websocket_version = opening.version
        self.state = WebSocketProtocol.STATE_OPEN
        self.inside_message = False
        self.current_frame = None
        self.before_first = opening_response(opening, headers)

    def send_opening(self) -> None:
        """Send the answer to the opening request, unless it has left already."""
        if self.before_first:
            self.send_data(b"")

    @override
    def send_first(self, data: bytes) -> None:
        if self._hold_call is not None:
            self.before_first += data
        elif data and self._codec.revision == _DELAYED_REVISION:
            super().send_first(b"")
            self.before_first = data
            clock = self.factory.reactor
            self._hold_call = clock.callLater(OPEN_PACKET_DELAY, self._stop_holding)
        else:
            super().send_first(data)

    def _stop_holding(self) -> None:
        if self._hold_call is not None:
            if self._hold_call.active():
                self._hold_call.cancel()
            self._hold_call = None
            super().send_first(b"")

    @override
    def session_ended(self) -> None:
        self._stop_holding()
        super().session_ended()

    @override
    def connectionMade(self) -> None:
        # Not Autobahn's: that sets what the class of the factory has.
        self.factory.connections.add(self)
        self.connected_to_peer()

    @override
    def goodbye_received(self, code: int | None) -> None:
        if self.session is not None:
            # What answers earlier messages goes out before.
            self.session.uncork()
        self._stop_holding()
        goodbye = _GOODBYES.get(code)
        if goodbye is None or self.state != WebSocketProtocol.STATE_OPEN:
            # Or what went out has made somebody end the session.
            super().goodbye_received(code)
            return
        # All that is left of what Autobahn does about a WebSocket that ends well.
        self.send_data(goodbye)
        self.state = WebSocketProtocol.STATE_CLOSED
        self.wasClean = self.droppedByMe = True
        self.remoteCloseCode = self.localCloseCode = code
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self.drop_later()
        if self.receiver is not None:
            self.receiver.transport_closed()

    @override
    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:
        self._stop_holding()
        stop = super().onCloseFrame(code, reasonRaw)
        if self.state != WebSocketProtocol.STATE_OPEN and self.receiver is not None:
            # Now, not when the connection is gone: what is sent until then is lost.
            self.receiver.transport_closed()
        return stop

    @override
    def connectionLost(self, reason: Any = None) -> None:
        # Not Autobahn's: that looks after timers that there are none of here.
        self.factory.connection_lost(self)
        self.connection_gone()


class EngineWebSocketFactory(WebSocketServerFactory):
    """Builds the WebSockets of one engine, and knows those that are there.

    Attributes:
        connections: The WebSockets whose connection is not lost yet.
        short_path: Whether simple frames may go around Autobahn's parser. To be set
            before connections come.
        max_fragments: Frames that a message of a client may come in.
        turns: Keeps a client from occupying the reactor.
    """

    noisy = False

    def __init__(self, engine: IEngine) -> None:
        super().__init__(reactor=engine.clock, server="")
        self.connections: set[EngineWebSocketProtocol] = set()
        self.short_path = True
        self.turns = turns_of(engine.clock)
        self._waiting: list[Deferred[None]] = []
        self.max_fragments = engine.options.max_message_fragments
        limit = engine.options.max_http_buffer_size
        self.setProtocolOptions(**protocol_options(limit))
        self._protocol_class = type(
            EngineWebSocketProtocol.__name__,
            (EngineWebSocketProtocol,),
            _connection_defaults(self),
        )

    def build(self, codec: Codec, supports_binary: bool) -> EngineWebSocketProtocol:
        """Build a WebSocket for a peer; it has no connection yet."""
        protocol: EngineWebSocketProtocol = self._protocol_class(codec, supports_binary)
        protocol.factory = self
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


def _connection_defaults(factory: EngineWebSocketFactory) -> dict[str, Any]:
    """Return the attributes that Autobahn gives to each new connection.

    It looks up two dozen options and sets as many variables, nearly all to the same
    values each time. They are here once, on a class; a connection has what is its own.
    """
    sample = WebSocketServerProtocol()
    sample.factory = factory
    WebSocketProtocol._connectionMade(sample)
    defaults = vars(sample)
    for name in ("factory", "is_open", "is_closed", "utf8validator"):
        del defaults[name]
    # Text that arrives in fragments is checked on the way: by a validator of its own.
    defaults["utf8validator"] = validator = cached_property(lambda _: Utf8Validator())
    defaults["max_fragments"] = factory.max_fragments
    validator.__set_name__(EngineWebSocketProtocol, "utf8validator")
    return defaults
