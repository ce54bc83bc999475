"""What is private or undocumented in ``twisted.web`` 26.10, and used here.

No other file of the server may know such names. For each of them there is a test in
``tests/server/web/test_twisted_names.py`` that says what stops working without it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.http import HTTPChannel, Request

from txengineio.net.direct_writes import has_unsent_bytes

__all__ = ["is_congested", "take_over"]


# --- the connection of a request ------------------------------------------------------


def is_congested(channel: Any) -> bool:
    """Whether a connection has not taken yet what was written to it.

    Args:
        channel: What a request came over; None if nothing was written. Streams of
            HTTP/2 do not say.
    """
    if not isinstance(channel, HTTPChannel) or not channel._waitingForTransport:
        return False
    # Nobody tells a channel that its transport goes on once it is about to close.
    return has_unsent_bytes(channel.transport)


def take_over(request: Request, protocol: IProtocol) -> bytes:
    """Connect ``protocol`` to the connection of ``request``, which is never answered.

    Twisted has no public way to do this. Over HTTP/2 a request has no connection of its
    own, and there is nothing to take.

    Args:
        request: A request that is being rendered, and came over an ``HTTPChannel``.
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
