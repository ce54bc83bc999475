"""Payloads for clients that can only load scripts and post forms: JSONP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from txengineio.protocol.codec import Codec
from txengineio.protocol.jsonp import unwrap_jsonp_form, wrap_jsonp
from txengineio.protocol.packets import Packet
from txengineio.protocol.text import encode_utf8
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.responses import ConstantHeaders

__all__ = ["JSONPPayloads"]

_HEADERS: Final = ConstantHeaders(
    {
        "Content-Type": "text/javascript; charset=UTF-8",
        "X-Content-Type-Options": "nosniff",
        "cache-control": "no-store",
    }
)


class JSONPPayloads:
    """Payloads that are wrapped in scripts and forms.

    Args:
        codec: The codec of the session's revision.
        index: Digits that name the client's callback; those of the first request.
    """

    __slots__ = ("_codec", "_index")

    # Bytes cannot be written into a script, whatever the client says.
    supports_binary = False

    def __init__(self, codec: Codec, index: str) -> None:
        self._codec = codec
        self._index = index

    def read(self, request: IncomingRequest) -> Iterator[Packet]:
        """Return the packets of a POST."""
        payload = unwrap_jsonp_form(request.read_body())
        # A form without a payload is accepted and has no effect.
        return iter(()) if payload is None else self._codec.decode_payload(payload)

    def write(self, packets: Sequence[Packet]) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the body of the answer that carries packets."""
        payload = self._codec.encode_payload(packets, supports_binary=False)
        assert isinstance(payload, str)
        return _HEADERS, encode_utf8(wrap_jsonp(self._index, payload))
