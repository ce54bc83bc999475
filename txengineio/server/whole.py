"""Requests that come whole and have nothing unusual about them: a short path.

What a client that polls sends is small, comes in one piece and looks the same each
time. Such a request is taken apart with one regular expression, and its headers are
parsed only for who asks for them. Everything else, be it incomplete, pipelined,
chunked, folded, to be the last of its connection, or wrong in any way, is not for this
module: Twisted's parser finds out what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, AnyStr, Final, NamedTuple

from twisted.web.http_headers import Headers
from typing_extensions import override

__all__ = ["MADE_WHEN_ASKED", "ReceivedHeaders", "WholeRequest", "whole_request"]

_MAX_HEAD: Final = 8192
"""Bytes of a head that is taken apart here; Twisted allows for some more."""

# RFC 9112, section 3, and RFC 9110, sections 5.1 and 5.5, as far as it is usual: what
# stands before a line is a line end, so that a name can be looked for with it.
_HEAD: Final = re.compile(
    rb"(GET|POST) (/[!-~]*) HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*){1,99}\r\n)\r\n"
)

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[\t ]*([0-9]{1,18})[\t ]*\r")


class WholeRequest(NamedTuple):
    """A request as it came.

    Attributes:
        method: ``GET`` or ``POST``.
        target: Path and query.
        fields: The lines of its headers, with a line end before each and at the end.
        lowered: The same in lower case.
        body: The body.
    """

    method: bytes
    target: bytes
    fields: bytes
    lowered: bytes
    body: bytes


def whole_request(data: bytes) -> WholeRequest | None:
    """Take a request apart.

    Args:
        data: All that has come since the last request.

    Returns:
        The request; None if this is not exactly one whole request, or an unusual one.
    """
    head = _HEAD.match(data, 0, _MAX_HEAD)
    if head is None:
        return None
    method, target, fields = head.groups()
    lowered = fields.lower()
    # What changes how a request is read, or what becomes of its connection.
    if (
        b"\r\ntransfer-encoding:" in lowered
        or b"\r\nexpect:" in lowered
        or b"close" in lowered
    ):
        return None
    length, start = 0, head.end()
    if b"\r\ncontent-length:" in lowered:
        lengths = _LENGTH.findall(lowered)
        if len(lengths) != 1 or lowered.count(b"\r\ncontent-length:") != 1:
            return None
        length = int(lengths[0])
    if len(data) - start != length:
        return None
    return WholeRequest(method, target, fields, lowered, data[start:])


@lru_cache(maxsize=256)
def _beginning(name: bytes) -> bytes:
    """Return what the line of a header begins with.

    Raises:
        InvalidHeaderName: There cannot be a header of that name.
    """
    Headers().hasHeader(name)
    return b"\r\n%b:" % name.lower()


class ReceivedHeaders(Headers):
    """The headers of a request, parsed when more than a value of them is asked for.

    Args:
        fields: As in `WholeRequest`.
        lowered: As in `WholeRequest`.
    """

    __slots__ = ("_fields", "_lowered")

    def __init__(self, fields: bytes, lowered: bytes) -> None:
        # Twisted's attribute for what is parsed stays unset until it is asked for.
        self._fields = fields
        self._lowered = lowered

    def __getattr__(self, name: str) -> Any:
        """Parse the headers: they are asked for."""
        if name != "_rawHeaders":
            raise AttributeError(name)
        super().__init__()
        fields, self._fields, self._lowered = self._fields, b"", b""
        for line in fields[2:-2].split(b"\r\n"):
            field, _, value = line.partition(b":")
            self.addRawHeader(field, value.strip(b" \t"))
        return self._rawHeaders

    def mention(self, one: bytes, other: bytes) -> bool:
        """Whether one of two things may be in them; if not, they are in no value."""
        fields = self._fields
        return not fields or one in fields or other in fields

    @override
    def copy(self) -> Headers:
        if self._fields:
            return ReceivedHeaders(self._fields, b"")
        return Headers(dict(self.getAllRawHeaders()))

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # For the module `copy`: both would keep what only one of them may change.
        return Headers, (dict(self.getAllRawHeaders()),)

    @override
    def hasHeader(self, name: AnyStr) -> bool:
        if self._lowered and isinstance(name, bytes):
            return _beginning(name) in self._lowered
        return super().hasHeader(name)

    @override
    def getRawHeaders(self, name: Any, default: Any = None) -> Sequence[Any] | Any:
        lowered = self._lowered
        if lowered and isinstance(name, bytes):
            line = _beginning(name)
            # Most that is looked for is not there.
            start = lowered.find(line)
            if start < 0:
                return default
            start += len(line)
            if lowered.find(line, start) < 0:
                end = lowered.index(b"\r\n", start)
                return [self._fields[start:end].strip(b" \t")]
        return super().getRawHeaders(name, default)


def _received_cookies(request: Any) -> dict[bytes, bytes]:
    cookies: dict[bytes, bytes] = {}
    request.received_cookies = cookies
    request.parseCookies()
    return cookies


MADE_WHEN_ASKED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "_adapterCache": lambda _request: {},
    "_parsePOSTFormSubmission": lambda _request: False,
    "client": lambda request: request.connection.getPeer(),
    "cookies": lambda _request: [],
    "host": lambda request: request.connection.getHost(),
    "received_cookies": _received_cookies,
    "responseHeaders": lambda _request: Headers(),
    "transport": lambda request: request.connection.transport,
}
"""What Twisted gives to each request, and hardly one to an engine needs."""
