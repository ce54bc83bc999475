"""Connections of sockets that were accepted here, or by another process."""

from __future__ import annotations

from collections.abc import Callable
from socket import AF_INET, AF_INET6, socket
from typing import Any, Final

from twisted.internet.protocol import Factory
from twisted.logger import Logger
from typing_extensions import override

from txengineio.net.poller import poller_of
from txengineio.net.watched_connection import (
    WatchedConnection,
    internet_address,
    maker_of_connections,
)

__all__ = ["Acceptor", "deliver", "serve_socket"]

_INTERNET: Final = (AF_INET, AF_INET6)

_log = Logger()


class Acceptor:
    """Makes connections of sockets, and serves them.

    It keeps the `Poller` even while there is no connection: to make one for each takes
    longer than to serve a request.

    Args:
        reactor: The reactor.
        factory: What is served.
        watch: Whether a `Poller` may watch the connections, from their beginning on.
        listening: The socket that all of them come to; None if they come to several.
    """

    def __init__(
        self, reactor: Any, factory: Any, watch: bool, listening: socket | None = None
    ) -> None:
        self._reactor = reactor
        self._factory = factory
        self._make: Callable[..., WatchedConnection] | None = None
        watch = watch and (listening is None or listening.family in _INTERNET)
        poller = poller_of(reactor) if watch else None
        if poller is not None:
            self._make = maker_of_connections(poller, listening)

    def serve(self, accepted: socket, client: tuple[Any, ...] | None = None) -> Any:
        """Serve a connection; return its protocol.

        Args:
            accepted: Its socket, which belongs to the reactor then.
            client: The address of its other end, if that is known; the kernel is asked
                otherwise.

        Raises:
            OSError: Its other end is gone, or there is no descriptor left; it is
                closed.
        """
        try:
            if self._make is None:
                return self._adopt(accepted)
            client = client or accepted.getpeername()
            if type(client) is not tuple:
                # That of a Unix socket is a path.
                return self._adopt(accepted)
        except OSError:
            accepted.close()
            raise
        protocol = self._factory.buildProtocol(internet_address(client))
        if protocol is None:
            accepted.close()
            return None
        transport = self._make(
            accepted, protocol, client, None, client[1], self._reactor
        )
        protocol.makeConnection(transport)
        return protocol

    def _adopt(self, accepted: socket) -> Any:
        made = _Made(self._factory)
        with accepted:
            # It takes a copy.
            self._reactor.adoptStreamConnection(
                accepted.fileno(), accepted.family, made
            )
        return made.protocol


class _Made(Factory):
    """Makes one protocol, and keeps it."""

    noisy = False
    protocol: Any = None

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    @override
    def buildProtocol(self, addr: Any) -> Any:
        self.protocol = self._factory.buildProtocol(addr)
        return self.protocol


def serve_socket(reactor: Any, accepted: socket, factory: Any, watch: bool) -> Any:
    """Serve one connection, as an `Acceptor` does."""
    return Acceptor(reactor, factory, watch).serve(accepted)


def deliver(transport: Any, data: bytes) -> None:
    """Give a connection's protocol what was read before there was a connection.

    It is dropped if its protocol fails, as by the reactor.
    """
    if isinstance(transport, WatchedConnection):
        transport.reactor.deliver(transport, data)
        return
    try:
        transport.protocol.dataReceived(data)
    except Exception:
        _log.failure("{transport} is dropped", transport=transport)
        transport.abortConnection()
