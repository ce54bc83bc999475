"""The answer of another node, taken apart: what our own site writes, and no more.

Twisted's client for HTTP accepts no 101, and takes several times as long. The other
side is this package, so that the answer is known to be well-formed, as long as
middlewares keep to Twisted's interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from txengineio.server.web.responses import ConstantHeaders

__all__ = ["SWITCHING", "AnswerReader", "Head"]

SWITCHING: Final = 101

_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
_MAX_HEAD: Final = 1 << 16
_MAX_SIZE: Final = 20
"""Digits that the size of a chunk has, and more."""

_REMEMBERED: Final = 64
"""Heads that are remembered; until the clock strikes they are the same few."""

_WITHOUT_BODY: Final = (204, 304)

_OF_THIS_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "transfer-encoding",
    }
)
"""Headers that are set anew for the client."""


class Head(NamedTuple):
    """The head of an answer.

    Attributes:
        status: The HTTP status.
        headers: Those that are for the client; a list of values makes as many lines.
        length: Bytes of the body; None if the head does not say.
        is_chunked: Whether the body comes in chunks: RFC 9112, section 7.1.
        closes: Whether the answer is the last one on its connection.
    """

    status: int
    headers: Mapping[str, Any]
    length: int | None
    is_chunked: bool
    closes: bool


class AnswerReader:
    """Reads one answer.

    Args:
        is_bodiless: Whether the request was such that its answer has no body: HEAD.

    Attributes:
        head: The head, when it is complete.
        raw_head: The same as it came.
        is_complete: Whether all has come.
    """

    # There is one for each answer, most of which come whole.
    head: Head | None = None
    raw_head = b""
    is_complete = False
    _kept = b""
    # Bytes that are still to come; None if their number is unknown.
    _left: int | None = None
    # The same for a chunk, with the end of line after it.
    _left_of_chunk = 0
    _is_last_chunk = False

    def __init__(self, *, is_bodiless: bool = False) -> None:
        self._is_bodiless = is_bodiless

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        return (
            self.head is not None
            and not self.is_complete
            and self._left is None
            and not self.head.is_chunked
        )

    def receive(self, data: bytes) -> bytes:
        """Take what has come.

        Returns:
            The part of the body in it; after an upgrade, what was sent after the head.

        Raises:
            ValueError: It is no answer.
        """
        if self.head is None:
            data = self._kept + data
            head, end, rest = data.partition(_END)
            if not end:
                if len(data) > _MAX_HEAD:
                    raise ValueError("an endless head")
                self._kept = data
                return b""
            self._kept = b""
            self.raw_head = head + end
            self._begin(_read_head(head))
            data = rest
        return self._read_body(data)

    def _begin(self, head: Head) -> None:
        self.head = head
        if self._is_bodiless or head.status in _WITHOUT_BODY:
            self._left = 0
        else:
            self._left = head.length

    def _read_body(self, data: bytes) -> bytes:
        assert self.head is not None
        if self.head.status == SWITCHING:
            return data
        if self._left is None:
            return self._read_chunks(data) if self.head.is_chunked else data
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("more than the answer")
        self.is_complete = not self._left
        return data

    def _read_chunks(self, data: bytes) -> bytes:
        data = self._kept + data
        self._kept = b""
        pieces = []
        at = 0
        while at < len(data):
            if self.is_complete:
                raise ValueError("more than the answer")
            if not self._left_of_chunk:
                end = data.find(_LINE_END, at)
                if end < 0:
                    self._kept = _begun_size(data[at:])
                    break
                size = int(data[at:end], 16)
                self._is_last_chunk = not size
                self._left_of_chunk = size + len(_LINE_END)
                at = end + len(_LINE_END)
            end = at + self._left_of_chunk
            pieces.append(data[at : max(at, end - len(_LINE_END))])
            self._left_of_chunk = max(end - len(data), 0)
            self.is_complete = self._is_last_chunk and not self._left_of_chunk
            at = end
        return b"".join(pieces)


def _begun_size(line: bytes) -> bytes:
    if len(line) > _MAX_SIZE:
        raise ValueError("an endless size of a chunk")
    return line


@lru_cache(_REMEMBERED)
def _read_head(head: bytes) -> Head:
    line, *fields = head.split(b"\r\n")
    version, status, *_ = line.split(b" ", 2)
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise ValueError(f"the first line {line!r}")
    values: dict[str, list[str]] = {}
    for field in fields:
        name, _, value = field.partition(b":")
        values.setdefault(name.decode("ascii"), []).append(_text(value))
    lowered = {name.lower(): each for name, each in values.items()}
    lengths = lowered.get("content-length", [])
    return Head(
        status=int(status),
        headers=_for_client(values),
        length=int(lengths[0]) if lengths else None,
        is_chunked="chunked" in lowered.get("transfer-encoding", []),
        closes=version == b"HTTP/1.0" or "close" in lowered.get("connection", []),
    )


def _for_client(values: Mapping[str, list[str]]) -> Mapping[str, Any]:
    headers = {
        name: each[0] if len(each) == 1 else each
        for name, each in values.items()
        if name.lower() not in _OF_THIS_CONNECTION
    }
    constant = {name: each for name, each in headers.items() if isinstance(each, str)}
    # Which are written faster.
    return headers if len(constant) < len(headers) else ConstantHeaders(constant)


def _text(value: bytes) -> str:
    value = value.strip(b" \t")
    try:
        # As everything here writes them.
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
