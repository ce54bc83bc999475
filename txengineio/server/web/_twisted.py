"""The private or undocumented names of ``twisted.web`` 26.10 that are used here.

No other file of the server may know such names. For each of them there is a test in
``tests/server/web/test_twisted_names.py`` that says what stops working without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.interfaces import IProtocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.http import HTTPChannel, Request, _GenericHTTPChannelProtocol
from typing_extensions import override

from txengineio.net.direct_writes import can_write_directly, has_unsent_bytes

__all__ = [
    "PARSED_HEADERS",
    "PRIVATE_DEFAULTS",
    "NegotiatedChannel",
    "TwistedChannel",
    "head_of",
    "is_congested",
    "is_disconnected",
    "take_over",
    "was_set_secure",
]

# --- requests -------------------------------------------------------------------------

PRIVATE_DEFAULTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "_adapterCache": lambda _request: {},
    "_parsePOSTFormSubmission": lambda _request: False,
}
"""What ``Request.__init__`` gives to each request beside public attributes.

Twisted before 25.5 always parses forms, and looks at no ``_parsePOSTFormSubmission``.
"""

PARSED_HEADERS: Final = "_rawHeaders"
"""Where ``twisted.web.http_headers.Headers`` keeps what is parsed."""


def head_of(channel: Any) -> tuple[bytes, bytes]:
    """Return method and target of the request whose head was read last.

    Args:
        channel: What the request comes over: an ``HTTPChannel``, or a stream of HTTP/2,
            which has names for them that are not private.
    """
    if isinstance(channel, HTTPChannel):
        return channel._command, channel._path
    return channel.command, channel.path


def is_disconnected(request: Request) -> bool:
    """Whether ``Request.connectionLost`` was called."""
    return bool(request._disconnected)


def was_set_secure(request: Request) -> bool:
    """Whether ``Request.setHost`` has said that it came over TLS."""
    return bool(request._forceSSL)


# --- connections ----------------------------------------------------------------------


class TwistedChannel(HTTPChannel):
    """Twisted's connection, with names for what is private in it.

    Attributes:
        drains: How often the transport has taken everything, after it did not.
    """

    drains = 0

    @override
    def resumeProducing(self) -> None:
        """Learn that the transport has taken everything."""
        self.drains += 1
        super().resumeProducing()

    @property
    def version(self) -> bytes:
        """The version of HTTP of the request whose head was just read."""
        return bytes(self._version)

    @property
    def is_handling(self) -> bool:
        """Whether a request is not answered yet: what comes now is kept."""
        return self._handlingRequest

    def keeps_bytes(self) -> bool:
        """Whether bytes were kept: another request waits for the current one."""
        return any(self._dataBuffer)

    def is_last(self) -> bool:
        """Whether nothing has come after the request that is handled."""
        return not any(self._dataBuffer) and not self._buffer

    def is_there(self) -> bool:
        """Whether the connection is not about to be closed."""
        transport: Any = self.transport
        return not transport.disconnecting and self._abortingCall is None

    def produce_from(self, transport: Any) -> None:
        """Do what ``connectionMade`` does about a transport that is a producer."""
        self._networkProducer = transport
        transport.registerProducer(self, True)

    def start_handling(self, request: Request) -> None:
        """Do what ``allContentReceived`` does before it hands a request over.

        Except for the idle time-out: stopping and restarting it costs more than
        checking when it has expired.
        """
        self.requests.append(request)
        self._handlingRequest = True
        self.line_mode = 0

    def stop_handling(self) -> bool:
        """Do what ``requestDone`` does, if nothing at all was kept; say whether."""
        if self._dataBuffer:
            return False
        del self.requests[0]
        self._handlingRequest = False
        self.line_mode = 1
        return True


class NegotiatedChannel(_GenericHTTPChannelProtocol):
    """Twisted's, which speaks the protocol that is negotiated with TLS."""

    @property
    def http_channel(self) -> Any:
        """The channel that speaks HTTP/1, as if nothing is negotiated."""
        return self._channel

    def makeConnection(self, transport: Any) -> None:
        """Put the channel on the transport itself if nothing is negotiated."""
        if can_write_directly(transport):
            transport.protocol = self._channel
        self._channel.makeConnection(transport)


# --- the connection of a request ------------------------------------------------------


def is_congested(channel: Any) -> bool:
    """Whether a connection has not taken yet what was written to it.

    Args:
        channel: What a request came over; None if nothing was written. Streams of
            HTTP/2 do not say.
    """
    if not isinstance(channel, HTTPChannel) or not channel._waitingForTransport:
        return False
    # A channel that is about to close is not told when its transport can take more.
    return has_unsent_bytes(channel.transport)


def take_over(request: Request, protocol: IProtocol) -> bytes:
    """Connect ``protocol`` to the connection of ``request``, which is never answered.

    Twisted has no public way to do this. Over HTTP/2 a request has no connection of its
    own, and there is nothing to take.

    Args:
        request: A request that is being rendered, and came over an ``HTTPChannel``.
        protocol: Gets ``makeConnection`` and from then on all that is received.

    Returns:
        What has already been received after the request; the caller hands it to the
        protocol when that is ready.
    """
    # Neither interface names what is needed of them here.
    channel: Any = request.channel
    transport: Any = channel.transport
    # The channel is its transport's producer, and would remain so.
    transport.unregisterProducer()
    channel.setTimeout(None)
    early = b"".join(channel._dataBuffer)
    is_paused = early or channel._waitingForTransport
    channel._dataBuffer = []
    wrapper = _wrapper(transport)
    if wrapper is not None:
        wrapper.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
    # If this happens while the request is being received, the channel's line receiver
    # goes on with the bytes after it.
    channel.rawDataReceived = protocol.dataReceived
    # They refer to each other: the cycle would wait for the collector.
    channel.requests = []
    vars(request)["channel"] = None
    protocol.makeConnection(transport)
    if is_paused:
        # Twisted stops reading when much comes in after an unfinished request, and
        # while the peer does not take an answer.
        transport.resumeProducing()
    return early


def _wrapper(transport: Any) -> ProtocolWrapper | None:
    """Return what stands between a transport and its protocol: TLS, a policy."""
    if isinstance(transport, ProtocolWrapper):
        return transport
    # TLS that was started on a plain connection.
    protocol = getattr(transport, "protocol", None)
    return protocol if isinstance(protocol, ProtocolWrapper) else None
