"""A connection leaves HTTP for WebSocket: the request is checked, then taken over."""

from __future__ import annotations

from typing import Final

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import codec_for
from txengineio.server.session import IEngine
from txengineio.server.transports.answers import let_change
from txengineio.server.transports.deflate import negotiate_deflate
from txengineio.server.transports.opening import BadOpening, OpeningRequest
from txengineio.server.transports.websocket import (
    EngineWebSocketFactory,
    ServerWebSocket,
)
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.websocket.deflate import Deflater

__all__ = ["become_websocket", "check_websocket"]

_UNAVAILABLE: Final = 503


def check_websocket(
    request: IncomingRequest, engine: IEngine
) -> tuple[OpeningRequest, Deflater | None]:
    """Check a request for a WebSocket, before anything is built for it.

    Returns:
        What it asks for, and the compression that is agreed on.

    Raises:
        BadOpening: It breaks a rule of RFC 6455, or the engine opens no sessions.
        RequestRejected: It has no connection of its own to take over.
    """
    if not engine.is_open:
        raise BadOpening("Service Unavailable", _UNAVAILABLE)
    if not request.can_take_over():
        raise RequestRejected(
            ErrorCode.BAD_REQUEST,
            name="TRANSPORT_HANDSHAKE_ERROR",
            context={"error": "no HTTP/1.1"},
        )
    asked = OpeningRequest.of(request)
    options = engine.options.per_message_deflate
    if options is None or not asked.extensions:
        return asked, None
    return asked, negotiate_deflate(asked.extensions, options)


def become_websocket(
    engine: IEngine,
    websockets: EngineWebSocketFactory,
    request: IncomingRequest,
    query: SessionQuery,
    asked: tuple[OpeningRequest, Deflater | None],
    *,
    first: bool,
) -> tuple[ServerWebSocket, bytes]:
    """Make a request's connection a WebSocket.

    Args:
        engine: The engine.
        websockets: Builds its WebSockets.
        request: The request.
        query: What it asks for.
        asked: What `check_websocket` has returned.
        first: Whether a session is opened on it; otherwise one moves to it.

    Returns:
        The WebSocket, and what has been received after the request already.
    """
    headers = let_change(engine, request, request.headers_so_far(), first)
    codec = codec_for(query.revision)
    websocket = websockets.build(codec, query.supports_binary)
    early = request.take_over(websocket.connection)
    opening, deflate = asked
    websocket.accept(opening, headers, deflate)
    return websocket, early
