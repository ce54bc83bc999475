"""Requests that have to arrive in time, however slowly their bytes trickle in.

Twisted's time-out starts anew with each byte, so that one byte a minute keeps a
connection for hours. Here the head of a request as a whole has a deadline, and so has
its body, by its size. Between two requests, Twisted's time-out stays what it is.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import (
    HTTPChannel,
    HTTPFactory,
    Request,
    _GenericHTTPChannelProtocol,
)
from typing_extensions import override

from txengineio.server.http import EngineIORequest
from txengineio.server.whole import whole_request
from txengineio.session.direct import can_write_directly

__all__ = ["HEAD_TIMEOUT", "MIN_BODY_RATE", "PunctualChannel", "punctual_channel"]

HEAD_TIMEOUT: Final = 20.0
"""Seconds from the first byte of a request to the end of its headers."""

BODY_TIMEOUT: Final = 30.0
"""Seconds that any body may take."""

MIN_BODY_RATE: Final = 1000.0
"""Bytes of a body for which there is another second."""

_MIN_LEFT: Final = 0.001
"""Seconds of the idle time-out that are worth waiting for."""


class PunctualChannel(HTTPChannel):
    """A connection on which requests have to arrive in time."""

    _deadline: IDelayedCall | None = None
    _time = HEAD_TIMEOUT
    _is_complete = False
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
        """Receive a piece of a request; if it is not the last, wait, but not long."""
        if self._is_between and self._take_whole(data):
            return
        self._is_between = False
        self._is_complete = False
        super().dataReceived(data)
        # Afterwards, so that a request that comes in one piece costs nothing.
        waits = not self._is_complete and not self._handlingRequest
        if waits and self._deadline is None and self._is_there():
            self._deadline = self.callLater(self._time, self._too_late)

    def _take_whole(self, data: bytes) -> bool:
        """Serve a request for an engine that has come whole; say whether it is one."""
        received = whole_request(data) if self.site.short_path else None
        if received is None or self.requestFactory is not EngineIORequest:
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
        # TLS goes on reading until the other side has closed the connection as well.
        self._is_between = is_last and bool(self.persistent)

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

    def _is_there(self) -> bool:
        transport: Any = self.transport
        return not transport.disconnecting and self._abortingCall is None

    @override
    def headerReceived(self, line: bytes) -> bool:
        """Receive a header, unless it has a number that Python does not convert."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            # A length of thousands of digits.
            self._respondToBadRequestAndDisconnect()
            return False

    @override
    def allHeadersReceived(self) -> None:
        """Give the body its own time; the headers are complete."""
        self._met()
        # A chunked body does not say how long it is.
        length = getattr(self, "length", None) or 0
        self._time = BODY_TIMEOUT + length / MIN_BODY_RATE
        super().allHeadersReceived()

    @override
    def allContentReceived(self) -> None:
        """Wait no more; the request is complete."""
        self._met()
        self._is_complete = True
        self._time = HEAD_TIMEOUT
        super().allContentReceived()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Wait no more; there is nobody to wait for."""
        self._met()
        super().connectionLost(reason)

    def _met(self) -> None:
        if self._deadline is not None:
            deadline, self._deadline = self._deadline, None
            deadline.cancel()

    def _too_late(self) -> None:
        self._deadline = None
        self._log.info(
            "a request has not arrived within {seconds} s; its connection is dropped",
            seconds=self._time,
        )
        transport: Any = self.transport
        transport.abortConnection()


class _NegotiatedChannel(_GenericHTTPChannelProtocol):
    """Twisted's, which speaks the protocol that is negotiated with TLS."""

    def makeConnection(self, transport: Any) -> None:
        """Get out of the way where nothing is negotiated."""
        if can_write_directly(transport):
            transport.protocol = self._channel
        self._channel.makeConnection(transport)


def punctual_channel(_factory: HTTPFactory) -> _GenericHTTPChannelProtocol:
    """Make what Twisted makes for each connection, with a `PunctualChannel` in it.

    Where HTTP/2 is negotiated, Twisted puts a channel of its own in its place.
    """
    return _NegotiatedChannel(PunctualChannel())
