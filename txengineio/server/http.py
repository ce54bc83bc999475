"""HTTP as an engine wants it: bodies bounded while they arrive, nothing done in vain.

Twisted's own ``Request`` reads a whole body before anybody may refuse it, parses it as
a form if it looks like one, and looks for a resource in steps. For the paths of an
engine none of that is needed. For all other paths of the site, and for everything that
is unusual in a request, this is Twisted's request unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO, Final, cast

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, datetimeToString, parse_qs
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from typing_extensions import override
from zope.interface import Attribute, Interface

from txengineio.advice import advice_on
from txengineio.errors import PayloadTooLarge
from txengineio.server.punctuality import punctual_channel
from txengineio.session.direct import can_write_directly, write_directly

__all__ = ["EngineIORequest", "EngineIOSite", "IReceivesRequests"]

_FORMS: Final = (b"application/x-www-form-urlencoded", b"multipart/form-data")
_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Request Entity Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_DRAIN_TIMEOUT: Final = 5.0
"""Seconds that the rest of a body that is too large may keep the server waiting.

It is read and forgotten: closing at once would reset the connection, and the client
would never see the answer.
"""
_DRAIN_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of such a rest that are read; who sends more does not read answers anyway."""

_HTTP_1_1: Final = b"HTTP/1.1"


class IReceivesRequests(Interface):
    """What answers requests: an engine."""

    max_body_size: int = Attribute("Bytes of a request's body, at most.")

    def handle_request(request: HTTPRequest) -> None:
        """Answer a request, now or later, or take its connection over."""

    def body_begun(request: EngineIORequest) -> int:
        """Learn that a request's headers are complete and its body begins.

        Returns:
            A status that the request is to be answered with at once; 0 for none.
        """

    def body_lost(request: EngineIORequest, refused: bool) -> None:
        """Learn that a request whose body had begun will never be complete.

        Args:
            request: The request.
            refused: Whether that is so because its body is too large.
        """


class EngineIORequest(Request):
    """A request to a site that serves engines.

    Attributes:
        engine: The engine that the request is for; None if it is for another resource.
        admitted: What the engine found out when the headers were complete.
    """

    engine: IReceivesRequests | None = None
    admitted: Any = None
    _arguments: dict[bytes, list[bytes]] | None = None
    _receiving = False
    _processing = True
    _status = 0
    _limit = 0
    _received = 0
    _refused = False

    _too_large_log = Logger()

    @override
    def gotLength(self, length: int | None) -> None:
        """Prepare for the body; the headers are complete."""
        channel: Any = self.channel
        # Only HTTP/1 tells the path before the body is there.
        self.engine = channel.site.engine_at(getattr(channel, "_path", b""))
        if self.engine is None:
            super().gotLength(length)
            return
        self.content = BytesIO()
        if length != 0:
            self._limit = self.engine.max_body_size
            if length is not None and length > self._limit:
                self._refuse(length)
            elif hasattr(channel, "_command"):
                self.method, self.uri = channel._command, channel._path
                self._receiving = True
                self._status = self.engine.body_begun(self)

    @override
    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, as far as it is not too large."""
        if self.engine is None:
            super().handleContentChunk(data)
            return
        self._received += len(data)
        if not self._refused and self._received <= self._limit:
            if not self._status:
                _content(self).write(data)
        elif not self._refused:
            self._refuse(self._received)
        elif self._received > _DRAIN_LIMIT:
            cast(Any, self.channel).transport.abortConnection()

    def _refuse(self, size: int) -> None:
        """Answer now that the body is too large, whatever is still to come of it."""
        self._refused = True
        if self._receiving and self.engine is not None:
            self._receiving = False
            self.engine.body_lost(self, refused=True)
        problem = PayloadTooLarge(size, self._limit)
        self._too_large_log.warn(
            "POST refused: {problem}{advice}",
            problem=str(problem),
            advice=advice_on(problem),
        )
        self.content = BytesIO()
        # Twisted would say "go on" behind the answer.
        self.requestHeaders.removeHeader(b"Expect")
        channel: Any = self.channel
        channel.transport.write(_TOO_LARGE)
        channel.setTimeout(_DRAIN_TIMEOUT)

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Serve the request; it is complete."""
        self._receiving = False
        if self._refused:
            # Answered already.
            cast(Any, self.channel).loseConnection()
        elif self.engine is None and self._looks_like_form():
            super().requestReceived(command, path, version)
        else:
            _content(self).seek(0)
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
        if self._receiving and self.engine is not None:
            self._receiving = False
            self.engine.body_lost(self, refused=False)
        super().connectionLost(reason)

    def abort(self) -> None:
        """Drop the connection of a request whose body nobody wants any more."""
        self._receiving = False
        # Twisted deletes it when a request is answered: a middleware may have done so.
        channel: Any = getattr(self, "channel", None)
        if channel is not None:
            channel.transport.abortConnection()

    @property  # type: ignore[explicit-override]  # an attribute there
    def args(self) -> dict[bytes, list[bytes]]:
        """The parameters of the query, and of a form; parsed for who asks."""
        if self._arguments is None:
            self._arguments = parse_qs(self.uri.partition(b"?")[2], True)
        return self._arguments

    @args.setter
    def args(self, arguments: dict[bytes, list[bytes]]) -> None:
        self._arguments = arguments

    def _looks_like_form(self) -> bool:
        types = self.requestHeaders.getRawHeaders(b"Content-Type")
        return types is not None and types[0].lower().startswith(_FORMS)

    @override
    def process(self) -> None:
        """Find out who answers, and let it."""
        if self.engine is None:
            super().process()
            return
        # What hooks may ask, Twisted's sessions among them.
        self.site = cast(Any, self.channel).site
        self.sitepath: list[bytes] = []
        self.prepath = self.path.split(b"/")[1:]
        self.postpath: list[bytes] = []
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
        if (
            self.engine is None
            or self.clientproto != _HTTP_1_1
            or self.method == b"HEAD"
            # Set by a middleware, or by Twisted for a connection that is to be closed.
            or any(self.responseHeaders.getAllRawHeaders())
        ):
            return False
        head = f"HTTP/1.1 {status} {_reason(status)}\r\nDate: {self._date()}\r\n"
        for name, value in headers.items():
            if not isinstance(value, str) or "\r" in value or "\n" in value:
                return False
            head += f"{name}: {value}\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        transport = cast(Any, self.channel).transport
        # UTF-8, as Twisted writes headers.
        answer = head.encode() + body
        if can_write_directly(transport):
            write_directly(transport, answer)
        else:
            transport.write(answer)
        self.code = status
        self.startedWriting = 1
        self.sentLength = len(body)
        self._finish_soon()
        return True

    def _finish_soon(self) -> None:
        """Finish; but a request that waits behind a parked one is not served right now.

        A parked poll is answered from anywhere: in a call of the application, or in the
        middle of another session's work.
        """
        channel: Any = self.channel
        if not self._processing and any(channel._dataBuffer):
            self.finished = 1
            channel.site.reactor.callLater(0, self._finish_now)
        else:
            self.finish()

    def _finish_now(self) -> None:
        # The connection may be lost by now.
        if not self._disconnected:
            self.finished = 0
            self.finish()

    def _date(self) -> str:
        date: str = cast(Any, self.channel).site.date()
        return date


class EngineIOSite(Site):
    """A site that serves engines at paths of their own, beside other resources.

    There is no access log: the query of a request tells its session's id, which is a
    credential.

    Args:
        resource: The root of everything that is not for an engine.
        engines: The engines by their paths; all below a path is the engine's, too.
        reactor: For time-outs; by default the global reactor.
    """

    noisy = False
    protocol = punctual_channel
    requestFactory = EngineIORequest

    def __init__(
        self,
        resource: IResource,
        engines: Mapping[str, IReceivesRequests],
        reactor: IReactorTime | None = None,
    ) -> None:
        super().__init__(resource, reactor=reactor)
        self._engines = [
            (path.removesuffix("/").encode("ascii"), engine)
            for path, engine in engines.items()
        ]
        self._date_second = -1
        self._date_text = ""

    def engine_at(self, uri: bytes) -> IReceivesRequests | None:
        """Return the engine that a request's target belongs to, if any."""
        path = uri.partition(b"?")[0]
        if not path.startswith(b"/"):
            # An absolute target, as to a proxy: RFC 9112, section 3.2.2.
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        for prefix, engine in self._engines:
            if path.startswith(prefix) and path[len(prefix) :][:1] in (b"", b"/"):
                return engine
        return None

    def date(self) -> str:
        """Return the value of the ``Date`` header; it is made once a second."""
        now = self.reactor.seconds()
        if int(now) != self._date_second:
            self._date_second = int(now)
            self._date_text = datetimeToString(now).decode("ascii")
        return self._date_text

    @override
    def startFactory(self) -> None:
        """Do nothing: Twisted prepares an access log here, once a second."""

    @override
    def stopFactory(self) -> None:
        """Do nothing: there is no access log to close."""

    @override
    def log(self, request: HTTPRequest) -> None:
        """Do nothing."""


def _content(request: Request) -> BinaryIO:
    return cast(BinaryIO, request.content)


def _reason(status: int) -> str:
    reason = RESPONSES.get(status, b"Unknown Status")
    return reason.decode("ascii")
