"""A Socket.IO server in any ``twisted.web`` site."""

from __future__ import annotations

from txengineio.integrations.socketio.async_server import AsyncServer
from txengineio.integrations.socketio.server import Server
from txengineio.server.web.resource import EngineIOResource

__all__ = ["SocketIOResource"]


class SocketIOResource(EngineIOResource):
    """Serves a Socket.IO server, usually as the child ``socket.io`` of a site's root.

    Args:
        server: A `Server`, `ThreadedServer` or `AsyncServer`.
    """

    def __init__(self, server: Server | AsyncServer) -> None:
        super().__init__(server.engine)
