"""Autobahn's factories, with what the connections of a server, or a client, share."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketServerFactory
from autobahn.websocket.types import ConnectingRequest
from twisted.internet.interfaces import IReactorTime

from txengineio.net.turns import turns_of
from txengineio.websocket._autobahn import ServerConnection
from txengineio.websocket.limits import FrameLimits, protocol_options

__all__ = ["ClientFactory", "ServerFactory"]


class ServerFactory(WebSocketServerFactory):
    """Knows what the connections of a server have in common.

    Args:
        limits: What each peer may send.
        clock: The reactor.

    Attributes:
        connections: The connections that are not lost yet.
        limits: As given.
        short_path: Whether what is in a frame may be read without Autobahn's parser.
            To be set before connections come.
        turns: Keeps a peer from occupying the reactor.
    """

    noisy = False

    def __init__(self, limits: FrameLimits, clock: IReactorTime) -> None:
        super().__init__(reactor=clock, server="")
        self.limits = limits
        self.short_path = True
        self.turns = turns_of(clock)
        self.connections: set[ServerConnection] = set()
        self.setProtocolOptions(**protocol_options(limits.max_size))

    def connection_lost(self, connection: ServerConnection) -> None:
        """Forget a connection that is lost."""
        self.connections.discard(connection)


class ClientFactory(WebSocketClientFactory):
    """Opens one WebSocket of a client.

    Args:
        host: The server's, as headers and URLs have it.
        port: The server's.
        resource: Path and query to ask for.
        headers: More headers.
        limits: What the server may send.
        clock: The reactor.

    Attributes:
        limits: As given.
        opening_request: What the server is asked for.
        short_path: As in `ServerFactory`.
        turns: As in `ServerFactory`.
    """

    noisy = False

    def __init__(
        self,
        host: str,
        port: int,
        resource: str,
        headers: dict[str, str],
        *,
        limits: FrameLimits,
        clock: IReactorTime,
    ) -> None:
        super().__init__(reactor=clock)
        self.limits = limits
        self.short_path = True
        self.turns = turns_of(clock)
        self.opening_request = ConnectingRequest(
            host=host, port=port, resource=resource, headers=headers
        )
        self.setProtocolOptions(
            **protocol_options(limits.max_size), serverConnectionDropTimeout=0
        )
