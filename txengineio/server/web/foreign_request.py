"""Requests of anybody's ``twisted.web`` site, and the door for all requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import SEEK_END
from typing import Any, BinaryIO, Final, cast

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.web.http import HTTPChannel, Request
from twisted.web.http_headers import Headers

from txengineio.net.certificates import certificate_of
from txengineio.server.web._twisted import take_over
from txengineio.server.web.headers import headers_so_far
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.request import EngineIORequest
from txengineio.server.web.request_parser import is_explorer
from txengineio.server.web.responses import answer_by_twisted

__all__ = ["ForeignRequest", "incoming"]

_NO_HEADERS: Final[Mapping[str, Any]] = {}


class ForeignRequest:
    """A request of a site that is not ours: see `IncomingRequest`.

    Twisted has received the whole of it, and writes its answer.
    """

    is_plain = False

    def __init__(self, request: Request) -> None:
        self.for_application = request
        self.method: bytes = request.method
        self.uri: bytes = request.uri

    @property
    def version(self) -> bytes:
        return bytes(self.for_application.clientproto)

    # --- what it says -----------------------------------------------------------------

    @property
    def upgrade(self) -> bytes:
        return b",".join(self.header_values(b"Upgrade")).lower()

    @property
    def has_origin(self) -> bool:
        return bool(self.header_values(b"Origin"))

    @property
    def is_explorer(self) -> bool:
        return any(map(is_explorer, self.header_values(b"User-Agent")))

    @property
    def says_binary(self) -> bool:
        return self.header_values(b"Content-Type")[-1:] == [b"application/octet-stream"]

    @property
    def received_fields(self) -> None:
        return None

    def header_values(self, name: bytes) -> Sequence[bytes]:
        headers = self.for_application.requestHeaders
        values: Sequence[bytes] = headers.getRawHeaders(name, [])
        return values

    def select_headers(self, names: tuple[str, ...]) -> Mapping[str, list[str]]:
        return {
            name: [each.decode("latin-1") for each in self.header_values(name.encode())]
            for name in names
        }

    def copy_headers(self) -> Headers:
        return self.for_application.requestHeaders.copy()

    def body_size(self) -> int:
        content = self._content()
        content.seek(0, SEEK_END)
        size = content.tell()
        content.seek(0)
        return size

    def read_body(self) -> bytes:
        return self._content().read()

    def _content(self) -> BinaryIO:
        return cast(BinaryIO, self.for_application.content)

    # --- where it comes from ----------------------------------------------------------

    def peer(self) -> IAddress:
        address: IAddress = self.for_application.getClientAddress()
        return address

    def is_secure(self) -> bool:
        return bool(self.for_application.isSecure())

    def certificate(self) -> Any:
        # A stream of HTTP/2 has no transport of its own.
        channel = self.channel
        is_http1 = isinstance(channel, HTTPChannel)
        return certificate_of(channel.transport) if is_http1 else None

    # --- its answer -------------------------------------------------------------------

    @property
    def answer_headers(self) -> Headers:
        return self.for_application.responseHeaders

    def has_headers(self) -> bool:
        return any(self.answer_headers.getAllRawHeaders())

    def headers_so_far(self) -> dict[str, Any]:
        return headers_so_far(self.for_application)

    @property
    def is_begun(self) -> bool:
        return bool(self.for_application.startedWriting)

    @property
    def is_gone(self) -> bool:
        return bool(self.for_application.finished) or self.channel is None

    def answer(
        self, status: int, headers: Mapping[str, Any] = _NO_HEADERS, body: bytes = b""
    ) -> None:
        if not self.is_gone:
            answer_by_twisted(self.for_application, status, headers, body)

    def refuse_and_close(self, status: int) -> None:
        # Twisted takes it from a request that is answered.
        channel = self.channel
        self.answer(status)
        if isinstance(channel, HTTPChannel):
            channel.loseConnection()

    def end(self) -> None:
        self.for_application.finish()

    def on_lost(self, act: Callable[[IncomingRequest], None]) -> None:
        gone = self.for_application.notifyFinish()
        gone.addErrback(lambda _failure: act(self))

    def abort(self) -> None:
        """Do nothing: all of its body is here."""

    # --- its connection ---------------------------------------------------------------

    @property
    def channel(self) -> Any:
        return self.for_application.channel

    def can_take_over(self) -> bool:
        return isinstance(self.channel, HTTPChannel)

    def take_over(self, protocol: IProtocol) -> bytes:
        return take_over(self.for_application, protocol)


def incoming(request: Request) -> IncomingRequest:
    """Return a request of Twisted's as the code behind this door sees it."""
    return request if isinstance(request, EngineIORequest) else ForeignRequest(request)
