"""The WebSockets of a client: Autobahn protocols that carry a session's packets.

What server and client share is in `txengineio.session.websocket`. Here is how a
connection opens, and what is made of it when the server does not open it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectingRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from typing_extensions import override

from txengineio.client.failures import connect_failed, not_engine_io, refused
from txengineio.client.http.http_client import Answer
from txengineio.client.target import Target
from txengineio.errors import ConnectFailed
from txengineio.net.turns import turns_of
from txengineio.protocol.codec import Codec
from txengineio.session.frugal import protocol_options
from txengineio.session.interfaces import IPacketReceiver
from txengineio.session.websocket import WebSocketTransport
from txengineio.websocket.frames import (
    encode_masked_frame,
    encode_masked_message,
    lone_text,
)

__all__ = ["ClientWebSocketFactory", "ClientWebSocketProtocol", "open_websocket"]

_MAX_ANSWER: Final = 65536
"""Bytes that the answer to the opening request may have."""

_SWITCHING_PROTOCOLS: Final = 101
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_OPEN: Final = WebSocketProtocol.STATE_OPEN
_END_OF_HEAD: Final = b"\r\n\r\n"
_HTTP: Final = b"HTTP/1."


class ClientWebSocketProtocol(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketTransport, WebSocketClientProtocol
):
    """One WebSocket of a client.

    Attributes:
        opened: Fires when the server has accepted the WebSocket, or fails with
            `ConnectFailed`. To cancel it drops the connection.
    """

    mask_width = 0
    encode_frame = staticmethod(encode_masked_frame)
    encode_message = staticmethod(encode_masked_message)
    lone_text = staticmethod(lone_text)

    factory: ClientWebSocketFactory

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec, True)
        self.opened: Deferred[None] = Deferred(self._cancelled)
        self._refused = False
        self._said_goodbye = False

    def _cancelled(self, _opened: Deferred[None]) -> None:
        self.transport.abortConnection()

    @property
    def cookies(self) -> list[str]:
        """The cookies that the server has set with its answer."""
        # Autobahn joins several headers by commas, which cookies have of their own.
        lines = self.http_response_data.decode("latin-1").split("\r\n")
        headers = (line.partition(":") for line in lines[1:])
        return [
            value.strip() for name, _, value in headers if name.lower() == "set-cookie"
        ]

    # --- called by Twisted ------------------------------------------------------------

    @override
    def connectionMade(self) -> None:
        # Not Autobahn's: that collects details of the transport that nobody reads here.
        self.peer = str(self.transport.getPeer())
        with suppress(AttributeError, OSError):
            self.transport.setTcpNoDelay(True)
        self._connectionMade()
        self.connected_to_peer()

    @override
    def read_frames(self, data: bytes) -> None:
        session = self.session
        if session is None:
            self._read_without_session(data)
            return
        super().read_frames(data)

    def _read_without_session(self, data: bytes) -> None:
        if self.state != _CONNECTING:
            if not self.data and data.startswith(_HTTP):
                self.data = data
                self._refused_after_all()
            else:
                super().read_frames(data)
        elif self._refused:
            self.data += data
            self._read_refusal()
        else:
            self._answer_received(data)

    def _answer_received(self, data: bytes) -> None:
        try:
            # There are no frames yet.
            self._dataReceived(data)
        except Exception as exc:
            if self.opened.called:
                raise
            # Autobahn expects every server to speak HTTP.
            self._failed(not_engine_io(f"it answered without HTTP: {exc}", error=exc))
            return
        if self.state == _CONNECTING and len(self.data) > _MAX_ANSWER:
            self._failed(not_engine_io("it answered the opening request without end"))

    @override
    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        if self._refused:
            self._failed(self._refusal())
        else:
            self._failed(connect_failed(reason.value))

    def _failed(self, error: ConnectFailed) -> None:
        if not self.opened.called:
            self.opened.errback(error)
            self.transport.abortConnection()

    # --- called by Autobahn -----------------------------------------------------------

    @override
    def startHandshake(self) -> None:
        self._actuallyStartHandshake(self.factory.opening_request)

    @override
    def failHandshake(self, reason: str) -> None:
        self._refused = True
        self.wasNotCleanReason = reason
        self._read_refusal()

    @override
    def _onOpen(self) -> None:
        self.receiver = self.factory.receiver
        self.opened.callback(None)
        if self.data.startswith(_HTTP):
            self._refused_after_all()

    @override
    def _onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self._said_goodbye and wasClean and self.session is not None:
            self.session.transport_done()
        else:
            super()._onClose(wasClean, code, reason)

    # --- an answer that is not 101 ----------------------------------------------------

    def _read_refusal(self) -> None:
        """Tell why there will be no WebSocket, once the answer is here."""
        head, _, body = self.data.partition(_END_OF_HEAD)
        length = self.http_headers.get("content-length", "")
        expected = int(length) if length.isdecimal() else 0
        if len(body) >= min(expected, _MAX_ANSWER - len(head)):
            self._failed(self._refusal())

    def _refusal(self) -> ConnectFailed:
        status = self.http_status_line.split()[1:2]
        if not status or not status[0].isdecimal():
            return not_engine_io(str(self.wasNotCleanReason))
        if int(status[0]) == _SWITCHING_PROTOCOLS:
            return not_engine_io(
                str(self.wasNotCleanReason), status=_SWITCHING_PROTOCOLS
            )
        _, _, body = self.data.partition(_END_OF_HEAD)
        return refused(Answer(int(status[0]), "", body))

    def _refused_after_all(self) -> None:
        """Take an HTTP error where a frame should be.

        engine.io up to 6.6 answers 101 before it looks at the protocol revision.
        """
        head, _, body = self.data.partition(_END_OF_HEAD)
        self.data = b""
        status = head.split()[1:2]
        if self.receiver is not None and status and status[0].isdigit():
            self.receiver.transport_failed(refused(Answer(int(status[0]), "", body)))
        self.transport.abortConnection()

    # --- IPacketTransport -------------------------------------------------------------

    @override
    def close(self) -> bool:
        """Send a close frame; the session waits for the server's.

        Only that tells that the server has got everything.
        """
        self._said_goodbye = True
        self.sendCloseFrame()
        return False


class ClientWebSocketFactory(WebSocketClientFactory):
    """Builds one WebSocket.

    Args:
        target: The server.
        resource: Path and query to ask for.
        headers: More headers.
        codec: Of the session's revision.
        receiver: Who is told what comes in, from the first frame on.
        limit: Bytes of a message, at most.
        clock: The reactor.

    Attributes:
        opening_request: What Autobahn asks the server for.
        websocket: The WebSocket, once there is a connection.
        short_path: Whether simple frames may go around Autobahn's parser.
        turns: Keeps the server from occupying the reactor.
    """

    noisy = False

    def __init__(  # noqa: PLR0913  # each is a fact of its own
        self,
        target: Target,
        resource: str,
        headers: dict[str, str],
        *,
        codec: Codec,
        receiver: IPacketReceiver,
        limit: int,
        clock: IReactorTime,
    ) -> None:
        super().__init__(reactor=clock)
        self.websocket: ClientWebSocketProtocol | None = None
        self.short_path = True
        self.turns = turns_of(clock)
        self.receiver = receiver
        self._codec = codec
        # Autobahn puts the host into a header as it is.
        host = f"[{target.host}]" if ":" in target.host else target.host
        self.opening_request = ConnectingRequest(
            host=host, port=target.port, resource=resource, headers=headers
        )
        self.setProtocolOptions(
            **protocol_options(limit),
            # Kept here, on the client's clock.
            serverConnectionDropTimeout=0,
        )

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        self.websocket = protocol = ClientWebSocketProtocol(self._codec)
        protocol.factory = self
        return protocol


async def open_websocket(
    endpoint: IStreamClientEndpoint, factory: ClientWebSocketFactory
) -> ClientWebSocketProtocol:
    """Connect, and ask the server for a WebSocket.

    Raises:
        ConnectFailed: There is none, for whatever reason.
        CancelledError: The attempt was cancelled.
    """
    try:
        await endpoint.connect(factory)
    except Exception as exc:
        raise connect_failed(exc) from exc
    websocket = factory.websocket
    assert websocket is not None
    await websocket.opened
    return websocket
