"""Autobahn's WebSocket protocol with limits to what frames are worth.

Its own limits are about bytes. What takes memory and time beyond its bytes is bounded
here: fragments, frames that arrive in crumbs, pings whose answers nobody reads.
"""

from __future__ import annotations

from typing import Any, Final

from autobahn.websocket.protocol import WebSocketProtocol
from typing_extensions import override

from txengineio.errors import TransportError
from txengineio.session.interfaces import IPacketReceiver

__all__ = [
    "MAX_FRAGMENTS",
    "MAX_PIECES",
    "FrugalWebSocketProtocol",
    "protocol_options",
]

MAX_FRAGMENTS: Final = 16_384
"""Frames that a message may come in, unless more are allowed: as in the ws package."""

MAX_PIECES: Final = 1024
"""Reads that the pieces of a frame are kept apart for: each takes more than its bytes.

Who sends a frame byte by byte would make it take forty times its size.
"""

_TOO_MANY_FRAGMENTS: Final = "too many fragments in a message"
_MORE_FRAGMENTS: Final = (
    "to allow more, raise max_message_fragments (--max-message-fragments)"
)
_POLICY_VIOLATION: Final = WebSocketProtocol.CLOSE_STATUS_CODE_POLICY_VIOLATION


class FrugalWebSocketProtocol(WebSocketProtocol):
    """A WebSocket of either side.

    Attributes:
        receiver: Who is told what comes in: a session or an attempt to upgrade one.
        writable: Whether more can be sent now.
        max_fragments: Frames that a message of the peer may come in, empty ones too.
    """

    receiver: IPacketReceiver | None
    writable: bool
    max_fragments: int = MAX_FRAGMENTS

    # Only while a message comes in frames, or pings wait for their answer.
    _fragments = 0
    _last_ping: bytes | None = None

    @override
    def onPing(self, payload: bytes) -> None:
        if self.writable:
            super().onPing(payload)
        else:
            # RFC 6455, section 5.5.3: an answer to the latest ping is enough. One for
            # each, for a peer that reads none, would fill the memory.
            self._last_ping = payload

    @override
    def onMessageBegin(self, isBinary: bool) -> None:
        self._fragments = 0
        super().onMessageBegin(isBinary)

    @override
    def onMessageFrameBegin(self, length: int) -> None:
        self._fragments += 1
        if self._fragments > self.max_fragments and not self.failedByMe:
            # Their number, whatever their size: empty ones take memory and time too.
            self._refuse(_TOO_MANY_FRAGMENTS, self.max_fragments)
        super().onMessageFrameBegin(length)

    @override
    def onMessageFrameData(self, payload: bytes) -> None:
        super().onMessageFrameData(payload)
        if not self.failedByMe and len(self.frame_data) == MAX_PIECES:
            self.frame_data = [b"".join(self.frame_data)]

    def _refuse(self, message: str, limit: int) -> None:
        """Fail the connection: the peer does what is allowed, but too often."""
        super()._fail_connection(_POLICY_VIOLATION, message)
        if self.receiver is not None:
            allowed = f"at most {limit} are allowed"
            error = TransportError(message, allowed, hint=_MORE_FRAGMENTS)
            self.receiver.transport_failed(error)

    def answer_last_ping(self) -> None:
        """Answer the ping that has waited until the peer reads again."""
        if self._last_ping is not None:
            payload, self._last_ping = self._last_ping, None
            super().onPing(payload)


def protocol_options(limit: int) -> dict[str, Any]:
    """Return what every factory of such transports tells Autobahn.

    Args:
        limit: Bytes that a message of the peer may have.
    """
    return {
        # Both, and never Autobahn's defaults, which are no limits at all.
        "maxFramePayloadSize": limit,
        "maxMessagePayloadSize": limit,
        # Failures are told with a close frame, as RFC 6455 wants it.
        "failByDrop": False,
        # A close frame is answered with its own code, or without one.
        "echoCloseCodeReason": True,
        # Both waits are kept here, on the clock of the session's owner.
        "openHandshakeTimeout": 0,
        "closeHandshakeTimeout": 0,
    }
