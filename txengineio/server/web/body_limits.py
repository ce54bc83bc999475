"""How large a body may be, in how many pieces it may come, and how long it may take.

A body beyond a limit costs the client its session, as with engine.io 6.6.13: its
messages are lost, and no client sends them again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from txengineio.errors import PayloadTooLarge, TransportError

__all__ = [
    "BodyLimits",
    "BodyRefused",
    "invalid_content",
    "too_large",
    "too_many_chunks",
    "too_many_packets",
    "too_slow",
]

_BAD_REQUEST: Final = 400
_TIMEOUT: Final = 408
_TOO_LARGE: Final = 413


class BodyLimits(NamedTuple):
    """The limits of a request's body.

    Attributes:
        max_size: Bytes, at most.
        max_chunks: Pieces that it may come in.
        timeout: Seconds from the end of the head to the end of the body.
    """

    max_size: int
    max_chunks: int
    timeout: float


class BodyRefused(TransportError):
    """A body is refused: it goes beyond a limit, or is of a wrong kind.

    Args:
        status: The HTTP status of the answer.
        message: The reference implementation's text for it.
        description: What was wrong, if the text does not say it.
        hint: What to change.
    """

    def __init__(
        self, status: int, message: str, description: object = None, hint: str = ""
    ) -> None:
        super().__init__(message, description, hint=hint)
        self.status = status


def too_large(size: int, limit: int) -> BodyRefused:
    """Make the refusal of a body of so many bytes, as far as they are known."""
    problem = PayloadTooLarge(size, limit)
    return BodyRefused(_TOO_LARGE, "payload too large", problem)


def too_many_chunks(limit: int) -> BodyRefused:
    """Make the refusal of a body in more than so many pieces."""
    return BodyRefused(
        _TOO_LARGE,
        "too many chunks",
        f"at most {limit} are allowed",
        hint="to allow more, raise max_buffered_chunks (--max-buffered-chunks)",
    )


def too_many_packets(limit: int) -> BodyRefused:
    """Make the refusal of a body of more than so many packets."""
    return BodyRefused(
        _TOO_LARGE,
        "too many packets in a payload",
        f"at most {limit} are allowed",
        hint="to allow more, raise max_packets_per_payload (--max-packets-per-payload)",
    )


def invalid_content() -> BodyRefused:
    """Make the refusal of a binary body where there can be none."""
    return BodyRefused(_BAD_REQUEST, "invalid content")


def too_slow(seconds: float) -> BodyRefused:
    """Make the refusal of a body that was not there after so many seconds."""
    return BodyRefused(
        _TIMEOUT,
        "http request timeout",
        f"the body was not there after {seconds:g} s",
        hint="to allow more, raise http_request_body_timeout "
        "(--http-request-body-timeout)",
    )
