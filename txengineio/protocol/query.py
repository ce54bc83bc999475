"""The query string of a request, as one typed value or one refusal."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from txengineio.errors import ErrorCode, RequestRejected

__all__ = ["SessionQuery", "parse_query", "polling_sid"]

_DIGITS: Final = frozenset("0123456789")

# As the clients for JavaScript and Python write it. The time is there for caches.
_POLLING: Final = re.compile(
    rb"(?:EIO=4&transport=polling|transport=polling&EIO=4)"
    rb"(?:&t=[\w.-]*)?&sid=([\w-]+)(?:&t=[\w.-]*)?"
)

_SHARED: Final = {each: each for each in ("EIO", "transport", "polling", "websocket")}
"""Names and values of nearly every query, which sessions keep."""


class SessionQuery(NamedTuple):
    """What a request says about its session.

    Attributes:
        transport: One of the transports that are enabled.
        sid: The id of an existing session, or None to ask for a new one.
        revision: Protocol revision, 3 or 4.
        supports_binary: False when base64 was asked for with ``b64``.
        jsonp_index: Digits that name the client's callback, perhaps none at all, or
            None when the client does not want JSONP.
        parameters: All parameters, these and the application's own.
    """

    transport: str
    sid: str | None
    revision: int
    supports_binary: bool
    jsonp_index: str | None
    parameters: Mapping[str, str]


def parse_query(query_string: bytes, transports: Collection[str]) -> SessionQuery:
    """Return what a query string says; only the transport can be an error.

    Args:
        query_string: What follows the ``?``, as it came.
        transports: Names of the transports that are enabled.

    Raises:
        RequestRejected: ``UNKNOWN_TRANSPORT``: the transport is missing or not enabled.
    """
    parameters = _parse_parameters(query_string)
    transport = parameters.get("transport")
    if transport is None or transport not in transports:
        context = {} if transport is None else {"transport": transport}
        raise RequestRejected(ErrorCode.UNKNOWN_TRANSPORT, context=context)
    # Positional: keywords would take half as long again.
    return SessionQuery(
        transport,
        parameters.get("sid") or None,
        # No EIO at all, as in the first clients, means 3 like everything that is not 4.
        4 if parameters.get("EIO") == "4" else 3,
        not parameters.get("b64"),
        _jsonp_index(parameters["j"]) if "j" in parameters else None,
        parameters,
    )


def polling_sid(query_string: bytes) -> str | None:
    """Return the session's id if the query is that of an ordinary poll or POST.

    It saves a call of `parse_query`, which would return the same id.

    Returns:
        The id; None if there is anything unusual about the query.
    """
    match = _POLLING.fullmatch(query_string)
    return None if match is None else match[1].decode("ascii")


def _parse_parameters(query_string: bytes) -> dict[str, str]:
    """Return names and values; of several values for a name the last one counts."""
    text = query_string.decode("utf-8", "replace")
    # Requests of Engine.IO clients hardly ever have anything to decode.
    encoded = "%" in text or "+" in text
    if not encoded:
        try:
            pairs = [pair.split("=", 1) for pair in text.split("&")]
            return {_SHARED.get(key, key): _SHARED.get(it, it) for key, it in pairs}
        except ValueError:
            # There is a pair without a value, or nothing at all.
            pass
    parameters: dict[str, str] = {}
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if encoded:
            name, value = unquote_plus(name), unquote_plus(value)
        parameters[name] = value
    return parameters


def _jsonp_index(value: str) -> str:
    # The digits end up in a script that the client runs: nothing else may get there.
    return "".join(filter(_DIGITS.__contains__, value))
