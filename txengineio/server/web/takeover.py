"""Taking the connection of an HTTP request over for another protocol.

Twisted has no public way to do this, and its internals have moved under such code
before; so all that knows them is here. Over HTTP/2 a request has no connection of its
own, and there is nothing to take.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.http import HTTPChannel, Request

__all__ = ["can_take_over", "take_over"]


def can_take_over(request: Request) -> bool:
    """Whether the request has a connection that can be taken."""
    return isinstance(request.channel, HTTPChannel)


def take_over(request: Request, protocol: IProtocol) -> bytes:
    """Connect ``protocol`` to the connection of ``request``, which is never answered.

    Args:
        request: A request that is being rendered; `can_take_over` is true of it.
        protocol: Gets ``makeConnection`` and from then on all that is received.

    Returns:
        What was received behind the request already; the caller hands it to the
        protocol when that is ready.
    """
    # Neither interface names what is needed of them here.
    channel: Any = request.channel
    transport: Any = channel.transport
    # The channel is its transport's producer, and would stay it.
    transport.unregisterProducer()
    channel.setTimeout(None)
    early = b"".join(channel._dataBuffer)
    channel._dataBuffer = []
    wrapper = _wrapper(transport)
    if wrapper is not None:
        wrapper.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
    # If this happens while the request is being received, the channel's line receiver
    # goes on with what came behind it.
    channel.rawDataReceived = protocol.dataReceived
    # Nobody needs these any more, and together they would wait for the collector.
    channel.requests = []
    vars(request)["channel"] = None
    protocol.makeConnection(transport)
    # Twisted stops reading when much comes in behind an unfinished request.
    transport.resumeProducing()
    return early


def _wrapper(transport: Any) -> ProtocolWrapper | None:
    """Return what stands between a transport and its protocol: TLS, a policy."""
    if isinstance(transport, ProtocolWrapper):
        return transport
    # TLS that was started on a plain connection.
    protocol = getattr(transport, "protocol", None)
    return protocol if isinstance(protocol, ProtocolWrapper) else None
