"""The WebSockets of a client.

`txengineio.websocket` opens the connection. This module explains why a server did not
open it.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from typing_extensions import override
from zope.interface import implementer

from txengineio.client.failures import connect_failed, not_engine_io, refused
from txengineio.client.http.http_client import Answer
from txengineio.client.target import Target
from txengineio.errors import ConnectFailed
from txengineio.net.certificates import certificate_of
from txengineio.protocol.codec import Codec
from txengineio.session.interfaces import IPacketReceiver
from txengineio.session.websocket import WebSocketTransport
from txengineio.websocket._autobahn import ClientConnection
from txengineio.websocket.factories import ClientFactory
from txengineio.websocket.interfaces import IClientWebSocketOwner
from txengineio.websocket.limits import FrameLimits

__all__ = ["ClientWebSocket", "ClientWebSocketFactory", "open_websocket"]

_MAX_ANSWER: Final = 65536
"""Bytes that the answer to the opening request may have."""

_SWITCHING_PROTOCOLS: Final = 101
_END_OF_HEAD: Final = b"\r\n\r\n"
_HTTP: Final = b"HTTP/1."


@implementer(IClientWebSocketOwner)
class ClientWebSocket(WebSocketTransport):
    """One WebSocket of a client.

    Args:
        connection: What it is made of.
        codec: Of the session's revision.
        receiver: The receiver of the input, from the first frame on.

    Attributes:
        opened: Fires when the server has accepted the WebSocket, or fails with
            `ConnectFailed`. Cancelling it drops the connection.
    """

    __slots__ = (
        "_answer",
        "_certificate",
        "_first_receiver",
        "_reason",
        "_said_goodbye",
        "opened",
    )

    connection: ClientConnection

    def __init__(
        self, connection: ClientConnection, codec: Codec, receiver: IPacketReceiver
    ) -> None:
        super().__init__(connection, codec, True)
        self.opened: Deferred[None] = Deferred(self._cancelled)
        self._first_receiver = receiver
        # The part of an answer that has come, if it is not 101; and why it is not.
        self._answer: bytes | None = None
        self._reason = ""
        self._said_goodbye = False
        self._certificate: Any = None

    def _cancelled(self, _opened: Deferred[None]) -> None:
        self.connection.transport.abortConnection()

    @property
    def cookies(self) -> list[str]:
        """The cookies that the server has set with its answer."""
        # Autobahn joins several headers by commas, which cookies themselves may
        # contain.
        lines = self.connection.http_response_data.decode("latin-1").split("\r\n")
        headers = (line.partition(":") for line in lines[1:])
        return [
            value.strip() for name, _, value in headers if name.lower() == "set-cookie"
        ]

    def certificate(self) -> Any:
        """Return the server's certificate: see `certificate_of`."""
        return self._certificate

    # --- IClientWebSocketOwner --------------------------------------------------------

    @override
    def data_received(self, data: bytes) -> None:
        if self.session is not None:
            super().data_received(data)
        elif self._answer is not None:
            self._answer += data
            self._read_refusal()
        elif data.startswith(_HTTP) and self.connection.reader.is_between_messages:
            self._refused_after_all(data)
        else:
            super().data_received(data)

    def opening_continued(self, size: int) -> None:
        """Wait for the rest of the answer, but not for ever."""
        if size > _MAX_ANSWER:
            self._failed(not_engine_io("it answered the opening request without end"))

    def opening_failed(self, error: Exception) -> None:
        """Give up."""
        self._failed(not_engine_io(f"it answered without HTTP: {error}", error=error))

    def opening_refused(self, reason: str, answer: bytes) -> None:
        """Read the answer to its end."""
        self._reason = reason
        self._answer = answer
        self._read_refusal()

    def websocket_opened(self) -> None:
        """Tell those who wait for the end."""
        self.receiver = self._first_receiver
        # Asked now: a connection that is lost does not know it any more.
        self._certificate = certificate_of(self.connection.transport)
        self.opened.callback(None)

    @override
    def websocket_closed(self, is_clean: bool) -> None:
        if self._said_goodbye and is_clean and self.session is not None:
            self.session.transport_done()
        else:
            super().websocket_closed(is_clean)

    def connection_lost(self, reason: Any) -> None:
        """Tell those who wait for the opening."""
        if self._answer is not None:
            self._failed(self._refusal(self._answer))
        else:
            self._failed(connect_failed(reason.value))

    def _failed(self, error: ConnectFailed) -> None:
        if not self.opened.called:
            self.opened.errback(error)
            self.connection.transport.abortConnection()

    # --- an answer that is not 101 ----------------------------------------------------

    def _read_refusal(self) -> None:
        """Tell why there will be no WebSocket, once the answer is here."""
        answer = self._answer or b""
        head, _, body = answer.partition(_END_OF_HEAD)
        length = _content_length(head)
        if len(body) >= min(length, _MAX_ANSWER - len(head)):
            self._failed(self._refusal(answer))

    def _refusal(self, answer: bytes) -> ConnectFailed:
        head, _, body = answer.partition(_END_OF_HEAD)
        status = head.partition(b"\r\n")[0].split()[1:2]
        if not status or not status[0].isdigit():
            return not_engine_io(self._reason)
        if int(status[0]) == _SWITCHING_PROTOCOLS:
            return not_engine_io(self._reason, status=_SWITCHING_PROTOCOLS)
        return refused(Answer(int(status[0]), "", body))

    def _refused_after_all(self, data: bytes) -> None:
        """Take an HTTP error where a frame should be.

        engine.io up to 6.6 answers 101 before it looks at the protocol revision.
        """
        head, _, body = data.partition(_END_OF_HEAD)
        status = head.split()[1:2]
        if self.receiver is not None and status and status[0].isdigit():
            self.receiver.transport_failed(refused(Answer(int(status[0]), "", body)))
        self.connection.transport.abortConnection()

    # --- IPacketTransport -------------------------------------------------------------

    @override
    def close(self) -> bool:
        """Send a close frame; the session waits for the server's.

        Only the server's close frame tells that it has received everything.
        """
        self._said_goodbye = True
        self.connection.close()
        return False


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value) if value.strip().isdigit() else 0
    return 0


class ClientWebSocketFactory(ClientFactory):
    """Builds one WebSocket.

    Args:
        target: The server.
        resource: Path and query to ask for.
        headers: More headers.
        codec: Of the session's revision.
        receiver: The receiver of the input, from the first frame on.
        limit: Bytes of a message, at most.
        clock: The reactor.

    Attributes:
        websocket: The WebSocket, once there is a connection.
    """

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
        # Autobahn puts the host into a header as it is.
        host = f"[{target.host}]" if ":" in target.host else target.host
        limits = FrameLimits(max_size=limit, seconds=clock.seconds)
        super().__init__(
            host, target.port, resource, headers, limits=limits, clock=clock
        )
        self.websocket: ClientWebSocket | None = None
        self._codec = codec
        self._receiver = receiver

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        connection = ClientConnection(self)
        self.websocket = ClientWebSocket(connection, self._codec, self._receiver)
        return connection


async def open_websocket(
    endpoint: IStreamClientEndpoint, factory: ClientWebSocketFactory
) -> ClientWebSocket:
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
