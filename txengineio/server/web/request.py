"""Requests to an engine: bodies bounded while they arrive, and no needless work.

Twisted's own ``Request`` reads a whole body before it can be refused, parses it as a
form if it looks like one, and looks for a resource in steps. For the paths of an engine
none of that is needed. For all other paths of the site, and for everything that is
unusual in a request, this is Twisted's request unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import SEEK_END, BytesIO
from typing import Any, Final, cast

from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from typing_extensions import override

from txengineio.errors import TransportError, advice_in
from txengineio.net.certificates import certificate_of
from txengineio.net.direct_writes import write_directly
from txengineio.server.web._twisted import head_of, is_disconnected, take_over
from txengineio.server.web.body_limits import (
    BodyRefused,
    too_large,
    too_many_chunks,
    too_slow,
)
from txengineio.server.web.headers import headers_so_far
from txengineio.server.web.incoming_request import (
    IncomingRequest,
    IReceivesRequests,
    Upload,
)
from txengineio.server.web.lazy_request import LazyRequest
from txengineio.server.web.request_parser import ReceivedHeaders, is_explorer
from txengineio.server.web.responses import (
    ConstantHeaders,
    answer_by_twisted,
    serialize_beside,
    serialize_headers,
)

__all__ = ["EngineIORequest"]

_FORMS: Final = (b"application/x-www-form-urlencoded", b"multipart/form-data")
_REFUSAL: Final = b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_DRAIN_TIMEOUT: Final = 5.0
"""Seconds that the server waits for the rest of a body that it has refused.

It is read and discarded: closing at once would reset the connection, and the client
would never see the answer.
"""
_DRAIN_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of it that are read; a client that sends more does not read answers anyway."""

_HTTP_1_1: Final = b"HTTP/1.1"
_NO_HEADERS: Final[Mapping[str, Any]] = {}
_LOST: Final = "data request connection closed prematurely"


class EngineIORequest(LazyRequest):
    """A request to a site that serves engines.

    The code behind the door sees it as an `IncomingRequest`.

    Attributes:
        engine: The engine that the request is for; None if it is for another resource.
    """

    engine: IReceivesRequests | None = None
    _upload: Upload | None = None
    _lost: Callable[[IncomingRequest], None] | None = None
    _is_receiving = False
    _processing = True
    _received = 0
    _chunks = 0
    _refused: BodyRefused | None = None

    _refusal_log = Logger()

    @override
    def gotLength(self, length: int | None) -> None:
        """Prepare for the body; the headers are complete."""
        channel: Any = self.channel
        method, target = head_of(channel)
        self.engine = channel.site.engine_at(target.partition(b"?")[0])
        if self.engine is None:
            super().gotLength(length)
            return
        # Twisted does this later; but someone may ask for it after the answer.
        self.site = channel.site
        self.content = BytesIO()
        if length != 0:
            self.method, self.uri = method, target
            self._is_receiving = True
            self._upload = self.engine.body_begun(self)
            limits = self.engine.body_limits
            if not self._is_stream:
                channel.limit_body_time(limits.timeout, self._refuse_late)
            if length is not None and length > limits.max_size:
                self.refuse_body(too_large(length, limits.max_size))

    @override
    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, as far as it keeps to the limits."""
        if self.engine is None:
            super().handleContentChunk(data)
            return
        self._received += len(data)
        self._chunks += 1
        limits = self.engine.body_limits
        if self._refused is not None:
            if self._received > _DRAIN_LIMIT:
                self._body_lost(self._refused)
                self._drop()
        elif self._received > limits.max_size:
            self.refuse_body(too_large(self._received, limits.max_size))
        elif self._chunks > limits.max_chunks:
            self.refuse_body(too_many_chunks(limits.max_chunks))
        elif self._upload is None or not self._upload.is_refused:
            self.content.write(data)

    def refuse_body(self, error: BodyRefused) -> None:
        """Take no more of the body; answer now, whatever is still to come of it.

        A stream of HTTP/2 cannot be answered by Twisted before it is complete.
        """
        self._refused = error
        self.content = BytesIO()
        # Twisted would send "100 Continue" after the answer.
        self.requestHeaders.removeHeader(b"Expect")
        if self._is_stream:
            return
        channel: Any = self.channel
        reason = RESPONSES.get(error.status, b"")
        refusal = _REFUSAL % (error.status, reason)
        # The refusal leaves first: then the session ends, which answers a parked poll.
        if channel.writes_directly:
            write_directly(channel.transport, refusal)
        else:
            channel.transport.write(refusal)
        channel.setTimeout(_DRAIN_TIMEOUT)
        self._tell_of(error)

    def _tell_of(self, refused: BodyRefused) -> None:
        """End the session that has posted a refused body, or else log the refusal."""
        if not self._body_lost(refused):
            self._refusal_log.warn(
                "POST from {address} to an engine refused: {problem}{advice}",
                address=getattr(self.getClientAddress(), "host", "a Unix socket"),
                problem=str(refused),
                advice=advice_in(refused),
            )

    def _refuse_late(self, seconds: float) -> bool:
        """Refuse a body that is not here after so many seconds, if it still arrives."""
        if self._is_receiving:
            self.refuse_body(too_slow(seconds))
            return True
        return False

    def _body_lost(self, error: TransportError) -> bool:
        """Tell the upload, once, that its body will never be complete."""
        if not self._is_receiving or self._upload is None:
            return False
        self._is_receiving = False
        return self._upload.lost(error)

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Serve the request; it is complete."""
        if self._refused is not None:
            self._finish_refused(self._refused)
            return
        self._is_receiving = False
        if self.engine is None and self._looks_like_form():
            super().requestReceived(command, path, version)
        else:
            self.content.seek(0)
            self.method, self.uri, self.clientproto = command, path, version
            self.path = path.partition(b"?")[0]
            self.process()

    def _finish_refused(self, refused: BodyRefused) -> None:
        """Finish a request whose refused body has arrived."""
        if self._is_stream:
            self.answer(refused.status)
            self._tell_of(refused)
        else:
            # Answered already.
            cast(Any, self.channel).loseConnection()

    @override
    def connectionLost(self, reason: Failure) -> None:
        """Tell the engine if the body is not complete."""
        self._body_lost(self._refused or TransportError(_LOST, peer_left=True))
        super().connectionLost(reason)
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(self)

    def abort(self) -> None:
        """Drop the connection of a request whose body is no longer wanted."""
        self._is_receiving = False
        self._drop()

    @property
    def _is_stream(self) -> bool:
        """Whether it came over HTTP/2, with others on the same connection."""
        return not isinstance(self.channel, HTTPChannel)

    def _drop(self) -> None:
        # Twisted deletes it when a request is answered: a middleware may have done so.
        channel: Any = getattr(self, "channel", None)
        if channel is None:
            return
        if self._is_stream:
            # What has come of it in the same segment is still handed over.
            channel.site.reactor.callLater(0, self._reset)
        else:
            channel.transport.abortConnection()

    def _reset(self) -> None:
        """Reset the stream; Twisted does not report that."""
        channel: Any = getattr(self, "channel", None)
        if channel is not None:
            channel.abortConnection()
            self.connectionLost(Failure(ConnectionAborted()))

    def _looks_like_form(self) -> bool:
        types = self.header_values(b"Content-Type")
        return bool(types) and types[0].lower().startswith(_FORMS)

    @override
    def process(self) -> None:
        """Find what answers the request, and let it answer."""
        if self.engine is None:
            super().process()
            return
        try:
            if self._upload is None:
                self.engine.handle_request(self)
            else:
                self._upload.complete()
        except BaseException:
            self.processingFailed(Failure())
        finally:
            self._processing = False

    def answer(
        self, status: int, headers: Mapping[str, Any] = _NO_HEADERS, body: bytes = b""
    ) -> None:
        """Answer: in one write, if nothing about the request is unusual."""
        is_gone = self.finished or self.channel is None
        if not is_gone and not self._answer_in_one_write(status, headers, body):
            answer_by_twisted(self, status, headers, body)

    def _answer_in_one_write(
        self, status: int, headers: Mapping[str, Any], body: bytes
    ) -> bool:
        """Answer and return True; if that is not possible, do nothing."""
        if type(headers) is ConstantHeaders:
            lines = headers.lines
        else:
            lines = serialize_headers(headers)
        if lines is None or self._is_unusual():
            return False
        if self._response_headers is not None and self.has_headers():
            others = serialize_beside(headers, self.responseHeaders)
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
        if self._processing and self.received_by is not None:
            self._finish_complete()
        else:
            self._finish_soon()
        return True

    def _is_unusual(self) -> bool:
        """Whether Twisted is to write its answer."""
        if self._cookies or self.etag is not None or self.lastModified is not None:
            return True
        return self.received_by is None and (
            self.engine is None
            or self.clientproto != _HTTP_1_1
            or self.method == b"HEAD"
        )

    def _finish_soon(self) -> None:
        """Finish; but do not serve a request that is queued after a parked one at once.

        A parked poll is answered from anywhere: in a call of the application, or in the
        middle of another session's work.
        """
        channel: Any = self.channel
        if not self._processing and channel.keeps_bytes():
            self.finished = 1
            channel.site.reactor.callLater(0, self._finish_now)
        elif self.received_by is None:
            self.finish()
        else:
            self._finish_complete()

    def _finish_complete(self) -> None:
        """Do the necessary parts of Twisted's method."""
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
        if not is_disconnected(self):
            self.finished = 0
            self.finish()

    # --- IncomingRequest --------------------------------------------------------------

    @property
    def for_application(self) -> Request:
        return self

    @property
    def version(self) -> bytes:
        return bytes(self.clientproto)

    @property
    def is_plain(self) -> bool:
        fields = self.received_fields
        return fields is not None and not fields.upgrade

    @property
    def upgrade(self) -> bytes:
        fields = self.received_fields
        if fields is not None:
            return fields.upgrade
        return b",".join(self.header_values(b"Upgrade")).lower()

    @property
    def has_origin(self) -> bool:
        fields = self.received_fields
        if fields is not None:
            return fields.has_origin
        return bool(self.header_values(b"Origin"))

    @property
    def is_explorer(self) -> bool:
        fields = self.received_fields
        if fields is not None:
            return fields.is_explorer
        return any(map(is_explorer, self.header_values(b"User-Agent")))

    @property
    def says_binary(self) -> bool:
        fields = self.received_fields
        if fields is not None:
            return fields.says_binary
        return self.header_values(b"Content-Type")[-1:] == [b"application/octet-stream"]

    def header_values(self, name: bytes) -> Sequence[bytes]:
        # Asking the request for all its headers costs more.
        if self.received_fields is not None:
            return self.received_fields.values(name)
        values: Sequence[bytes] = self.requestHeaders.getRawHeaders(name, [])
        return values

    def select_headers(self, names: tuple[str, ...]) -> Mapping[str, list[str]]:
        if self.received_fields is not None:
            return self.received_fields.select(names)
        return {
            name: [each.decode("latin-1") for each in self.header_values(name.encode())]
            for name in names
        }

    def copy_headers(self) -> Headers:
        if self.received_fields is not None:
            return ReceivedHeaders(self.received_fields.lines)
        headers: Headers = self.requestHeaders.copy()
        return headers

    def body_size(self) -> int:
        if self.received_body is not None:
            return len(self.received_body)
        content = self.content
        content.seek(0, SEEK_END)
        size = int(content.tell())
        content.seek(0)
        return size

    def read_body(self) -> bytes:
        if self.received_body is not None:
            return self.received_body
        return bytes(self.content.read())

    def peer(self) -> IAddress:
        # What `getClientAddress` says, which is asked for several times a handshake.
        address: IAddress = self.client
        return address

    def is_secure(self) -> bool:
        return self.isSecure()

    def certificate(self) -> Any:
        # A stream of HTTP/2 has no transport of its own.
        channel = self.channel
        is_http1 = isinstance(channel, HTTPChannel)
        return certificate_of(channel.transport) if is_http1 else None

    @property
    def answer_headers(self) -> Headers:
        return self.responseHeaders

    def headers_so_far(self) -> dict[str, Any]:
        if self.has_headers() or self.has_cookies():
            return headers_so_far(self)
        return {}

    @property
    def is_begun(self) -> bool:
        return bool(self.startedWriting)

    @property
    def is_gone(self) -> bool:
        return bool(self.finished) or self.channel is None

    def refuse_and_close(self, status: int) -> None:
        # Twisted takes it from a request that is answered.
        channel: Any = self.channel
        is_stream = self._is_stream
        self.answer(status)
        if channel is not None and not is_stream:
            channel.loseConnection()

    def end(self) -> None:
        self.finish()

    def on_lost(self, act: Callable[[IncomingRequest], None]) -> None:
        self._lost = act

    def can_take_over(self) -> bool:
        return not self._is_stream

    def take_over(self, protocol: IProtocol) -> bytes:
        return take_over(self, protocol)
