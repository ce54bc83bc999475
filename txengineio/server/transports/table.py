"""The transports that there are: one row for each, one module for what it does.

Adding one takes a module with a class, and a row here. A class whose clients come by
requests provides `ITakesRequests`. An engine has those transports of the table that its
option ``transports`` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from txengineio.checks import check_transports
from txengineio.protocol.query import SessionQuery
from txengineio.server.session import (
    ICarriesSession,
    IEngine,
    ITakesRequests,
    Session,
)
from txengineio.server.transports.newcomers import Newcomer
from txengineio.server.transports.opening import OpeningRequest
from txengineio.server.transports.payloads import payloads_for
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.transports.takeover import become_websocket, check_websocket
from txengineio.server.transports.upgrade import UpgradeAttempt
from txengineio.server.transports.websocket import EngineWebSocketFactory
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.timers import Schedule
from txengineio.websocket.deflate import Deflater

__all__ = [
    "TRANSPORT_TABLE",
    "TransportRow",
    "Workshop",
    "check_enabled",
    "taker_of",
    "upgrades_from",
]

_Start: TypeAlias = Callable[[ICarriesSession], Session]


class Workshop(NamedTuple):
    """The parts of an engine that transports are made with.

    Attributes:
        engine: The engine.
        websockets: Builds its WebSockets.
        newcomers: The timers after which clients that do not come back are given up;
            None for none.
    """

    engine: IEngine
    websockets: EngineWebSocketFactory
    newcomers: Schedule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRow:
    """One transport.

    Attributes:
        name: What clients call it.
        revisions: The revisions of the protocol that have it.
        upgraded_from: The transports whose sessions may move to it.
        check: Checks a request that asks for it, before a protocol is built for it.
            Returns what else it asks for; raises its refusal.
        open: Opens a session on it. Called with the workshop, the request, its query,
            what `check` has returned, and a function that opens the session on a
            transport, by which the first packets leave at once.
        move: Moves a session to it. Called with the workshop, a request that names the
            session, its query, and what `check` has returned. None for a transport that
            is an `ITakesRequests`: it gets the requests that name its session.
    """

    name: str
    revisions: frozenset[int]
    upgraded_from: frozenset[str]
    check: Callable[[IncomingRequest, IEngine], Any]
    open: Callable[[Workshop, IncomingRequest, SessionQuery, Any, _Start], None]
    move: (
        Callable[[Workshop, IncomingRequest, SessionQuery, Any, Session], None] | None
    ) = None


# --- polling --------------------------------------------------------------------------


def _nothing_to_check(request: IncomingRequest, engine: IEngine) -> None:
    """Find nothing wrong: any GET will do."""


def _open_polling(
    workshop: Workshop,
    request: IncomingRequest,
    query: SessionQuery,
    asked: None,
    start: _Start,
) -> None:
    transport = PollingTransport(payloads_for(query), request)
    session = start(transport)
    timeout = workshop.engine.options.first_poll_timeout
    if (
        workshop.newcomers is not None
        and timeout is not None
        and session.closed is None
    ):
        transport.newcomer = Newcomer(session, workshop.newcomers, timeout)


# --- WebSocket ------------------------------------------------------------------------


def _open_websocket(
    workshop: Workshop,
    request: IncomingRequest,
    query: SessionQuery,
    asked: tuple[OpeningRequest, Deflater | None],
    start: _Start,
) -> None:
    websocket, early = become_websocket(
        workshop.engine, workshop.websockets, request, query, asked, first=True
    )
    start(websocket)
    # Nothing has been sent only if the connection was lost meanwhile.
    websocket.connection.writer.flush()
    if early:
        websocket.connection.dataReceived(early)


def _move_to_websocket(
    workshop: Workshop,
    request: IncomingRequest,
    query: SessionQuery,
    asked: tuple[OpeningRequest, Deflater | None],
    session: Session,
) -> None:
    websocket, early = become_websocket(
        workshop.engine, workshop.websockets, request, query, asked, first=False
    )
    websocket.connection.writer.flush()
    if not _may_move(session, "websocket"):
        websocket.session_ended()
        return
    UpgradeAttempt(session, taker_of(session), websocket).start()
    if early:
        websocket.connection.dataReceived(early)


def _may_move(session: Session, name: str) -> bool:
    """Whether a session is where it can move from, and nothing else is moving it."""
    return (
        session.transport.name in TRANSPORT_TABLE[name].upgraded_from
        and session.upgrade_attempt is None
        and session.closed is None
    )


# --- the table ------------------------------------------------------------------------

TRANSPORT_TABLE: Final = {
    row.name: row
    for row in (
        TransportRow(
            name="polling",
            revisions=frozenset({3, 4}),
            upgraded_from=frozenset(),
            check=_nothing_to_check,
            open=_open_polling,
        ),
        TransportRow(
            name="websocket",
            revisions=frozenset({3, 4}),
            upgraded_from=frozenset({"polling"}),
            check=check_websocket,
            open=_open_websocket,
            move=_move_to_websocket,
        ),
    )
}


def taker_of(session: Session) -> ITakesRequests:
    """Return the transport of a session, if its row has no ``move``."""
    return session.transport  # type: ignore[return-value]  # the row says so


def check_enabled(names: tuple[str, ...]) -> None:
    """Raise for a transport that does not exist.

    Raises:
        InvalidOption: There is one among the names.
    """
    check_transports("transports", names, TRANSPORT_TABLE)


def upgrades_from(name: str, enabled: tuple[str, ...]) -> tuple[str, ...]:
    """Return the transports to which a session may move from another one."""
    rows = TRANSPORT_TABLE.values()
    return tuple(
        row.name for row in rows if row.name in enabled and name in row.upgraded_from
    )
