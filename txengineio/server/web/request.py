"""HTTP as an engine wants it: bodies bounded while they arrive, nothing done in vain.

Twisted's own ``Request`` reads a whole body before anybody may refuse it, parses it as
a form if it looks like one, and looks for a resource in steps. For the paths of an
engine none of that is needed. For all other paths of the site, and for everything that
is unusual in a request, this is Twisted's request unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, Final, Protocol, cast

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.http import Request as HTTPRequest
from twisted.web.server import Request
from typing_extensions import override

from txengineio.errors import TransportError, advice_in
from txengineio.net.direct_writes import write_directly
from txengineio.server.web.body_limits import (
    BodyLimits,
    BodyRefused,
    too_large,
    too_many_chunks,
)
from txengineio.server.web.header_lines import ConstantHeaders, written, written_beside
from txengineio.server.web.lazy_request import LazyRequest
from txengineio.server.web.request_parser import Fields

__all__ = [
    "EngineIORequest",
    "IReceivesRequests",
    "fields_of",
    "header_values",
]

_FORMS: Final = (b"application/x-www-form-urlencoded", b"multipart/form-data")
_REFUSAL: Final = b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_DRAIN_TIMEOUT: Final = 5.0
"""Seconds that the rest of a body that is refused may keep the server waiting.

It is read and forgotten: closing at once would reset the connection, and the client
would never see the answer.
"""
_DRAIN_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of such a rest that are read; who sends more does not read answers anyway."""

_HTTP_1_1: Final = b"HTTP/1.1"
_LOST: Final = "data request connection closed prematurely"


class IReceivesRequests(Protocol):
    """What answers requests: an engine."""

    @property
    def body_limits(self) -> BodyLimits:
        """What the bodies of requests must keep to."""

    def handle_request(self, request: HTTPRequest) -> None:
        """Answer a request, now or later, or take its connection over."""

    def body_begun(self, request: EngineIORequest) -> int:
        """Learn that a request's headers are complete and its body begins.

        A request that comes whole is handed over at once, without this.

        Returns:
            A status that the request is to be answered with at once; 0 for none.
        """

    def body_lost(self, request: EngineIORequest, error: TransportError) -> bool:
        """Learn that a request whose body had begun will never be complete.

        Args:
            request: The request.
            error: Why: the connection is lost, or the body goes beyond a limit.

        Returns:
            Whether a session ends for it.
        """


class EngineIORequest(LazyRequest):
    """A request to a site that serves engines.

    Attributes:
        engine: The engine that the request is for; None if it is for another resource.
        admitted: What the engine found out when the headers were complete.
        isis_receiving: Whether its body arrives.
        lost: Called with the request when its connection is lost before the answer.
    """

    engine: IReceivesRequests | None = None
    admitted: Any = None
    lost: Callable[[Request], None] | None = None
    is_receiving = False
    _processing = True
    _status = 0
    _received = 0
    _chunks = 0
    _refused = False

    _refusal_log = Logger()

    @override
    def gotLength(self, length: int | None) -> None:
        """Prepare for the body; the headers are complete."""
        channel: Any = self.channel
        # Only HTTP/1 tells the path before the body is there.
        path = getattr(channel, "_path", b"").partition(b"?")[0]
        self.engine = channel.site.engine_at(path)
        if self.engine is None:
            super().gotLength(length)
            return
        # As Twisted does it later: somebody may ask for it behind the answer.
        self.site = channel.site
        self.content = BytesIO()
        if length != 0:
            if hasattr(channel, "_command"):
                self.method, self.uri = channel._command, channel._path
                self.is_receiving = True
                self._status = self.engine.body_begun(self)
            limit = self.engine.body_limits.max_size
            if length is not None and length > limit:
                self.refuse_body(too_large(length, limit))

    @override
    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, as far as it keeps to the limits."""
        if self.engine is None:
            super().handleContentChunk(data)
            return
        self._received += len(data)
        self._chunks += 1
        limits = self.engine.body_limits
        if self._refused:
            if self._received > _DRAIN_LIMIT:
                cast(Any, self.channel).transport.abortConnection()
        elif self._received > limits.max_size:
            self.refuse_body(too_large(self._received, limits.max_size))
        elif self._chunks > limits.max_chunks:
            self.refuse_body(too_many_chunks(limits.max_chunks))
        elif not self._status:
            self.content.write(data)

    def refuse_body(self, error: BodyRefused) -> None:
        """Answer now, whatever is still to come of the body."""
        self._refused = True
        self.content = BytesIO()
        # Twisted would say "go on" behind the answer.
        self.requestHeaders.removeHeader(b"Expect")
        channel: Any = self.channel
        reason = RESPONSES.get(error.status, b"")
        channel.transport.write(_REFUSAL % (error.status, reason))
        channel.setTimeout(_DRAIN_TIMEOUT)
        is_told = False
        if self.is_receiving and self.engine is not None:
            self.is_receiving = False
            is_told = self.engine.body_lost(self, error)
        if not is_told:
            self._refusal_log.warn(
                "POST refused: {problem}{advice}",
                problem=str(error),
                advice=advice_in(error),
            )

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Serve the request; it is complete."""
        self.is_receiving = False
        if self._refused:
            # Answered already.
            cast(Any, self.channel).loseConnection()
        elif self.engine is None and self._looks_like_form():
            super().requestReceived(command, path, version)
        else:
            self.content.seek(0)
            self.method, self.uri, self.clientproto = command, path, version
            self.path = path.partition(b"?")[0]
            if self._status:
                self.setResponseCode(self._status)
                self.setHeader(b"Content-Length", b"0")
                self.finish()
            else:
                self.process()

    @override
    def connectionLost(self, reason: Failure) -> None:
        """Tell the engine if the body is not complete."""
        if self.is_receiving and self.engine is not None:
            self.is_receiving = False
            self.engine.body_lost(self, TransportError(_LOST, peer_left=True))
        super().connectionLost(reason)
        lost, self.lost = self.lost, None
        if lost is not None:
            lost(self)

    def abort(self) -> None:
        """Drop the connection of a request whose body nobody wants any more."""
        self.is_receiving = False
        # Twisted deletes it when a request is answered: a middleware may have done so.
        channel: Any = getattr(self, "channel", None)
        if channel is not None:
            channel.transport.abortConnection()

    def _looks_like_form(self) -> bool:
        types = header_values(self, b"Content-Type")
        return bool(types) and types[0].lower().startswith(_FORMS)

    @override
    def process(self) -> None:
        """Find out who answers, and let it."""
        if self.engine is None:
            super().process()
            return
        try:
            self.engine.handle_request(self)
        except BaseException:
            self.processingFailed(Failure())
        finally:
            self._processing = False

    def answer(self, status: int, headers: Mapping[str, Any], body: bytes) -> bool:
        """Answer in one write, if nothing about the request is unusual.

        Args:
            status: The HTTP status.
            headers: Names and single values, without those of the body's length.
            body: The whole body.

        Returns:
            Whether it was done; if not, nothing was.
        """
        lines = headers.lines if type(headers) is ConstantHeaders else written(headers)
        if lines is None or self._is_unusual():
            return False
        if self.has_headers():
            others = written_beside(headers, self.responseHeaders)
            if others is None:
                return False
            lines = others + lines
        channel: Any = self.channel
        start = channel.site.start_of(status)
        answer = b"%b%bContent-Length: %d\r\n\r\n%b" % (start, lines, len(body), body)
        transport = channel.transport
        if channel.writes_directly:
            write_directly(transport, answer)
        else:
            transport.write(answer)
        self.code = status
        self.startedWriting = 1
        self.sentLength = len(body)
        self._finish_soon()
        return True

    def _is_unusual(self) -> bool:
        """Whether Twisted is to write its answer."""
        if self.has_cookies() or self.etag is not None or self.lastModified is not None:
            return True
        return self.received_by is None and (
            self.engine is None
            or self.clientproto != _HTTP_1_1
            or self.method == b"HEAD"
        )

    def _finish_soon(self) -> None:
        """Finish; but a request that waits behind a parked one is not served right now.

        A parked poll is answered from anywhere: in a call of the application, or in the
        middle of another session's work.
        """
        channel: Any = self.channel
        if not self._processing and any(channel._dataBuffer):
            self.finished = 1
            channel.site.reactor.callLater(0, self._finish_now)
        elif self.received_by is None:
            self.finish()
        else:
            self._finish_whole()

    def _finish_whole(self) -> None:
        """Do what Twisted's method does, as far as there is anything to do."""
        self.finished = 1
        channel: Any = self.channel
        channel.site.log(self)
        channel.requestDone(self)
        del self.channel
        notifications, self.notifications = self.notifications, []
        for deferred in notifications:
            deferred.callback(None)

    def _finish_now(self) -> None:
        # The connection may be lost by now.
        if not self._disconnected:
            self.finished = 0
            self.finish()


def fields_of(request: HTTPRequest) -> Fields | None:
    """Return the headers of a request that has come whole; None if they are no more."""
    return request.received_fields if isinstance(request, LazyRequest) else None


def header_values(request: HTTPRequest, name: bytes) -> Sequence[bytes]:
    """Return the values of a header that a client has sent.

    To ask the request for all its headers costs more.
    """
    fields = fields_of(request)
    if fields is not None:
        return fields.values(name)
    values: Sequence[bytes] = request.requestHeaders.getRawHeaders(name, ())
    return values
