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

__all__ = ["TOO_LARGE", "TOO_MANY_FRAGMENTS", "TOO_MANY_PACKETS", "hint_for"]

TOO_LARGE = "Max payload size exceeded"
"""What a `TransportError` says of a WebSocket message that is too large."""

TOO_MANY_PACKETS = "too many packets in a payload"
"""What one says of a POST with more packets than are allowed."""

TOO_MANY_FRAGMENTS = "too many fragments in a message"
"""What one says of a WebSocket message in more frames than are allowed."""

_MORE_BYTES = "; to allow it, raise max_http_buffer_size (--max-http-buffer-size)"
_ADVICE = {
    TOO_LARGE: _MORE_BYTES,
    TOO_MANY_PACKETS: "; to allow more, raise max_packets_per_payload",
    TOO_MANY_FRAGMENTS: "; to allow more, raise max_message_fragments",
}
_OLD_CLIENT = "; allow_eio3 (--allow-eio3) serves clients of revision 3"


def hint_for(problem: object) -> str:
    """Return what goes behind a line about a problem; often there is no advice."""
    if isinstance(problem, PayloadTooLarge):
        return _MORE_BYTES
    if isinstance(problem, TransportError):
        return _ADVICE.get(problem.message, "")
    if isinstance(problem, RequestRejected):
        old = problem.code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION
        return _OLD_CLIENT if old else ""
    return ""
