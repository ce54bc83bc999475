"""Polling for clients that can only load scripts and post forms: JSONP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from typing_extensions import override

from txengineio.protocol.codec import Codec
from txengineio.protocol.jsonp import unwrap_jsonp_form, wrap_jsonp
from txengineio.protocol.packets import Packet
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import codec_for
from txengineio.protocol.text import encode_utf8
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.responses import ConstantHeaders

__all__ = ["JSONPPollingTransport", "polling_transport"]

_HEADERS: Final = ConstantHeaders(
    {
        "Content-Type": "text/javascript; charset=UTF-8",
        "X-Content-Type-Options": "nosniff",
        "cache-control": "no-store",
    }
)


class JSONPPollingTransport(PollingTransport):
    """Polling whose payloads are wrapped in scripts and forms.

    Args:
        codec: The codec of the session's revision.
        index: Digits that name the client's callback; those of the first request.
    """

    __slots__ = ("_index",)

    def __init__(self, codec: Codec, index: str) -> None:
        # Bytes cannot be written into a script, whatever the client says.
        super().__init__(codec, supports_binary=False)
        self._index = index

    @override
    def _read(self, request: IncomingRequest) -> Iterator[Packet]:
        payload = unwrap_jsonp_form(request.read_body())
        # A form without a payload is taken, and nothing comes of it.
        return iter(()) if payload is None else self._codec.decode_payload(payload)

    @override
    def _encode(self, packets: Sequence[Packet]) -> tuple[Mapping[str, str], bytes]:
        payload = self._codec.encode_payload(packets, supports_binary=False)
        assert isinstance(payload, str)
        return _HEADERS, encode_utf8(wrap_jsonp(self._index, payload))


def polling_transport(query: SessionQuery) -> PollingTransport:
    """Make the transport that a new polling session asks for, once and for all."""
    codec = codec_for(query.revision)
    if query.jsonp_index is not None:
        return JSONPPollingTransport(codec, query.jsonp_index)
    return PollingTransport(codec, query.supports_binary)
