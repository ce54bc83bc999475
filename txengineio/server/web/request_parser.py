"""A short path for requests that come in one piece and have nothing unusual.

The requests of a client that polls are small, arrive in one piece and look the same
each time. They are taken apart here; their headers are parsed only if they differ from
those of the last request. Everything else, be it incomplete, pipelined, chunked,
folded, to be the last of its connection, or wrong in any way, is left to Twisted's
parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, AnyStr, Final, TypeAlias

from twisted.web.http_headers import Headers
from typing_extensions import override

from txengineio.server.web._twisted import PARSED_HEADERS

__all__ = [
    "OF_THE_CONNECTION",
    "CompleteRequest",
    "Fields",
    "ReceivedHeaders",
    "is_explorer",
    "parse_complete_request",
]

_MAX_HEAD: Final = 8192
"""Bytes of a head that is taken apart here; Twisted allows for some more."""

# RFC 9112, section 3, and RFC 9110, sections 5.1 and 5.5, as far as it is usual: what
# stands before a line is a line end, so that a name can be looked for with it.
_LINE: Final = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1(?=\r\n)")
# Possessive, as there is nothing to go back for.
_FIELD: Final = rb"\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+"
_FIELDS: Final = re.compile(rb"(?:%b){1,99}+\r\n" % _FIELD)
_MAX_DIGITS: Final = 18
_LENGTH: Final = re.compile(
    rb"\r\ncontent-length:[\t ]*([0-9]{1,%d})[\t ]*\r" % _MAX_DIGITS
)

OF_THE_CONNECTION: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that are about the client's connection, or about how its body came: RFC 9110,
section 7.6.1.

Those that its ``Connection`` names go on: to the client both nodes are one server,
which reads them. Else it could strip what a proxy has added: ``X-Forwarded-For``.
"""

_LINES_OF_THE_CONNECTION: Final = re.compile(
    rb"\r\n(?:%b):[^\r]*" % b"|".join(sorted(OF_THE_CONNECTION)), re.IGNORECASE
)


class Fields:
    """The header fields of a request as they came, and what matters about them.

    Args:
        lines: The lines, with a line end before each and at the end.
        lowered: The same in lower case.
        length: Bytes of the body.
        digits: Where in the lines the digits of the length are, from and up to.

    Attributes:
        lines: As above.
        length: As above.
        upgrade: Its ``Upgrade`` in lower case; empty if there is none.
        has_origin: Whether there is an ``Origin``.
        says_binary: Whether the body is said to be ``application/octet-stream``.
        is_explorer: Whether the client is an Internet Explorer.
    """

    __slots__ = (
        "_digits",
        "_end_to_end",
        "has_origin",
        "is_explorer",
        "length",
        "lines",
        "says_binary",
        "upgrade",
    )

    def __init__(
        self, lines: bytes, lowered: bytes, length: int, digits: tuple[int, int]
    ) -> None:
        self.lines = lines
        self.length = length
        self._digits = digits
        self._end_to_end: bytes | None = None
        self.upgrade = b""
        if b"\r\nupgrade:" in lowered:
            # The value that usual clients send.
            is_usual = b"\r\nupgrade: websocket\r\n" in lowered
            self.upgrade = b"websocket" if is_usual else self._upgrades()
        self.has_origin = b"\r\norigin:" in lowered
        # Clients hardly ever send these.
        self.says_binary = b"octet-stream" in lowered and (
            self.values(b"Content-Type")[-1:] == [b"application/octet-stream"]
        )
        self.is_explorer = is_explorer(lines) and any(
            map(is_explorer, self.values(b"User-Agent"))
        )

    def with_other_length(self, lines: bytes) -> Fields | None:
        """Return the fields of other lines, if they differ in the length alone.

        Parsing them takes several times as long, and most bodies of a client differ in
        length from the one before.
        """
        start, end = self._digits
        behind = len(lines) - len(self.lines) + end
        digits = lines[start:behind]
        if (
            not digits.isdigit()
            or len(digits) > _MAX_DIGITS
            or lines[:start] != self.lines[:start]
            or lines[behind:] != self.lines[end:]
        ):
            return None
        fields = Fields.__new__(Fields)
        fields.lines, fields.length = lines, int(digits)
        fields._digits = start, behind
        # What these say does not depend on the length.
        fields._end_to_end = self._end_to_end
        fields.upgrade, fields.has_origin = self.upgrade, self.has_origin
        fields.says_binary = self.says_binary
        fields.is_explorer = self.is_explorer
        return fields

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header, in their order."""
        return _values_in(self.lines, name)

    def end_to_end(self) -> bytes:
        """Return the lines without those of `OF_THE_CONNECTION`.

        There is a line end before each of them, and none at the end.
        """
        if self._end_to_end is None:
            # It is kept for the next request of the connection.
            self._end_to_end = _LINES_OF_THE_CONNECTION.sub(b"", self.lines)[:-2]
        return self._end_to_end

    def _upgrades(self) -> bytes:
        return b",".join(self.values(b"Upgrade")).lower()

    def select(self, names: tuple[str, ...]) -> dict[str, list[str]]:
        """Return the values of some headers by their names, all in one go."""
        values: dict[str, list[str]] = {name: [] for name in names}
        for name, value in _lines_of(names).findall(self.lines):
            text = value.strip(b" \t").decode("latin-1")
            values[name.lower().decode("ascii")].append(text)
        return values


CompleteRequest: TypeAlias = tuple[bytes, bytes, Fields, bytes]
"""``GET`` or ``POST``, path and query, the headers, and the body."""


def parse_complete_request(
    data: bytes, last: Mapping[bytes, Fields]
) -> CompleteRequest | None:
    """Take a request apart.

    Args:
        data: All that has come since the last request.
        last: The headers that came last with each method.

    Returns:
        The request; None if this is not exactly one request, or an unusual one.
    """
    line = _LINE.match(data)
    if line is None:
        return None
    method, target = line.groups()
    start = line.end()
    end = data.find(b"\r\n\r\n", start, _MAX_HEAD) + 2
    lines = data[start:end]
    fields = last.get(method)
    if fields is not None and fields.lines != lines:
        fields = fields.with_other_length(lines)
    if fields is None:
        fields = _parse_fields(lines)
    if fields is None or len(data) - end - 2 != fields.length:
        return None
    return method, target, fields, data[end + 2 :]


def _parse_fields(lines: bytes) -> Fields | None:
    """Return the parsed headers; None if there is anything unusual about them."""
    if _FIELDS.fullmatch(lines) is None:
        return None
    lowered = lines.lower()
    # Headers that change how a request is read, or what becomes of its connection.
    if (
        b"\r\ntransfer-encoding:" in lowered
        or b"\r\nexpect:" in lowered
        or b"close" in lowered
        or lowered.count(b"\r\nhost:") != 1
    ):
        return None
    if b"\r\ncontent-length:" not in lowered:
        return Fields(lines, lowered, 0, (0, 0))
    length = _LENGTH.search(lowered)
    if length is None or lowered.count(b"\r\ncontent-length:") != 1:
        return None
    return Fields(lines, lowered, int(length[1]), length.span(1))


def is_explorer(agent: bytes) -> bool:
    """Whether a ``User-Agent`` is that of an Internet Explorer."""
    return b"MSIE" in agent or b"Trident/" in agent


@lru_cache(maxsize=16)
def _lines_of(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """Return a pattern that finds the lines of some headers."""
    either = "|".join(map(re.escape, names)).encode("ascii")
    return re.compile(rb"\r\n(%b):([^\r]*)" % either, re.IGNORECASE)


@lru_cache(maxsize=256)
def _beginning(name: bytes) -> bytes:
    """Return the beginning of a header's line.

    Raises:
        InvalidHeaderName: There cannot be a header of that name.
    """
    Headers().hasHeader(name)
    return b"\r\n%b:" % name.lower()


def _values_in(lines: bytes, name: bytes) -> list[bytes]:
    """Return the values of a header.

    Raises:
        InvalidHeaderName: There cannot be a header of that name.
    """
    values = []
    beginning = _beginning(name)
    lowered = lines.lower()
    start = lowered.find(beginning)
    # Most headers that are looked for are absent.
    while start >= 0:
        start += len(beginning)
        end = lowered.index(b"\r\n", start)
        values.append(lines[start:end].strip(b" \t"))
        start = lowered.find(beginning, end)
    return values


class ReceivedHeaders(Headers):
    """The headers of a request, parsed when more than a value of them is asked for.

    Args:
        lines: As in `Fields`.
    """

    __slots__ = ("_lines",)

    def __init__(self, lines: bytes) -> None:
        # Twisted's attribute for what is parsed stays unset until it is asked for.
        self._lines = lines

    def __getattr__(self, name: str) -> Any:
        """Parse the headers: they are asked for."""
        if name != PARSED_HEADERS:
            raise AttributeError(name)
        super().__init__()
        lines, self._lines = self._lines, b""
        for line in lines[2:-2].split(b"\r\n"):
            field, _, value = line.partition(b":")
            self.addRawHeader(field, value.strip(b" \t"))
        return getattr(self, PARSED_HEADERS)

    @override
    def copy(self) -> Headers:
        if self._lines:
            return ReceivedHeaders(self._lines)
        return Headers(dict(self.getAllRawHeaders()))

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # For the module `copy`: the copy must not share what either may change.
        return Headers, (dict(self.getAllRawHeaders()),)

    @override
    def hasHeader(self, name: AnyStr) -> bool:
        if self._lines and isinstance(name, bytes):
            return _beginning(name) in self._lines.lower()
        return super().hasHeader(name)

    @override
    def getRawHeaders(self, name: Any, default: Any = None) -> Sequence[Any] | Any:
        if self._lines and isinstance(name, bytes):
            return _values_in(self._lines, name) or default
        return super().getRawHeaders(name, default)
