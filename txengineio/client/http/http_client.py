"""A client's HTTP requests: on connections that stay, with cookies, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, Final, cast
from urllib.request import Request

from treq.client import HTTPClient
from treq.cookies import scoped_cookie
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from txengineio.client.http.answer_parser import Answer
from txengineio.client.http.connections import (
    ClientConnection,
    Connections,
    WrittenRequest,
)
from txengineio.client.options import ClientOptions
from txengineio.client.target import Target
from txengineio.errors import PayloadTooLarge

__all__ = ["Answer", "HttpClient", "cookie_jar"]

_MAX_HEADS: Final = 8


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

    The first one goes through treq. For the others, of which there are many, that would
    take more time than everything else together: it parses each URL several times. They
    go straight to the agent, with the same cookies; or, where no agent was given, to
    the connections that the first one has used.

    Args:
        target: Where they go.
        options: What the client was told.
        endpoints: Where connections go, unless the options name an agent.
        jar: The cookies.
        clock: The reactor.

    Attributes:
        connections: The connections, unless there is an agent.
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
        # Unlike Twisted's pool it makes no request again. A poll whose answer was lost
        # must not be repeated: its messages would be missing, and nobody would notice.
        self.connections = Connections(clock, self._limit, self._read)
        self._agent = options.agent or Agent.usingEndpointFactory(
            clock, endpoints, cast(Any, self.connections)
        )
        self._uri = URI.fromBytes(target.origin.encode("ascii"))
        self._endpoints = None if options.agent else endpoints
        self._heads: dict[tuple[str | None, str | None], bytes] = {}
        self._headers = Headers()
        # Set here, ``Host`` need not be added to a copy for each request.
        self._headers.setRawHeaders("Host", [target.netloc])
        self._headers.setRawHeaders("Accept", ["*/*"])
        # Twisted inflates without a limit: a small answer could fill the memory.
        self._headers.setRawHeaders("Accept-Encoding", ["identity"])
        for name, value in dict(options.headers).items():
            self._headers.setRawHeaders(name, [value])

    def open(self, resource: str) -> Deferred[Answer]:
        """Make the first GET request; see `post`."""
        client = HTTPClient(_PlainAgent(self._agent), cast(Any, self._jar))
        response: Deferred[Any] = client.get(
            self._origin + resource,
            headers=self._headers,
            allow_redirects=False,
            unbuffered=True,
            # Only for a time-out, which is not used; without it the global one is.
            reactor=cast(Any, self._clock),
        )
        return response.addCallback(self._read, None)

    def get(self, resource: str) -> Deferred[Answer]:
        """Make a GET request; see `post`."""
        return self._request(b"GET", resource)

    def post(self, resource: str, body: bytes, content_type: str) -> Deferred[Answer]:
        """Make a POST request.

        Returns:
            The answer, whatever its status. It fails as Twisted's agent does, and with
            `PayloadTooLarge`. Cancelling it drops the connection.
        """
        return self._request(b"POST", resource, body, content_type)

    def _request(
        self,
        method: bytes,
        resource: str,
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> Deferred[Answer]:
        # An empty jar, the usual case, has nothing to iterate over.
        cookies = self.cookies_for(resource) if any(self._jar) else None
        if self._endpoints is None:
            headers = self._headers_with(content_type, cookies)
            producer = None if body is None else _Bytes(body)
            url = self._origin + resource
            response: Deferred[Any] = self._agent.request(
                method, url.encode("ascii"), headers, producer
            )
            return response.addCallback(self._read, resource)
        head = self._head(content_type, cookies)
        request = _written(method, resource, head, body)
        connection = self.connections.take()
        if connection is not None:
            return connection.exchange(request)
        endpoint = self._endpoints.endpointForURI(self._uri)
        connecting = self.connections.getConnection(None, endpoint)
        return connecting.addCallback(ClientConnection.exchange, request)

    def _headers_with(self, content_type: str | None, cookies: str | None) -> Headers:
        headers = self._headers.copy()
        if content_type is not None:
            headers.setRawHeaders("Content-Type", [content_type])
        if cookies is not None:
            headers.setRawHeaders("Cookie", [cookies])
        return headers

    def _head(self, content_type: str | None, cookies: str | None) -> bytes:
        """Return the headers as they are sent; most requests have the same ones."""
        key = content_type, cookies
        head = self._heads.get(key)
        if head is None:
            lines = [
                b"%b: %b\r\n" % (name, value)
                for name, values in self._headers_with(*key).getAllRawHeaders()
                for value in values
            ]
            # Cookies change; headers with earlier ones are not needed again.
            self._heads = {} if len(self._heads) > _MAX_HEADS else self._heads
            head = self._heads[key] = b"".join(lines)
        return head

    def _read(self, response: Any, resource: str | None) -> Deferred[Answer]:
        if resource is not None and response.headers.hasHeader("Set-Cookie"):
            self.keep_cookies(resource, response.headers.getRawHeaders("Set-Cookie"))
        reader = _BodyReader(self._limit)
        response.deliverBody(reader)
        return reader.finished.addCallback(_answer, response)

    def cookies_for(self, resource: str) -> str | None:
        """Return the cookie header of a request; None if it has no cookies."""
        request = Request(self._origin + resource)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def keep_cookies(self, resource: str, cookies: Sequence[str]) -> None:
        """Keep cookies for later requests.

        Args:
            resource: What was asked for when the server set them.
            cookies: The values of its headers.
        """
        if cookies:
            request = Request(self._origin + resource)
            self._jar.extract_cookies(cast(Any, _Cookies(cookies)), request)

    def certificate(self) -> Any:
        """Return the server's certificate, unless an agent has the connections."""
        return self.connections.certificate()

    def close(self) -> None:
        """Drop the connections that wait for another request."""
        self.connections.close()


class _Cookies:
    """The cookies of an answer, in the form that a ``CookieJar`` reads."""

    def __init__(self, cookies: Sequence[str]) -> None:
        self._message = Message()
        for cookie in cookies:
            self._message["Set-Cookie"] = cookie

    def info(self) -> Message:
        """Return the headers."""
        return self._message


def _written(
    method: bytes, resource: str, head: bytes, body: bytes | None
) -> WrittenRequest:
    target = resource.encode("ascii")
    if body is None:
        data = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, head)
    else:
        form = b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b"
        data = form % (method, target, head, len(body), body)
    return WrittenRequest(method, resource, data)


def _answer(body: bytes, response: IResponse) -> Answer:
    types = response.headers.getRawHeaders("Content-Type", [""])
    return Answer(response.code, types[-1], body)


class _BodyReader(Protocol):
    """Reads a body, up to a limit.

    Attributes:
        finished: Fires with the body.
    """

    # The transport of a response's body can do little more than `loseConnection`.
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
        if isinstance(reason.value, (ResponseDone, PotentialDataLoss)):
            self.finished.callback(b"".join(self._parts))
        else:
            self.finished.errback(reason)

    def _cancelled(self, _finished: Deferred[bytes]) -> None:
        self.transport.loseConnection()


@implementer(IBodyProducer)
class _Bytes:
    """A request's body, written at once."""

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
    """Keeps treq from asking for compressed answers, and from inflating any."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        # treq has added the encodings that it can read.
        headers = Headers() if headers is None else headers.copy()
        headers.setRawHeaders("Accept-Encoding", ["identity"])
        deferred = self._agent.request(method, uri, headers, bodyProducer)
        return deferred.addCallback(_without_encoding)


def _without_encoding(response: IResponse) -> IResponse:
    response.headers.removeHeader("Content-Encoding")
    return response
