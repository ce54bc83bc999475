"""Requests that Twisted's parser accepts, and RFC 9112 and RFC 9110 do not.

A request that two servers read in different ways can carry another one past the first
of them. These are the cases that Node.js refuses and that ``twisted.web.http`` 26.10
reads one way or another. Twisted refuses all other ambiguous lengths by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from twisted.web.http import Request
from typing_extensions import override

from txengineio.server.web._twisted import TwistedChannel

__all__ = ["StrictChannel", "problem_with"]

_BAD_REQUEST: Final = 400
_EXPECTATION_FAILED: Final = 417

_HTTP_1_1: Final = b"HTTP/1.1"
_ANSWERS: Final = {
    status: b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % line
    for status, line in (
        (_BAD_REQUEST, b"400 Bad Request"),
        (_EXPECTATION_FAILED, b"417 Expectation Failed"),
    )
}
# As Node.js looks for it: anything may stand beside it.
_CONTINUE: Final = re.compile(rb"(?:^|\W)100-continue(?:$|\W)", re.IGNORECASE)


def problem_with(request: Request, version: bytes) -> int:
    """Return the status that refuses a request because of its headers; or 0.

    Args:
        request: The request; its headers are complete.
        version: The version of HTTP; the rules apply to HTTP/1.1 alone.
    """
    if version != _HTTP_1_1:
        return 0
    headers = request.requestHeaders
    if len(headers.getRawHeaders(b"Host", ())) != 1:
        # RFC 9112, section 3.2.
        return _BAD_REQUEST
    if not _is_one_coding(headers.getRawHeaders(b"Transfer-Encoding", ())):
        return _BAD_REQUEST
    expected = headers.getRawHeaders(b"Expect")
    if expected is not None and _CONTINUE.search(b",".join(expected)) is None:
        # RFC 9110, section 10.1.1.
        return _EXPECTATION_FAILED
    return 0


def _is_one_coding(lines: Sequence[bytes]) -> bool:
    """Whether a body's coding is told once, and frames it: RFC 9112, section 6.1.

    Twisted reads ``identity`` as if it was not there.
    """
    return len(lines) <= 1 and all(line.lower() == b"chunked" for line in lines)


class StrictChannel(TwistedChannel):
    """A connection on which requests are read in one way, or refused."""

    @override
    def lineReceived(self, line: bytes) -> None:
        """Receive a line of a head, unless it continues the one before.

        RFC 9112, section 5.2: a sender must not fold lines any more.
        """
        if line[:1] in (b" ", b"\t"):
            self.refuse(_BAD_REQUEST)
        else:
            super().lineReceived(line)

    @override
    def headerReceived(self, line: bytes) -> bool:
        """Receive a header, unless it has a number that Python does not convert."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            # A length of thousands of digits.
            self.refuse(_BAD_REQUEST)
            return False

    @override
    def allHeadersReceived(self) -> None:
        """Go on with a request if its headers agree; they are complete."""
        status = problem_with(self.requests[-1], self.version)
        if status:
            self.refuse(status)
        else:
            super().allHeadersReceived()

    def refuse(self, status: int) -> None:
        """Answer a request that has not been read, and close the connection."""
        transport: Any = self.transport
        transport.write(_ANSWERS[status])
        # Twisted would take a request without a body to be complete.
        self.length = None
        # TLS goes on delivering what comes until the other side has closed it, too.
        self.dataReceived = _ignore  # type: ignore[method-assign]
        self.loseConnection()


def _ignore(data: bytes) -> None:
    """Ignore input after a request that was refused."""
