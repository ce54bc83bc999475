"""A relay that a test can let swallow everything, as a broken network does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from tests.interop.launch import LOOPBACK

__all__ = ["Relay"]


@implementer(IPushProducer)
class _Side(Protocol):
    """One of the two connections of a client; what comes by it goes to the other."""

    transport: Any = None

    def __init__(self, relay: Relay, other: _Side | None = None) -> None:
        self.relay = relay
        self.other = other
        self.is_lost = False
        self._is_slow = False

    @override
    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.relay.sides.append(self)
        self.update()
        if self.other is None:
            self.other = _Side(self.relay, self)
            server = TCP4ClientEndpoint(
                self.relay.reactor, LOOPBACK, self.relay.server_port
            )
            connecting = connectProtocol(server, self.other)
            connecting.addErrback(lambda _: self.transport.abortConnection())
            return
        self.transport.registerProducer(self.other, True)
        self.other.transport.registerProducer(self, True)
        self.other.update()

    def update(self) -> None:
        """Read what comes, or leave it to the kernel."""
        if self.is_lost:
            return
        other = self.other
        can_pass_on = other is not None and other.transport is not None
        if can_pass_on and not self._is_slow and not self.relay.swallows:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def pauseProducing(self) -> None:
        self._is_slow = True
        self.update()

    def resumeProducing(self) -> None:
        self._is_slow = False
        self.update()

    def stopProducing(self) -> None:
        """Do nothing: the end of the other side is told by that one."""

    @override
    def dataReceived(self, data: bytes) -> None:
        assert self.other is not None
        self.other.transport.write(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_lost = True
        if not self.relay.swallows:
            self.tell_end()

    def tell_end(self) -> None:
        """Let the other side end, too."""
        self.relay.sides.remove(self)
        other = self.other
        if other is not None and other.transport is not None and not other.is_lost:
            other.transport.unregisterProducer()
            other.transport.loseConnection()


class Relay(Factory):
    """Passes on what comes, until it `swallow`\\ s.

    Nothing is closed then: both sides wait for what does not come, also on connections
    that are made meanwhile. What is sent then arrives later, as TCP sends it again.

    Args:
        reactor: The reactor.
        server_port: Where to pass it on, on the loopback interface.

    Attributes:
        reactor: As given.
        server_port: As given.
        port: Where it listens; the same each time.
        sides: The connections that there are, or whose end is not told yet.
        swallows: Whether it passes nothing on.
    """

    noisy = False

    def __init__(self, reactor: Any, server_port: int) -> None:
        self.reactor = reactor
        self.server_port = server_port
        self.port = 0
        self.sides: list[_Side] = []
        self.swallows = False
        self._listening: Any = None

    @override
    def buildProtocol(self, addr: IAddress | None) -> _Side:
        return _Side(self)

    def listen(self) -> int:
        """Listen; return the port."""
        listening = self.reactor.listenTCP(self.port, self, interface=LOOPBACK)
        self._listening = listening
        self.port = listening.getHost().port
        return self.port

    def swallow(self) -> None:
        """Pass nothing on any more."""
        self.swallows = True
        for each in self.sides:
            each.update()

    def pass_on(self) -> None:
        """Pass everything on again, ends, too."""
        self.swallows = False
        for each in list(self.sides):
            if each.is_lost:
                each.tell_end()
            else:
                each.update()

    def close(self) -> Deferred[None]:
        """Drop the connections, and stop listening; fires when that is done."""
        self.pass_on()
        for each in list(self.sides):
            each.transport.abortConnection()
        return maybeDeferred(self._listening.stopListening)
