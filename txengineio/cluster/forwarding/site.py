"""The other side: requests that other nodes have read, served as any are.

To the engine they come from their clients: middlewares, hooks, limits and logs see the
client's address, not the other node's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request
from typing_extensions import override

from txengineio.cluster.forwarding.preface import UNKNOWN, read_preface
from txengineio.reactor import AnyReactor
from txengineio.server.engine import Engine
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.web._twisted import NegotiatedChannel
from txengineio.server.web.channel import EngineIOChannel
from txengineio.server.web.resource import EngineIOResource
from txengineio.server.web.site import EngineIOSite

__all__ = ["ForwardedSite"]

_GREETING: Final = "{"


class ForwardedChannel(EngineIOChannel):
    """A connection from another node: requests of many clients, one after the other.

    The other node sends the next one when the last one is answered.
    """

    _client = UNKNOWN
    # Bytes of the request that are still to come, and what has come of a preface.
    _left = 0
    _kept = b""

    _preface_log = Logger()

    @override
    def connectionMade(self) -> None:
        """Be known to the site, which closes it at the end."""
        self.site.channels.add(self)
        super().connectionMade()

    @override
    def dataReceived(self, data: bytes) -> None:
        """Receive a preface, or a piece of the request after it."""
        data = self._kept + data
        self._kept = b""
        while data:
            if not self._left:
                end = self._begin(data)
                if not end:
                    self._kept = data
                    return
                if self._left == len(data) - end:
                    # One request, and all of it.
                    self._left = 0
                    super().dataReceived(data[end:])
                    return
                data = data[end:]
                if not self._left:
                    continue
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            super().dataReceived(piece)

    def _begin(self, data: bytes) -> int:
        """Read a preface; return its size, 0 if it is not complete."""
        try:
            found = read_preface(data)
        except ValueError:
            self._drop()
            return 0
        if found is None:
            return 0
        client, self._left, end = found
        if isinstance(client, str):
            return end if self._hears(client) else 0
        self._client, self.about_client = client, None
        # What came before on this connection may be another client's.
        self._last = client.last
        return end

    def _hears(self, words: str) -> bool:
        """Take words of the other node; say whether they make sense."""
        if not words.startswith(_GREETING):
            self.site.poll_again(words)
            return True
        try:
            answer = self.site.greeted(words)
        except ValueError:
            self._drop()
            return False
        transport: Any = self.transport
        transport.write(answer)
        return True

    def _drop(self) -> None:
        self._preface_log.failure("the input from another node makes no sense")
        transport: Any = self.transport
        transport.abortConnection()
        # Drop the rest.
        self.dataReceived = _ignore  # type: ignore[method-assign]

    @override
    def start_handling(self, request: Request) -> None:
        """Tell a request its client, which is not that of the connection."""
        request.client, request.host = self._client.peer, self._client.host
        super().start_handling(request)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the site's list."""
        self.site.channels.discard(self)
        super().connectionLost(reason)

    @override
    def getPeer(self) -> IAddress:
        """Return the address of the client."""
        return self._client.peer

    @override
    def getHost(self) -> IAddress:
        """Return the address that the client came to."""
        return self._client.host

    @override
    def isSecure(self) -> bool:
        """Whether the client came over TLS."""
        return self._client.is_secure


def _forwarded_channel(_factory: HTTPFactory) -> NegotiatedChannel:
    return NegotiatedChannel(ForwardedChannel())


class ForwardedSite(EngineIOSite):
    """What other nodes connect to: it serves an engine, whatever the path.

    Every connection to it is believed to be another node's.

    Args:
        engine: The engine.
        reactor: For time-outs.

    Attributes:
        channels: The connections, without those that have become WebSockets.
        greeted: Takes the greeting of another node, and returns the answer to it; a
            ``ValueError`` says that it makes no sense.
    """

    protocol = _forwarded_channel

    def __init__(self, engine: Engine, reactor: AnyReactor) -> None:
        super().__init__(EngineIOResource(engine), {"/": engine}, reactor, watch=True)
        self._engine = engine
        # The other node closes them; a request must not meet the end of its connection.
        self.timeOut = None
        self.channels: WeakSet[ForwardedChannel] = WeakSet()
        self.greeted: Callable[[str], bytes] = _ignore_greeting

    @override
    def engine_at(self, uri: bytes) -> Engine:
        """Return the engine."""
        return self._engine

    def poll_again(self, sid: str) -> None:
        """Answer the parked poll of a session: its client goes on by another node."""
        session = self._engine.sessions.get(sid)
        if session is not None and isinstance(session.transport, PollingTransport):
            session.transport.answer_with_noop()

    def close(self) -> None:
        """Close the connections, and drop the requests on them.

        Answers that were given reach the other nodes: a reset would overtake them.
        """
        for channel in list(self.channels):
            transport: Any = channel.transport
            if channel.is_handling:
                transport.abortConnection()
            else:
                transport.loseConnection()


def _ignore_greeting(words: str) -> bytes:
    """Say nothing: nodes of one machine know each other without."""
    return b""


def _ignore(data: bytes) -> None:
    """Ignore input after nonsense."""
