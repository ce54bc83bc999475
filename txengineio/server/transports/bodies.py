"""Bodies of POSTs: how large they are, and how many packets are in them."""

from __future__ import annotations

from collections.abc import Iterator
from io import SEEK_END
from itertools import islice
from typing import BinaryIO, cast

from twisted.web.http import Request

from txengineio.errors import TransportError
from txengineio.protocol.packets import Packet
from txengineio.server.web.request import EngineIORequest, fields_of, header_values

__all__ = ["body_size", "bounded", "read_body", "says_binary"]


def bounded(packets: Iterator[Packet], size: int, limit: int) -> Iterator[Packet]:
    """Return the packets of a body; their number is limited, too."""
    # No packet takes less than a byte.
    return packets if size <= limit else _up_to(limit, packets)


def _up_to(limit: int, packets: Iterator[Packet]) -> Iterator[Packet]:
    yield from islice(packets, limit)
    if next(packets, None) is not None:
        raise TransportError(
            "too many packets in a payload",
            f"at most {limit} are allowed",
            hint="to allow more, raise max_packets_per_payload "
            "(--max-packets-per-payload)",
        )


def read_body(request: Request) -> bytes:
    """Return what was posted."""
    body = _whole_body(request)
    return _content(request).read() if body is None else body


def body_size(request: Request) -> int:
    """Return the number of bytes that were posted."""
    body = _whole_body(request)
    if body is not None:
        return len(body)
    content = _content(request)
    content.seek(0, SEEK_END)
    size = content.tell()
    content.seek(0)
    return size


def says_binary(request: Request) -> bool:
    """Whether what was posted is said to be binary, and nothing else is said of it."""
    fields = fields_of(request)
    if fields is not None and not fields.may_say_binary:
        return False
    types = header_values(request, b"Content-Type")
    return bool(types) and types[-1] == b"application/octet-stream"


def _whole_body(request: Request) -> bytes | None:
    """Return the body of a request that has come whole, which nobody has to read."""
    return request.received_body if isinstance(request, EngineIORequest) else None


def _content(request: Request) -> BinaryIO:
    content: BinaryIO = cast(BinaryIO, request.content)
    return content
