"""A client's HTTP requests: on connections that stay, with cookies, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any, Final, cast
from urllib.request import Request

from treq.client import HTTPClient
from treq.cookies import scoped_cookie
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from txengineio.client.options import ClientOptions
from txengineio.client.target import Target
from txengineio.errors import PayloadTooLarge

__all__ = ["Answer", "HttpClient", "cookie_jar"]

_IDLE_TIMEOUT: Final = 3
"""Seconds that a connection is kept for the next request.

A request that meets the server's own time-out is lost with its connection. Node.js has
the shortest one that is common, five seconds.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered.

    Attributes:
        status: The HTTP status.
        content_type: The header as it came, or an empty string.
        body: The whole body.
    """

    status: int
    content_type: str
    body: bytes


def cookie_jar(target: Target, cookies: Any) -> CookieJar:
    """Return the jar for a client's requests.

    Args:
        target: Where the requests go.
        cookies: A jar, or cookies by name, or None.
    """
    if isinstance(cookies, CookieJar):
        return cookies
    jar = CookieJar()
    for name, value in (cookies or {}).items():
        jar.set_cookie(scoped_cookie(target.origin, name, value))
    return jar


class HttpClient:
    """Makes the requests of one client.

    Args:
        target: Where they go.
        options: What the client was told.
        endpoints: Where connections go, unless the options name an agent.
        jar: The cookies.
        clock: The reactor.
    """

    def __init__(
        self,
        target: Target,
        options: ClientOptions,
        endpoints: IAgentEndpointFactory,
        jar: CookieJar,
        clock: IReactorTime,
    ) -> None:
        self._origin = target.origin
        self._clock = clock
        self._jar = jar
        self._limit = options.max_http_buffer_size
        self._pool = HTTPConnectionPool(clock)
        self._pool.cachedConnectionTimeout = _IDLE_TIMEOUT
        # A poll whose answer was lost must not be made again: what the first answer
        # carried would be missing, and nobody would notice.
        self._pool.retryAutomatically = False
        agent = options.agent or Agent.usingEndpointFactory(
            clock, endpoints, self._pool
        )
        self._treq = HTTPClient(_PlainAgent(agent), jar, _Bytes)  # type: ignore[arg-type]
        self._headers = Headers()
        self._headers.setRawHeaders("Accept", ["*/*"])
        for name, value in options.headers:
            self._headers.setRawHeaders(name, [value])

    def get(self, resource: str) -> Deferred[Answer]:
        """Make a GET request; see `post`."""
        return self._request("GET", resource, self._headers, None)

    def post(self, resource: str, body: bytes, content_type: str) -> Deferred[Answer]:
        """Make a POST request.

        Returns:
            The answer, whatever its status. It fails as Twisted's agent does, and with
            `PayloadTooLarge`. To cancel it drops the connection.
        """
        headers = self._headers.copy()
        headers.setRawHeaders("Content-Type", [content_type])
        return self._request("POST", resource, headers, body)

    def _request(
        self, method: str, resource: str, headers: Headers, body: bytes | None
    ) -> Deferred[Answer]:
        response: Deferred[Any] = self._treq.request(
            method,
            self._origin + resource,
            headers=headers,
            data=body,
            allow_redirects=False,
            unbuffered=True,
            # Only for a time-out, which is not used; without it the global one is.
            reactor=cast(Any, self._clock),
        )
        return response.addCallback(self._read)

    def _read(self, response: Any) -> Deferred[Answer]:
        reader = _BodyReader(self._limit)
        # treq's wrapper would keep a copy of the body.
        response.deliverBody(reader)
        return reader.finished.addCallback(_answer, response)

    def cookies_for(self, resource: str) -> str | None:
        """Return the cookie header of a request that is made elsewhere."""
        request = Request(self._origin + resource)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def close(self) -> None:
        """Drop the connections that wait for another request."""
        self._pool.closeCachedConnections()


def _answer(body: bytes, response: IResponse) -> Answer:
    types = response.headers.getRawHeaders("Content-Type", [""])
    return Answer(response.code, types[-1], body)


class _BodyReader(Protocol):
    """Reads a body, up to a limit.

    Attributes:
        finished: Fires with the body.
    """

    # A response's body has a transport that knows little more than this.
    transport: Any

    def __init__(self, limit: int) -> None:
        self.finished: Deferred[bytes] = Deferred(self._cancelled)
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []

    @override
    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)
        elif not self.finished.called:
            self._parts.clear()
            self.transport.loseConnection()
            self.finished.errback(PayloadTooLarge(self._size, self._limit))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.finished.called:
            return
        # Without a length, the end of the connection is the end of the body.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.finished.callback(b"".join(self._parts))
        else:
            self.finished.errback(reason)

    def _cancelled(self, _finished: Deferred[bytes]) -> None:
        self.transport.loseConnection()


@implementer(IBodyProducer)
class _Bytes:
    """A request's body, written at once; treq's own would use the global reactor."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Do nothing: all is written."""

    def resumeProducing(self) -> None:
        """Do nothing: all is written."""

    def stopProducing(self) -> None:
        """Do nothing: all is written."""


@implementer(IAgent)
class _PlainAgent:
    """Makes treq's requests without its compression.

    What is inflated has no limit in Twisted: a small answer could fill the memory.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        headers = Headers() if headers is None else headers
        headers.setRawHeaders("Accept-Encoding", ["identity"])
        deferred = self._agent.request(method, uri, headers, bodyProducer)
        return deferred.addCallback(_without_encoding)


def _without_encoding(response: IResponse) -> IResponse:
    response.headers.removeHeader("Content-Encoding")
    return response
