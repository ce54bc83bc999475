"""Connections to a site that serves engines: the short path of their requests.

A request to an engine that comes whole is served without Twisted's parser; everything
else goes on to that, with the deadlines of a `PunctualChannel`.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request, _GenericHTTPChannelProtocol
from typing_extensions import override

from txengineio.server.http import EngineIORequest
from txengineio.server.punctuality import PunctualChannel
from txengineio.server.whole import whole_request
from txengineio.session.direct import can_write_directly

__all__ = ["EngineIOChannel", "engine_channel"]

_MIN_LEFT: Final = 0.001
"""Seconds of the idle time-out that are worth waiting for."""


class EngineIOChannel(PunctualChannel):
    """A connection to an `EngineIOSite`."""

    # Whether what comes next begins a request, and Twisted's parser knows nothing yet.
    _is_between = True
    _served_at = 0.0
    _host: IAddress

    # Twisted sets it: an `EngineIOSite`.
    site: Any

    @override
    def connectionMade(self) -> None:
        """Find out now what cannot be asked when the connection is gone."""
        super().connectionMade()
        transport: Any = self.transport
        self._host = transport.getHost()

    @override
    def getHost(self) -> IAddress:
        """Return the address that the connection was made to."""
        return self._host

    @override
    def dataReceived(self, data: bytes) -> None:
        """Receive a request, or a piece of one."""
        if self._is_between and self._take_whole(data):
            return
        self._is_between = False
        super().dataReceived(data)

    def _take_whole(self, data: bytes) -> bool:
        """Serve a request for an engine that has come whole; say whether it is one."""
        received = whole_request(data) if self.site.short_path else None
        if received is None or self.requestFactory is not EngineIORequest:
            return False
        if not self.is_there():
            # TLS goes on reading until the other side has closed the connection, too.
            return False
        path = received.target.partition(b"?")[0]
        engine = self.site.engine_at(path)
        body = received.body
        if engine is None or (body and len(body) > engine.max_body_size):
            return False
        request = EngineIORequest.of_whole(self, engine, received, path)
        # As Twisted does before it hands over a request, but for the idle time-out:
        # to stop and start that costs more than to find out when it is over.
        self._is_between = False
        self.requests.append(request)
        self._handlingRequest = True
        self.setRawMode()
        request.process()
        return True

    @override
    def requestDone(self, request: Request) -> None:
        """Go on with the next request."""
        connection = getattr(request, "connection", None)
        if connection is not None and not self._dataBuffer:
            del self.requests[0]
            self._handlingRequest = False
            self.line_mode = 1
            self._is_between = True
            self._served_at = self.site.reactor.seconds()
            return
        is_last = not any(self._dataBuffer) and not self._buffer
        super().requestDone(request)
        self._is_between = is_last

    @override
    def timeoutConnection(self) -> None:
        """Close the connection, unless it was not idle for so long."""
        period = self.timeOut or 0
        passed = self.site.reactor.seconds() - self._served_at
        left = period if self._handlingRequest else period - passed
        # What rounding leaves may be less than what makes the time go on.
        if left > _MIN_LEFT:
            self.setTimeout(left)
            # For the next time; this one is the rest of it.
            self.timeOut = period
        else:
            super().timeoutConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the request that is not answered; forget it."""
        super().connectionLost(reason)
        # One that has come whole knows its channel: both would wait for the collector.
        self.requests = []


class _NegotiatedChannel(_GenericHTTPChannelProtocol):
    """Twisted's, which speaks the protocol that is negotiated with TLS."""

    def makeConnection(self, transport: Any) -> None:
        """Get out of the way where nothing is negotiated."""
        if can_write_directly(transport):
            transport.protocol = self._channel
        self._channel.makeConnection(transport)


def engine_channel(_factory: HTTPFactory) -> _GenericHTTPChannelProtocol:
    """Make what Twisted makes for each connection, with an `EngineIOChannel` in it.

    Where HTTP/2 is negotiated, Twisted puts a channel of its own in its place.
    """
    return _NegotiatedChannel(EngineIOChannel())
