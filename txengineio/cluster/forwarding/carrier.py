"""A connection to another node, and the request that it carries."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Protocol

from twisted.internet import protocol
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.forwarding.answer_reader import SWITCHING, AnswerReader, Head
from txengineio.cluster.forwarding.preface import hurry
from txengineio.cluster.forwarding.tunnel import TunnelEnd, join
from txengineio.cluster.targets import session_of
from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.net.watched_connection import watch_closely
from txengineio.server.cluster import LinkBytes
from txengineio.server.web.headers import move_added
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["Carrier", "Carriers"]

_HTTP1: Final = (b"HTTP/1.1", b"HTTP/1.0")


class Carriers(Protocol):
    """What a connection to another node belongs to.

    Attributes:
        clock: Where time comes from.
        counts: What has become of requests.
        carried: Bytes to the other node, and from it.
        is_leaving: Whether clients are to go on by another way.
    """

    clock: IReactorTime
    counts: Counter[str]
    carried: LinkBytes
    is_leaving: bool

    def is_free(self, carrier: Carrier) -> None:
        """Note that it carries nothing any more, and can carry another request."""

    def is_tunnel(self, carrier: Carrier) -> None:
        """Note that it has become a tunnel, which carries all that a client sends."""

    def is_lost(self, carrier: Carrier) -> None:
        """Note its end."""

    def give_back(self, request: IncomingRequest) -> None:
        """Take a request whose answer will not come from the other node."""


class Carrier(protocol.Protocol):
    """A connection to another node; it carries one request at a time.

    A request is sent once, whatever happens. If the connection ends before the answer
    begins, the other node is taken to be gone.

    Args:
        carriers: What it belongs to.

    Attributes:
        idle_since: When it became idle last.
        is_last: Whether the request that it carries is its last one.
    """

    _log = Logger()

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any
    _request: IncomingRequest | None = None
    _reader: AnswerReader | None = None
    _end: TunnelEnd | None = None
    _is_relaying = False
    _writes_directly = False

    def __init__(self, carriers: Carriers) -> None:
        self.idle_since = 0.0
        self.is_last = False
        self._carriers = carriers
        self._carried = carriers.carried

    @override
    def connectionMade(self) -> None:
        watch_closely(self.transport)
        self._writes_directly = can_write_directly(self.transport)

    @property
    def is_usable(self) -> bool:
        """Whether it is not about to end."""
        return not self.transport.disconnecting

    def carry(self, request: IncomingRequest, data: bytes) -> None:
        """Carry a request, and its answer back.

        Args:
            request: The request, which is not gone.
            data: What is sent of it.
        """
        self._request = request
        self._reader = AnswerReader(is_bodiless=request.method == b"HEAD")
        request.on_lost(self._client_left)
        self._carried.bytes_out += len(data)
        if self._writes_directly:
            write_directly(self.transport, data)
        else:
            self.transport.write(data)

    def send_last(self, data: bytes) -> None:
        """Send something that wants no answer, and close the connection."""
        self._carried.bytes_out += len(data)
        self.transport.write(data)
        self.transport.loseConnection()

    def hurry(self) -> None:
        """Have a poll answered now, if it is parked, and nothing else."""
        request = self._request
        if request is None or request.method != b"GET" or self._is_relaying:
            return
        sid = session_of(request.uri)
        # A WebSocket may have its connection already, and would take this for a frame.
        if sid is not None and not request.header_values(b"upgrade"):
            wish = hurry(sid)
            self._carried.bytes_out += len(wish)
            self.transport.write(wish)

    def _client_left(self, request: IncomingRequest) -> None:
        if request is self._request:
            self._carriers.counts["left"] += 1
            self._request = None
            # The other node is to learn of it now: a poll was lost there.
            self.transport.abortConnection()

    # --- the answer -------------------------------------------------------------------

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._end is not None:
            self._end.dataReceived(data)
            return
        self._carried.bytes_in += len(data)
        request, reader = self._request, self._reader
        if request is None or reader is None:
            # Nobody has asked.
            self.transport.abortConnection()
            return
        try:
            body = reader.receive(data)
        except ValueError:
            self._log.failure("an answer from another node makes no sense")
            self.transport.abortConnection()
            return
        if reader.head is None:
            return
        if reader.head.status == SWITCHING:
            self._become_tunnel(request, reader.raw_head + body)
        elif reader.is_complete and not self._is_relaying:
            self._release(reader.head)
            self._say_that_it_leaves(request)
            # All of it is here.
            _answer(request, reader.head, body)
        else:
            self._relay(request, reader, body)

    def _release(self, head: Head) -> None:
        """Carry nothing any more; first, as an answer may lead to a new request."""
        self._request = self._reader = None
        self._is_relaying = False
        self._carriers.counts["answered"] += 1
        if head.closes or self.is_last:
            # It may still be at the body of a request that was refused.
            self.transport.abortConnection()
        else:
            self._carriers.is_free(self)

    def _relay(
        self, request: IncomingRequest, reader: AnswerReader, body: bytes
    ) -> None:
        """Hand on what there is of an answer, no faster than the client takes it."""
        assert reader.head is not None
        application = request.for_application
        if not self._is_relaying:
            self._is_relaying = True
            self._say_that_it_leaves(request)
            _begin_answer(request, reader.head)
            application.registerProducer(self.transport, True)
        if body:
            application.write(body)
        if reader.is_complete and request is self._request:
            application.unregisterProducer()
            # The client may not have taken the last of it yet.
            self.transport.resumeProducing()
            self._release(reader.head)
            application.finish()

    def _say_that_it_leaves(self, request: IncomingRequest) -> None:
        """Let the client's next request come by another connection, if it has to.

        With HTTP/2 nothing says so before the connection ends.
        """
        if self._carriers.is_leaving and request.for_application.clientproto in _HTTP1:
            request.answer_headers.setRawHeaders(b"Connection", [b"close"])

    def _become_tunnel(self, request: IncomingRequest, received: bytes) -> None:
        self._request = self._reader = None
        clock = self._carriers.clock
        client, self._end = TunnelEnd(clock), TunnelEnd(clock, self._carried)
        self._carriers.counts["tunnels"] += 1
        self._carriers.is_tunnel(self)
        early = request.take_over(client)
        self._end.makeConnection(self.transport)
        join(client, self._end)
        client.write(received)
        if early:
            self._end.write(early)

    # --- the end ----------------------------------------------------------------------

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._carriers.is_lost(self)
        if self._end is not None:
            self._end.connectionLost(reason)
            return
        request, self._request = self._request, None
        reader, self._reader = self._reader, None
        if request is None or reader is None or request.is_gone:
            return
        if not self._is_relaying:
            self._carriers.counts["lost"] += 1
            self._carriers.give_back(request)
            return
        application = request.for_application
        application.unregisterProducer()
        if reader.ends_with_connection:
            self._carriers.counts["answered"] += 1
            application.finish()
        else:
            self._carriers.counts["cut"] += 1
            application.loseConnection()


def _answer(request: IncomingRequest, head: Head, body: bytes) -> None:
    headers = head.headers
    if request.has_headers():
        # Headers that were set on the way to the engine, in another site.
        headers = dict(headers)
        move_added(headers, request.answer_headers)
    request.answer(head.status, headers, body)


def _begin_answer(request: IncomingRequest, head: Head) -> None:
    application = request.for_application
    application.setResponseCode(head.status)
    headers = dict(head.headers)
    move_added(headers, request.answer_headers)
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value]
        request.answer_headers.setRawHeaders(name, values)
    if head.length is not None:
        request.answer_headers.setRawHeaders(b"Content-Length", [b"%d" % head.length])
