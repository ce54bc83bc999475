"""Requests whose parts are made only when they are asked for.

Twisted gives each request two dozen objects, and hardly one to an engine needs any. One
that comes in one piece gets them when a hook or a middleware asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from io import BytesIO
from typing import Any, Final, Self, cast

from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from typing_extensions import override

from txengineio.server.web._twisted import PRIVATE_DEFAULTS, was_set_secure
from txengineio.server.web.request_parser import (
    CompleteRequest,
    Fields,
    ReceivedHeaders,
)

__all__ = ["LazyRequest"]

_HTTP_1_1: Final = b"HTTP/1.1"


class LazyRequest(Request):
    """A request that came in one piece, or one of Twisted's, which has everything.

    Attributes:
        received_by: The channel that has read it in one piece; None for other requests.
        received_fields: The headers of one that came in one piece, unless some code has
            asked for all of them, and may have changed them. None for others.
        received_body: The same for its body.
    """

    received_by: Any = None
    received_fields: Fields | None = None
    received_body: bytes | None = None
    _arguments: dict[bytes, list[bytes]] | None = None
    _content: Any = None
    _headers: Any = None
    _response_headers: Headers | None = None
    _cookies: list[bytes] | None = None

    @classmethod
    def of_complete(cls, channel: Any, received: CompleteRequest, path: bytes) -> Self:
        """Make a request that has come in one piece.

        Args:
            channel: The channel.
            received: What has come.
            path: The path in its target.
        """
        request = cls.__new__(cls)
        request.channel = request.received_by = channel
        request.method, request.uri = received[:2]
        request.received_fields, request.received_body = received[2:]
        request.path = path
        request.clientproto = _HTTP_1_1
        request.notifications = []
        request.queued = False
        return request

    def has_headers(self) -> bool:
        """Whether its answer has headers already: a middleware's, or Twisted's."""
        return self._response_headers is not None and any(
            self._response_headers.getAllRawHeaders()
        )

    def has_cookies(self) -> bool:
        """Whether its answer has cookies already, beside those in its headers."""
        return bool(self._cookies)

    # What Twisted gives to each request as an attribute. Code that asks for the headers
    # or the body may change them; if it assigns new ones, those count.

    @property  # type: ignore[explicit-override]
    def requestHeaders(self) -> Any:
        """All headers of the request."""
        if self.received_fields is not None:
            # The setter forgets the received fields.
            self.requestHeaders = ReceivedHeaders(self.received_fields.lines)
        return self._headers

    @requestHeaders.setter
    def requestHeaders(self, headers: Any) -> None:
        self._headers, self.received_fields = headers, None

    @property  # type: ignore[explicit-override]
    def content(self) -> Any:
        """The body as a file."""
        if self.received_body is not None:
            self.content = BytesIO(self.received_body)
        return self._content

    @content.setter
    def content(self, content: Any) -> None:
        self._content, self.received_body = content, None

    @content.deleter
    def content(self) -> None:
        self._content = self.received_body = None

    @property  # type: ignore[explicit-override]
    def responseHeaders(self) -> Headers:
        """The headers of the answer."""
        if self._response_headers is None:
            self._response_headers = Headers()
        return self._response_headers

    @responseHeaders.setter
    def responseHeaders(self, headers: Headers) -> None:
        self._response_headers = headers

    @property  # type: ignore[explicit-override]
    def cookies(self) -> list[bytes]:
        """The cookies of the answer."""
        if self._cookies is None:
            self._cookies = []
        return self._cookies

    @cookies.setter
    def cookies(self, cookies: list[bytes]) -> None:
        self._cookies = cookies

    @property  # type: ignore[explicit-override]
    def args(self) -> dict[bytes, list[bytes]]:
        """The parameters of the query, and of a form."""
        if self._arguments is None:
            self._arguments = parse_qs(self.uri.partition(b"?")[2], True)
        return self._arguments

    @args.setter
    def args(self, arguments: dict[bytes, list[bytes]]) -> None:
        self._arguments = arguments

    @override
    def isSecure(self) -> bool:
        """Whether the request came over TLS, or ``setHost`` has said so."""
        # Twisted takes the channel from a request that is answered.
        channel: Any = getattr(self, "channel", None)
        return was_set_secure(self) or (channel is not None and channel.isSecure())

    @cached_property
    def site(self) -> Any:  # type: ignore[explicit-override, override]
        """The site; Twisted sets it for other resources, too."""
        # Twisted takes the channel from a request that is answered.
        return (self.received_by or cast(Any, self.channel)).site

    @cached_property
    def sitepath(self) -> list[bytes]:
        """Nothing: no cookie of Twisted's is for a part of the site."""
        return []

    @cached_property
    def prepath(self) -> list[bytes]:  # type: ignore[explicit-override, override]
        """The parts of the path."""
        return self.path.split(b"/")[1:]

    @cached_property
    def postpath(self) -> list[bytes]:  # type: ignore[explicit-override, override]
        """Nothing: the engine takes the whole path."""
        return []


def _received_cookies(request: Any) -> dict[bytes, bytes]:
    cookies: dict[bytes, bytes] = {}
    request.received_cookies = cookies
    request.parseCookies()
    return cookies


_MADE_WHEN_ASKED: Final[Mapping[str, Callable[[Any], Any]]] = {
    **PRIVATE_DEFAULTS,
    "client": lambda request: request.received_by.getPeer(),
    "host": lambda request: request.received_by.getHost(),
    "received_cookies": _received_cookies,
    "transport": lambda request: request.received_by.transport,
}
"""The other attributes that Twisted gives to each request, and how they are made."""


class _WhenAsked:
    """An attribute that is created only when it is first asked for.

    Args:
        name: Its name.
        make: Called with the object; returns the attribute's value.
    """

    def __init__(self, name: str, make: Callable[[Any], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, instance: Any, owner: object = None) -> Any:
        """Make it."""
        if instance is None:
            return self
        value = self._make(instance)
        setattr(instance, self._name, value)
        return value


for _name, _make in _MADE_WHEN_ASKED.items():
    setattr(LazyRequest, _name, _WhenAsked(_name, _make))
