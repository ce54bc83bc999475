"""Payloads: the contents of answers to polls, and of bodies of POSTs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from txengineio.errors import PacketDecodeError
from txengineio.protocol.codec import Codec
from txengineio.protocol.jsonp import unwrap_jsonp_form, wrap_jsonp
from txengineio.protocol.packets import Packet
from txengineio.protocol.query import SessionQuery
from txengineio.protocol.revisions import CODECS, codec_for
from txengineio.protocol.text import encode_utf8
from txengineio.server.transports.answers import BINARY, TEXT
from txengineio.server.web.body_limits import invalid_content
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.responses import ConstantHeaders

__all__ = ["JSONPPayloads", "Payloads", "PlainPayloads", "payloads_for"]

_SCRIPT: Final = ConstantHeaders(
    {
        "Content-Type": "text/javascript; charset=UTF-8",
        "X-Content-Type-Options": "nosniff",
        "cache-control": "no-store",
    }
)


class Payloads(Protocol):
    """How the packets of a session are written and read.

    Attributes:
        supports_binary: Whether the client takes binary payloads (revision 3).
    """

    supports_binary: bool

    def read(self, request: IncomingRequest) -> Iterator[Packet]:
        """Return the packets of a POST.

        Raises:
            BodyRefused: It says that its body is of another kind.
            PacketDecodeError: It is no payload; the iterator raises it, too.
        """

    def write(self, packets: Sequence[Packet]) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the body of the answer that carries packets."""


class PlainPayloads:
    """Payloads as a codec writes and reads them."""

    __slots__ = ("_codec", "supports_binary")

    def __init__(self, codec: Codec, supports_binary: bool) -> None:
        self._codec = codec
        self.supports_binary = supports_binary

    def read(self, request: IncomingRequest) -> Iterator[Packet]:
        """Return the packets of a POST: see `Payloads`."""
        body = request.read_body()
        if request.says_binary:
            if self._codec.revision == 4:  # noqa: PLR2004
                raise invalid_content()
            return self._codec.decode_payload(body)
        try:
            return self._codec.decode_payload(body.decode())
        except UnicodeDecodeError as exc:
            raise PacketDecodeError(f"POST body is not UTF-8: {exc}") from exc

    def write(self, packets: Sequence[Packet]) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of an answer: see `Payloads`."""
        payload = self._codec.encode_payload(packets, self.supports_binary)
        if isinstance(payload, str):
            return TEXT, encode_utf8(payload)
        return BINARY, payload


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
        return _SCRIPT, encode_utf8(wrap_jsonp(self._index, payload))


# They have no state.
_PLAIN: Final = {
    (revision, binary): PlainPayloads(codec, binary)
    for revision, codec in CODECS.items()
    for binary in (False, True)
}


def payloads_for(query: SessionQuery) -> Payloads:
    """Return the payloads of a new polling session, for its whole life."""
    if query.jsonp_index is not None:
        return JSONPPayloads(codec_for(query.revision), query.jsonp_index)
    return _PLAIN[query.revision, query.supports_binary]
