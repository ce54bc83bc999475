"""A relay that a test can let swallow everything, as a broken network does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.python.failure import Failure
from typing_extensions import override

from tests.interop.launch import LOOPBACK

__all__ = ["Relay"]


class _Connection(ProxyServer):
    factory: Relay

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.connections.append(self)
        if self.factory.swallows:
            self.transport.pauseProducing()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.factory.connections.remove(self)

    def transports(self) -> list[Any]:
        """Return those of both sides, as far as they are connected."""
        ways = [self, self.peer]
        return [each.transport for each in ways if each is not None]


class Relay(ProxyFactory):
    """Passes on what comes, until it `swallow`\\ s.

    Nothing is closed then: both sides wait for what does not come. What is sent
    meanwhile arrives later, as TCP sends it again.

    Args:
        reactor: The reactor.
        port: Where to pass it on, on the loopback interface.
    """

    protocol = _Connection
    noisy = False

    def __init__(self, reactor: Any, port: int) -> None:
        super().__init__(LOOPBACK, port)
        self.reactor = reactor
        self.connections: list[_Connection] = []
        self.swallows = False
        self._port: Any = None

    async def listen(self) -> int:
        """Listen; return the port."""
        endpoint = TCP4ServerEndpoint(self.reactor, 0, interface=LOOPBACK)
        self._port = await endpoint.listen(self)
        port: int = self._port.getHost().port
        return port

    def swallow(self) -> None:
        """Pass nothing on any more."""
        self.swallows = True
        for each in self.connections:
            for transport in each.transports():
                transport.pauseProducing()

    def pass_on(self) -> None:
        """Pass everything on again."""
        self.swallows = False
        for each in self.connections:
            for transport in each.transports():
                transport.resumeProducing()

    async def close(self) -> None:
        """Stop listening, and drop the connections."""
        await self._port.stopListening()
        for each in list(self.connections):
            gone: Deferred[None] = Deferred()
            self.reactor.callLater(0, gone.callback, None)
            each.transports()[0].abortConnection()
            await gone
