"""Connections to a site that serves engines: the short path of their requests.

A request to an engine that comes in one piece is served without Twisted's parser; all
others go on to that parser, with the deadlines of a `TimedChannel`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request
from typing_extensions import override

from txengineio.net.direct_writes import can_write_directly
from txengineio.net.watched_connection import watch_closely, watch_port
from txengineio.reactor import MIN_DELAY
from txengineio.server.web._twisted import NegotiatedChannel
from txengineio.server.web.request import EngineIORequest
from txengineio.server.web.request_parser import Fields, parse_complete_request
from txengineio.server.web.request_timeouts import TimedChannel

__all__ = ["EngineIOChannel", "engine_channel"]


class EngineIOChannel(TimedChannel):
    """A connection to an `EngineIOSite`.

    Attributes:
        writes_directly: Whether there is nothing between the channel and its socket.
        about_client: What other nodes are told about the client, if anything was; for
            requests that come in one piece.
    """

    # Whether what comes next begins a request, of which Twisted's parser knows nothing.
    _is_between = True
    _served_at = 0.0

    # When the serving of requests began in this turn of the reactor; and the answered
    # request whose successor waits until others have had their turn.
    _began: float | None = None
    _done: Request | None = None

    _host: IAddress

    # Twisted sets it: an `EngineIOSite`.
    site: Any

    writes_directly = False
    about_client: bytes | None = None

    # Kept by the site's `TimerWheel`.
    due_bucket: int | None = None

    @override
    def connectionMade(self) -> None:
        """Keep the addresses, which cannot be asked for when the connection is gone."""
        transport: Any = self.transport
        site = self.site
        if site.is_watched and watch_closely(transport):
            watch_port(transport.server)
        self.writes_directly = can_write_directly(transport)
        if self.writes_directly:
            # As Twisted's method, which first checks what the transport can do.
            transport.setTcpNoDelay(True)
            self.setTimeout(self.timeOut)
            self.produce_from(transport)
        else:
            super().connectionMade()
        self._host = transport.getHost()
        self._last: dict[bytes, Fields] = {}

    @override
    def getHost(self) -> IAddress:
        """Return the address that the connection was made to."""
        return self._host

    @override
    def isSecure(self) -> bool:
        """Whether the connection is one of TLS."""
        # Twisted asks for an adapter, each time.
        return not self.writes_directly and bool(super().isSecure())

    @override
    def dataReceived(self, data: bytes) -> None:
        """Receive a request, or a piece of one."""
        if self._is_between:
            elsewhere = self.site.elsewhere
            if elsewhere is not None and elsewhere.takes_connection(self, data):
                return
            if self._serve_complete(data):
                return
        self._is_between = False
        if self._began is not None:
            # Twisted's channel calls this with what has come after an answered request.
            super().dataReceived(data)
            return
        self._began = self.site.turns.seconds()
        try:
            super().dataReceived(data)
        finally:
            self._began = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come, and every answer has left."""
        return self._is_between and not self.is_handling

    def _serve_complete(self, data: bytes) -> bool:
        """Serve a request to an engine that has come in one piece; say if it is one."""
        site = self.site
        received = parse_complete_request(data, self._last) if site.short_path else None
        if received is None or self.requestFactory is not EngineIORequest:
            return False
        if not self.is_there():
            # TLS goes on reading until the other side has closed the connection, too.
            return False
        method, target, fields, body = received
        path = target.partition(b"?")[0]
        engine = site.engine_at(path)
        if engine is None or (body and len(body) > engine.body_limits.max_size):
            return False
        self._last[method] = fields
        request = EngineIORequest.of_complete(self, received, path)
        request.engine = engine
        self._is_between = False
        self.start_handling(request)
        request.process()
        return True

    @override
    def requestDone(self, request: Request) -> None:
        """Go on with the next request."""
        received_by = getattr(request, "received_by", None)
        if received_by is not None and self.stop_handling():
            self._is_between = True
            self._served_at = self.site.reactor.seconds()
            return
        is_last = self.is_last()
        if is_last or not self._has_to_wait():
            super().requestDone(request)
            self._is_between = is_last
        else:
            # Until then those after it are kept, as if it had not been answered.
            self._done = request
            self.site.turns.wait(self._go_on)

    def _has_to_wait(self) -> bool:
        """Whether other connections get their turn before the next request is served.

        They always do after a request that was answered late, amid other work.
        """
        return self._began is None or self.site.turns.is_over(self._began)

    def _go_on(self) -> None:
        """Serve the requests that were sent without waiting for answers."""
        if self._done is not None:
            request, self._done = self._done, None
            self._began = self.site.turns.seconds()
            try:
                self.requestDone(request)
            finally:
                self._began = None

    # Twisted's time-out, without a call of the reactor for each connection.

    @override
    def setTimeout(self, period: Any) -> Any:
        """Close the connection after so many idle seconds; never if it is None."""
        before, self.timeOut = self.timeOut, period
        if period is None:
            self.site.timers.cancel(self)
        else:
            self.site.timers.schedule(self, period)
        return before

    @override
    def resetTimeout(self) -> None:
        """Restart the idle time."""
        if self.due_bucket is not None and self.timeOut is not None:
            self.site.timers.schedule(self, self.timeOut)

    def due(self) -> None:
        """Act: the time has come."""
        self.timeoutConnection()

    @override
    def timeoutConnection(self) -> None:
        """Close the connection, unless it was not idle for so long."""
        period = self.timeOut or 0
        passed = self.site.reactor.seconds() - self._served_at
        left = period if self.is_handling else period - passed
        if left > MIN_DELAY:
            self.site.timers.schedule(self, left)
        else:
            super().timeoutConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the unanswered request, and forget it."""
        if self._done is not None:
            self._done = None
            del self.requests[0]
        super().connectionLost(reason)
        # A complete request refers to its channel: the cycle would wait for the
        # collector.
        self.requests = []


def engine_channel(_factory: HTTPFactory) -> NegotiatedChannel:
    """Make what Twisted makes for each connection, with an `EngineIOChannel` in it.

    Where HTTP/2 is negotiated, Twisted puts a channel of its own in its place.
    """
    return NegotiatedChannel(EngineIOChannel())
