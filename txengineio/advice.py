"""What to change, for lines in the log about what was refused.

Only where the problem itself does not say it, as `BufferOverflow` does.
"""

from __future__ import annotations

from txengineio.errors import (
    ErrorCode,
    PayloadTooLarge,
    RequestRejected,
    TransportError,
)

__all__ = ["TOO_LARGE", "advice_on"]

TOO_LARGE = "Max payload size exceeded"
"""What a `TransportError` says of a WebSocket message that is too large."""

_MORE_BYTES = "; to allow it, raise max_http_buffer_size (--max-http-buffer-size)"
_OLD_CLIENT = "; allow_eio3 (--allow-eio3) serves clients of revision 3"


def advice_on(problem: object) -> str:
    """Return what goes behind a line about a problem; often there is no advice."""
    if isinstance(problem, PayloadTooLarge):
        return _MORE_BYTES
    if isinstance(problem, TransportError):
        return _MORE_BYTES if problem.message == TOO_LARGE else ""
    if isinstance(problem, RequestRejected):
        old = problem.code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION
        return _OLD_CLIENT if old else ""
    return ""
