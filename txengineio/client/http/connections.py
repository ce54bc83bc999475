"""The connections of a client: kept open, with a short path for simple answers.

A connection is Twisted's, with a short path around its parser: a request is written at
once, and if the answer is simple and comes in one piece, nothing else is needed. As
soon as anything else happens (an unusual answer, a part of one, a lost connection, a
cancelled request), Twisted's own code takes the request over, as if it had sent it.
Nothing but speed depends on the short path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse
from typing_extensions import override

from txengineio.client.http._twisted import TwistedConnection
from txengineio.client.http.answer_parser import Answer, parse_complete_answer
from txengineio.net.certificates import certificate_of
from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.reactor import MIN_DELAY

__all__ = ["ClientConnection", "Connections", "WrittenRequest"]

_IDLE_TIMEOUT: Final = 3
"""Seconds that a connection is kept for the next request.

A request that is sent just as the server times the connection out is lost with it. The
shortest common time-out is that of Node.js, five seconds.
"""

_MAX_IDLE: Final = 2
"""Connections that are kept: one for the poll, one for the POST."""


class WrittenRequest:
    """A request, as Twisted's connections expect one.

    Its own takes the headers apart, encodes them and counts the body for each request.

    Args:
        method: Of HTTP.
        resource: Path and query.
        data: All of it, as it is sent.

    Attributes:
        method: As given.
        resource: As given.
        data: As given; empty once that is sent.
    """

    __slots__ = ("data", "method", "resource")

    persistent = True

    def __init__(self, method: bytes, resource: str, data: bytes) -> None:
        self.method = method
        self.resource = resource
        self.data = data

    def writeTo(self, transport: Any) -> Deferred[None]:  # noqa: N802
        """Write it, all at once, unless that is done."""
        if self.data:
            transport.write(self.data)
        return succeed(None)

    def stopWriting(self) -> None:  # noqa: N802
        """Do nothing: all is written."""


class ClientConnection(TwistedConnection):
    """One connection with the server; it carries one request at a time.

    Args:
        connections: Where it goes when it is idle.

    Attributes:
        idle_since: When it became idle last.
    """

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections.put)
        self.idle_since = 0.0
        self._connections = connections
        self._direct = False
        # What was written, and who waits for the answer, if the short path was taken.
        self._request: WrittenRequest | None = None
        self._answered: Deferred[Answer] | None = None
        # The answer to the last request that was left to Twisted.
        self._response: Deferred[Answer] | None = None

    @property
    def is_usable(self) -> bool:
        """Whether a request can be made."""
        return self.is_quiescent and not self.transport.disconnecting

    def exchange(self, request: WrittenRequest) -> Deferred[Answer]:
        """Make a request.

        Returns:
            The answer. It fails as Twisted's requests do, or as ``read`` of the pool
            does. Cancelling it drops the connection.
        """
        if not self._connections.short_path or not self.is_quiescent:
            return self._request_by_twisted(request)
        answered: Deferred[Answer] = Deferred(self._cancelled)
        self._request, self._answered = request, answered
        data, request.data = request.data, b""
        if self._direct:
            write_directly(self.transport, data)
        else:
            self.transport.write(data)
        return answered

    def _request_by_twisted(self, request: WrittenRequest) -> Deferred[Answer]:
        response: Deferred[Any] = self.request(request)  # type: ignore[arg-type]
        return response.addCallback(self._connections.read, request.resource)

    def _leave_short_path(self) -> None:
        """Let Twisted go on with the request that has been written."""
        answered, request = self._answered, self._request
        self._answered = self._request = None
        assert answered is not None
        assert request is not None
        self._response = self._request_by_twisted(request)
        self._response.chainDeferred(answered)

    def _cancelled(self, answered: Deferred[Answer]) -> None:
        if self._answered is answered:
            self._leave_short_path()
        assert self._response is not None
        self._response.cancel()

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self._direct = can_write_directly(self.transport)

    @override
    def dataReceived(self, data: bytes) -> None:
        answered = self._answered
        if answered is not None:
            answer = parse_complete_answer(data, self._connections.limit)
            if answer is not None:
                self._answered = self._request = None
                # First: the code that gets the answer may make the next request.
                self._connections.put(self)
                answered.callback(answer)
                return
            self._leave_short_path()
        super().dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._answered is not None:
            self._leave_short_path()
        self._connections.lost(self)
        super().connectionLost(reason)


class _ConnectionFactory(Factory):
    noisy = False

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @override
    def buildProtocol(self, addr: IAddress | None) -> ClientConnection:
        connection = ClientConnection(self._connections)
        self._connections.made(connection)
        return connection


class Connections:
    """The connections of one client with its server, as a pool for Twisted's agent.

    Twisted's own pool makes and cancels a call for each request.

    Args:
        clock: Where time comes from.
        limit: Bytes of the body of an answer, at most, on the short path.
        read: Called with a response of Twisted's and what was asked for; returns the
            answer.

    Attributes:
        limit: As given.
        read: As given.
        persistent: True: connections are used again.
        short_path: Whether answers that come in one piece go around Twisted's parser.
    """

    persistent = True

    def __init__(
        self,
        clock: IReactorTime,
        limit: int,
        read: Callable[[IResponse, str], Deferred[Answer]],
    ) -> None:
        self.limit = limit
        self.read = read
        self.short_path = True
        self._clock = clock
        self._factory = _ConnectionFactory(self)
        # The one that has been idle longest comes first.
        self._idle: list[ClientConnection] = []
        # The connection that was made last, unless it is lost.
        self._last: ClientConnection | None = None
        self._certificate: Any = None
        self._expiry: IDelayedCall | None = None

    def take(self) -> ClientConnection | None:
        """Return a connection that was idle, if there is one."""
        while self._idle:
            connection = self._idle.pop(0)
            # It may have been lost meanwhile, or the server may be about to close it.
            if connection.is_usable:
                return connection
        return None

    def getConnection(  # noqa: N802  # as an agent calls it
        self, key: object, endpoint: IStreamClientEndpoint
    ) -> Deferred[Any]:
        """Return a connection that was idle, or a new one.

        Args:
            key: Ignored: all requests go to the same server.
            endpoint: Makes new connections.
        """
        connection = self.take()
        if connection is not None:
            return succeed(connection)
        connecting: Deferred[Any] = endpoint.connect(self._factory)
        return connecting

    def put(self, connection: ClientConnection) -> None:
        """Keep a connection that has become idle."""
        connection.idle_since = self._clock.seconds()
        self._idle.append(connection)
        if len(self._idle) > _MAX_IDLE:
            self._idle.pop(0).transport.loseConnection()
        if self._expiry is None:
            # The call is not moved with each request; it checks which connections are
            # due.
            self._expiry = self._clock.callLater(_IDLE_TIMEOUT, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        now = self._clock.seconds()
        while self._idle:
            left = self._idle[0].idle_since + _IDLE_TIMEOUT - now
            if left > MIN_DELAY:
                self._expiry = self._clock.callLater(left, self._expire)
                return
            self._idle.pop(0).transport.loseConnection()

    def made(self, connection: ClientConnection) -> None:
        """Note a new connection, which has yet to see the server's certificate."""
        self.certificate()
        self._last = connection

    def lost(self, connection: ClientConnection) -> None:
        """Forget a connection, but not the certificate that it has seen."""
        if self._last is connection:
            self.certificate()
            self._last = None

    def certificate(self) -> Any:
        """Return the certificate that the server showed last: see `certificate_of`."""
        last = None if self._last is None else certificate_of(self._last.transport)
        if last is not None:
            self._certificate = last
        return self._certificate

    def close(self) -> None:
        """Drop the idle connections."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.abort()
