"""Which requests get in: the checks of query and headers, in the reference's order.

Ordinary polls and POSTs of revision 4 do not come here: ``Dispatcher._check`` knows
that nothing can be wrong with them. The docstring of the package lists all checks in
their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twisted.web.http import Request

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.protocol.query import SessionQuery
from txengineio.server.options.engine import EngineOptions
from txengineio.server.session import Session
from txengineio.server.transports.opening import wants_websocket
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ConnectionErrorEvent", "bad_request", "check_request", "check_revision"]

# The characters of a header value, besides the tabulator: RFC 9110, section 5.5.
_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F

_NO_UPGRADE: Final = (
    "for a WebSocket there have to be the headers Upgrade: websocket and Connection: "
    "Upgrade, which a proxy may have left out"
)
_NO_MOVES: Final = "allow_upgrades (--no-allow-upgrades) lets no session move"
_NO_POLL: Final = "its headers ask for a WebSocket, its query for polling"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionErrorEvent:
    """What handlers of the event ``connection_error`` get: a request was refused.

    Attributes:
        request: The request.
        code: Why.
        message: The text that goes with the code.
        context: What was wrong: a ``name`` where the code stands for several cases, and
            the offending values under names of their own.
    """

    request: Request
    code: ErrorCode
    message: str
    context: Mapping[str, Any]

    @classmethod
    def of(cls, request: Request, rejection: RequestRejected) -> ConnectionErrorEvent:
        """Tell of a refusal."""
        return cls(
            request=request,
            code=rejection.code,
            message=rejection.code.message,
            context=rejection.context,
        )


def bad_request(name: str, *, hint: str = "", **context: Any) -> RequestRejected:
    """Make the refusal of a request that is wrong in the way that ``name`` says."""
    return RequestRejected(ErrorCode.BAD_REQUEST, name=name, context=context, hint=hint)


def check_request(
    request: IncomingRequest,
    query: SessionQuery,
    session: Session | None,
    options: EngineOptions,
) -> None:
    """Check whether a request gets in; the session has been looked up before.

    Args:
        request: The request.
        query: What it asks for.
        session: The session that it names, if there is one.
        options: The engine's.

    Raises:
        RequestRejected: It must not get in.
    """
    _check_origin(request)
    upgrade = query.transport == "websocket" and wants_websocket(request)
    if query.sid is not None:
        _check_session(query, session, upgrade)
    elif request.method != b"GET":
        raise RequestRejected(
            ErrorCode.BAD_HANDSHAKE_METHOD,
            context={"method": request.method.decode("latin-1")},
        )
    misfit = _misfit(query, session, upgrade, request, options)
    if misfit:
        raise bad_request("TRANSPORT_HANDSHAKE_ERROR", hint=misfit)


def _misfit(
    query: SessionQuery,
    session: Session | None,
    upgrade: bool,
    request: IncomingRequest,
    options: EngineOptions,
) -> str:
    """Say why a request is not of the kind that its transport takes; empty if it is."""
    if query.transport == "websocket":
        if not upgrade:
            return _NO_UPGRADE
        return "" if session is None or options.allow_upgrades else _NO_MOVES
    asks_for_both = wants_websocket(request) and "websocket" in options.transports
    return _NO_POLL if asks_for_both else ""


def check_revision(query: SessionQuery, options: EngineOptions) -> None:
    """Raise if the client's protocol revision is not served.

    Raises:
        RequestRejected: It is not.
    """
    if query.revision == 3 and not options.allow_eio3:  # noqa: PLR2004
        raise RequestRejected(
            ErrorCode.UNSUPPORTED_PROTOCOL_VERSION,
            context={"protocol": query.revision},
        )


def _check_origin(request: IncomingRequest) -> None:
    if not request.has_origin:
        return
    for origin in request.header_values(b"Origin"):
        if any(
            (code < _FIRST_PRINTABLE and code != ord("\t")) or code == _DELETE
            for code in origin
        ):
            raise bad_request("INVALID_ORIGIN", origin=origin.decode("latin-1"))


def _check_session(query: SessionQuery, session: Session | None, upgrade: bool) -> None:
    if session is None:
        raise RequestRejected(ErrorCode.UNKNOWN_SID, context={"sid": query.sid})
    current = session.transport.name
    if query.transport != current and not upgrade:
        raise bad_request(
            "TRANSPORT_MISMATCH",
            hint=_NO_UPGRADE if query.transport == "websocket" else "",
            transport=query.transport,
            previousTransport=current,
        )
    if query.revision != session.protocol_revision:
        raise bad_request(
            "PROTOCOL_MISMATCH",
            protocol=query.revision,
            previousProtocol=session.protocol_revision,
        )
