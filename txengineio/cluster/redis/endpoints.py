"""The way to Redis: an endpoint for each kind of URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from txengineio.cluster.broker.tls import read_trust, with_tls
from txengineio.cluster.redis.connection import ask_once
from txengineio.cluster.redis.interfaces import RedisAway
from txengineio.cluster.redis.urls import Address, RedisURL

__all__ = ["SentinelEndpoint", "endpoint_of"]

CONNECT_TIMEOUT: Final = 5.0
"""Seconds that a server may take to accept a connection."""

ASK_TIMEOUT: Final = 2.0
"""Seconds that a Sentinel may take to answer before the next one is asked."""

EndpointFor = Callable[[Address], IStreamClientEndpoint]


def endpoint_of(url: RedisURL, reactor: Any) -> IStreamClientEndpoint:
    """Return the endpoint that leads to the server that a URL names.

    Raises:
        BadBrokerURL: The file of ``?ca=`` has no certificate.
    """
    if url.path is not None:
        return UNIXClientEndpoint(reactor, url.path, CONNECT_TIMEOUT)
    trust = read_trust(url.ca) if url.ca is not None else None

    def endpoint_for(address: Address) -> IStreamClientEndpoint:
        host, port = address
        endpoint = HostnameEndpoint(reactor, host, port, CONNECT_TIMEOUT)
        if not url.tls:
            return endpoint
        return with_tls(endpoint, host, trust)

    if url.service is None:
        return endpoint_for(url.hosts[0])
    return SentinelEndpoint(url, reactor, endpoint_for)


@implementer(IStreamClientEndpoint)
class SentinelEndpoint:
    """Leads to the server that is the master now: each time, Sentinels are asked.

    Args:
        url: The Sentinels, and what they call the master.
        clock: Tells when one has not answered for too long.
        endpoint_for: Leads to any server.
    """

    def __init__(self, url: RedisURL, clock: Any, endpoint_for: EndpointFor) -> None:
        self._url = url
        self._clock = clock
        self._endpoint_for = endpoint_for
        # The one that has answered last is asked first.
        self._sentinels = list(url.hosts)

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the master."""
        return Deferred.fromCoroutine(self._connect(protocol_factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        master = await self._master()
        protocol: IProtocol = await self._endpoint_for(master).connect(factory)
        return protocol

    async def _master(self) -> Address:
        problems = []
        for sentinel in list(self._sentinels):
            try:
                answer = await self._ask(sentinel)
            except CancelledError:
                raise
            except Exception as error:
                text = str(error) or type(error).__name__
                problems.append(f"{sentinel[0]}:{sentinel[1]}: {text}")
                continue
            if answer is not None:
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                return answer[0].decode(), int(answer[1])
            problems.append(f"{sentinel[0]}:{sentinel[1]} knows no such master")
        told = "; ".join(problems)
        raise RedisAway(f"no Sentinel tells of the master {self._url.service}: {told}")

    def _ask(self, sentinel: Address) -> Deferred[Any]:
        endpoint = self._endpoint_for(sentinel)
        command = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._url.service or ""
        asked = ask_once(endpoint, self._url.sentinel_password, *command)
        return Deferred.fromCoroutine(asked).addTimeout(ASK_TIMEOUT, self._clock)
