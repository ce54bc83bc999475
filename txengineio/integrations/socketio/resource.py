"""A Socket.IO server in any ``twisted.web`` site."""

from __future__ import annotations

from typing import Final

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.interfaces import IReactorCore

from txengineio.errors import InvalidOption
from txengineio.integrations.socketio.async_server import AsyncServer
from txengineio.integrations.socketio.server import Server
from txengineio.server.web.resource import EngineIOResource

__all__ = ["SocketIOResource"]

_EXPECTED: Final = "a Server, ThreadedServer or AsyncServer of txengineio.socketio"


class SocketIOResource(EngineIOResource):
    """Serves a Socket.IO server, usually as the child ``socket.io`` of a site's root.

    Args:
        server: A `Server`, `ThreadedServer` or `AsyncServer`.

    Raises:
        InvalidOption: It is something else, or an `AsyncServer`, and the reactor is not
            that of asyncio.
    """

    def __init__(self, server: Server | AsyncServer) -> None:
        if not isinstance(server, Server | AsyncServer):
            raise InvalidOption("server", _EXPECTED, server)
        if isinstance(server, AsyncServer):
            _check_reactor(server)
        super().__init__(server.engine)


def _check_reactor(server: AsyncServer) -> None:
    clock = server.engine.clock
    # In a test it may be a Clock.
    if IReactorCore.providedBy(clock) and not isinstance(clock, AsyncioSelectorReactor):
        expected = (
            f"a Server or ThreadedServer, as the reactor {type(clock).__name__} cannot "
            "run an AsyncServer: that needs twisted.internet.asyncioreactor.install() "
            "before the reactor is imported"
        )
        raise InvalidOption("server", expected, server)
