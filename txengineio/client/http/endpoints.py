"""Connections of a client: TCP, or TLS over it."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from txengineio.client.http.certificates import ExplainingCreator

__all__ = ["Endpoints"]


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Makes the endpoint of a server, and keeps it.

    An agent asks for it before each request. Making another one takes time, most of all
    for TLS.

    Args:
        reactor: Makes the connections.
        tls: How servers are verified; by default as browsers do.
        timeout: Seconds to look a name up and to make a connection.
    """

    def __init__(
        self, reactor: IReactorTime, tls: IPolicyForHTTPS | None, timeout: float
    ) -> None:
        self._reactor = reactor
        self._tls = tls
        self._timeout = timeout
        self._endpoints: dict[tuple[bool, bytes, int], IStreamClientEndpoint] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the endpoint for a URI; Twisted's agent calls this."""
        secure = uri.scheme in (b"https", b"wss")
        key = secure, uri.host, uri.port
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = self._endpoints[key] = self._make(*key)
        return endpoint

    def _make(self, secure: bool, host: bytes, port: int) -> IStreamClientEndpoint:
        # HostnameEndpoint needs more than one interface of the reactor.
        reactor = cast(Any, self._reactor)
        endpoint = HostnameEndpoint(reactor, host.decode("ascii"), port)
        limited = _Limited(endpoint, self._reactor, self._timeout)
        if not secure:
            return limited
        policy = self._tls or BrowserLikePolicyForHTTPS()
        creator = policy.creatorForNetloc(host, port)
        # A subclass may check certificates in its own way.
        if type(policy) is BrowserLikePolicyForHTTPS:
            creator = ExplainingCreator(creator, host.decode("ascii"))
        return wrapClientTLS(creator, limited)


@implementer(IStreamClientEndpoint)
class _Limited:
    """Connects within some time; Twisted's own limit excludes the name's look-up."""

    def __init__(
        self, endpoint: IStreamClientEndpoint, clock: IReactorTime, timeout: float
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._timeout = timeout

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = self._endpoint.connect(factory)
        return connecting.addTimeout(self._timeout, self._clock, _timed_out)


def _timed_out(_result: object, timeout: float) -> NoReturn:
    raise TimeoutError(string=f"after {timeout:g} seconds")
