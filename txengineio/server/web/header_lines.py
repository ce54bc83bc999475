"""How the headers of answers are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.http_headers import Headers

__all__ = ["ConstantHeaders", "written", "written_beside"]


class ConstantHeaders(dict[str, str]):
    """Headers that many answers have in common.

    Attributes:
        lines: How they are written.
    """

    __slots__ = ("lines",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.lines = written(headers)


def written(headers: Mapping[str, Any]) -> bytes | None:
    """Return how headers are written; None for what this does not know to write."""
    lines = []
    for name, value in headers.items():
        if not isinstance(value, str) or "\r" in value or "\n" in value:
            return None
        lines.append(f"{name}: {value}\r\n")
    # UTF-8, as Twisted writes headers.
    return "".join(lines).encode()


def written_beside(headers: Mapping[str, Any], others: Headers) -> bytes | None:
    """Return how those of ``others`` are written that ``headers`` do not replace.

    Returns:
        The lines; None if there is one among them that stands in each answer anyway.
    """
    if others.hasHeader(b"Date"):
        return None
    replaced = {b"content-length", *(name.lower().encode() for name in headers)}
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, values in others.getAllRawHeaders()
        if name.lower() not in replaced
        for value in values
    ]
    return b"".join(lines)
