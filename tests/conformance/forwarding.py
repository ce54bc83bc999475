"""A node that has no sessions: it forwards each request to the one that has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import Request
from typing_extensions import override
from zope.interface import implementer

from txengineio import Engine
from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.forwarding.site import ForwardedSite
from txengineio.errors import TransportError
from txengineio.server.cluster import ClusterCounts
from txengineio.server.web.body_limits import BodyLimits
from txengineio.server.web.foreign_request import incoming
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ForwardingEngine"]

_READ_SIZE = 65536


class _End(StringTransport):
    """One end of a connection in memory; what is written there is received here."""

    other: _End
    protocol: Any

    def __init__(self, clock: Clock) -> None:
        super().__init__(lenient=True)
        self._clock = clock
        self._incoming = b""
        self._is_lost = False
        self._is_closing = False

    @override
    def write(self, data: bytes) -> None:
        if self._is_closing or self._is_lost:
            return
        other = self.other
        other._incoming += data
        self._clock.callLater(0, other.deliver)
        if len(other._incoming) > _READ_SIZE and self.producer is not None:
            self.producer.pauseProducing()

    @override
    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def deliver(self) -> None:
        while self.producerState == "producing" and self._incoming:
            if self._is_lost:
                return
            data = self._incoming[:_READ_SIZE]
            self._incoming = self._incoming[_READ_SIZE:]
            self.protocol.dataReceived(data)
        if not self._incoming:
            if self.other.producer is not None:
                self.other.producer.resumeProducing()
            if self.other._is_closing:
                self._lose(ConnectionDone())

    @override
    def resumeProducing(self) -> None:
        self.producerState = "producing"
        self._clock.callLater(0, self.deliver)

    @override
    def loseConnection(self) -> None:
        if not self._is_closing:
            self._is_closing = self.disconnecting = True
            self._clock.callLater(0, self.other.deliver)
            self._clock.callLater(0, self._lose, ConnectionDone())

    @override
    def abortConnection(self) -> None:
        self.disconnecting = True
        for end in (self, self.other):
            self._clock.callLater(0, end._lose, ConnectionAborted())

    def _lose(self, reason: Exception) -> None:
        if not self._is_lost:
            self._is_lost = self.disconnecting = True
            self.protocol.connectionLost(Failure(reason))

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, clock: Clock, site: ForwardedSite) -> None:
        self._clock = clock
        self._site = site

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        near, far = _End(self._clock), _End(self._clock)
        near.other, far.other = far, near
        near.protocol = protocolFactory.buildProtocol(near.getPeer())
        far.protocol = self._site.buildProtocol(far.getPeer())
        far.protocol.makeConnection(far)
        near.protocol.makeConnection(near)
        return succeed(near.protocol)


class _Upload:
    """A request whose body arrives."""

    is_refused = False

    def __init__(self, request: IncomingRequest, forwarder: Forwarder) -> None:
        self._request = request
        self._forwarder = forwarder

    def complete(self) -> None:
        self._forwarder.forward(self._request)

    def lost(self, error: TransportError) -> bool:
        self._forwarder.abandon(self._request)
        return True


class ForwardingEngine:
    """Stands in a site in place of an engine, which is at another node.

    Unlike a real one it forwards those requests, too, that open sessions.

    Args:
        engine: The engine.
        clock: The clock of both nodes.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        endpoint = _Endpoint(clock, ForwardedSite(engine, clock))
        self._forwarder = Forwarder(endpoint, clock, ClusterCounts(), self._lost)

    @property
    def body_limits(self) -> BodyLimits:
        return self._engine.body_limits

    def handle_request(self, request: Request) -> None:
        self._forwarder.forward(incoming(request))

    def body_begun(self, request: IncomingRequest) -> _Upload:
        return _Upload(request, self._forwarder)

    def _lost(self, request: IncomingRequest) -> None:
        raise AssertionError(f"nobody answers {request.method!r} {request.uri!r}")
