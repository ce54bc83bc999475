"""What the server makes of any query, and of any offer of an extension."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.query import parse_query
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.transports.deflate import negotiate_deflate
from txengineio.server.transports.opening import BadOpening

__all__ = ["check"]

_TRANSPORTS = ("polling", "websocket")
_OPTIONS = DeflateOptions()
_RESPONSE = re.compile(
    "permessage-deflate"
    "(; server_no_context_takeover)?(; client_no_context_takeover)?"
    "(; server_max_window_bits=(9|1[0-4]))?(; client_max_window_bits=(9|1[0-4]))?"
)


def check(data: bytes) -> None:
    """Read what follows the first byte: as an offer if that is odd, else as a query."""
    if data[:1] and data[0] & 1:
        _check_offer(data[1:].decode("latin-1"))
    else:
        _check_query(data[1:])


def _check_query(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    expected = dict(parse_qsl(text, keep_blank_values=True, separator="&"))
    transport = expected.get("transport")
    try:
        query = parse_query(data, _TRANSPORTS)
    except RequestRejected as error:
        if error.code is not ErrorCode.UNKNOWN_TRANSPORT or transport in _TRANSPORTS:
            raise
        return
    assert query.parameters == expected
    assert query.transport == transport
    assert query.sid == (expected.get("sid") or None)
    assert query.revision == (4 if expected.get("EIO") == "4" else 3)
    index = query.jsonp_index
    assert (index is None) == ("j" not in expected)
    assert index is None or re.fullmatch("[0-9]*", index)


def _check_offer(header: str) -> None:
    try:
        deflate = negotiate_deflate(header, _OPTIONS)
    except BadOpening:
        return
    if deflate is not None:
        assert "permessage-deflate" in header
        assert _RESPONSE.fullmatch(deflate.parameters.header)
        # It must be able to do what it has promised.
        frame = deflate.encode_frame("4" * 2000, True)
        assert frame[0] == 0xC1
