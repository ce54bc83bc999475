"""Answers to polls and POSTs: headers, compression, events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import Logger

from txengineio.server.options.compression import HttpCompression
from txengineio.server.session import IEngine, Session
from txengineio.server.web._twisted import TwistedChannel, is_congested
from txengineio.server.web.headers import add_vary, check_headers, move_added
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.responses import OK, ConstantHeaders

__all__ = [
    "BINARY",
    "TEXT",
    "Congestion",
    "acknowledge",
    "compressed",
    "let_change",
    "respond",
]


def _not_stored(content_type: str) -> ConstantHeaders:
    return ConstantHeaders({"Content-Type": content_type, "cache-control": "no-store"})


TEXT: Final = _not_stored("text/plain; charset=UTF-8")
"""Headers of a poll's answer that is text."""

BINARY: Final = _not_stored("application/octet-stream")
"""Headers of a poll's answer that is binary."""

_POSTED: Final = _not_stored("text/html")

_ACCEPTED: Final = ("accept-encoding",)

_log = Logger()


class Congestion:
    """An answer that a congested connection has not taken yet.

    Later the connection may be congested again, by another client's answer: a proxy
    uses one connection for many. Only connections of our own site tell the difference.

    Args:
        channel: The connection; `is_congested` is true of it.
    """

    __slots__ = ("_channel", "_drains")

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._drains = self._count()

    @property
    def is_over(self) -> bool:
        """Whether the connection has taken all that it had not taken at first."""
        return not is_congested(self._channel) or self._count() != self._drains

    def _count(self) -> int:
        channel = self._channel
        return channel.drains if isinstance(channel, TwistedChannel) else 0


def compressed(
    request: IncomingRequest,
    compression: HttpCompression,
    headers: Mapping[str, str],
    body: bytes,
) -> tuple[Mapping[str, str], bytes]:
    """Compress a body with the encoding that its client prefers, if any."""
    # Caches have to know, whatever this client gets.
    add_vary(request.answer_headers, "Accept-Encoding")
    accepted = request.select_headers(_ACCEPTED)["accept-encoding"]
    encoding = compression.choose(", ".join(accepted))
    if encoding is None:
        return headers, body
    body = compression.compress(body, encoding)
    return {**headers, "Content-Encoding": encoding}, body


def acknowledge(request: IncomingRequest, session: Session) -> None:
    """Tell a client that all packets of its POST were handled."""
    respond(request, session, _POSTED, b"ok")


def respond(
    request: IncomingRequest,
    session: Session,
    headers: Mapping[str, Any],
    body: bytes,
    first: bool = False,
) -> None:
    """Answer a request of a session, if its client still waits for that.

    Args:
        request: The request.
        session: The session that it belongs to.
        headers: The headers that belong to the body.
        body: The whole body.
        first: Whether no answer of the session came before.
    """
    engine = session.engine
    cookie = engine.options.cookie if first else None
    if engine.handlers is not None or cookie is not None or request.is_explorer:
        if request.is_gone:
            return
        beside: dict[str, Any] = {"Content-Length": str(len(body))}
        if request.is_explorer:
            # Its filter would look into the payload.
            beside["X-XSS-Protection"] = "0"
        if cookie is not None:
            beside["Set-Cookie"] = [cookie.header(session.id)]
        headers = _completed(request, engine, {**headers, **beside}, first)
    request.answer(OK, headers, body)


def _completed(
    request: IncomingRequest, engine: IEngine, headers: Mapping[str, Any], first: bool
) -> Mapping[str, Any]:
    """Return the headers of an answer as the application wants them."""
    changed = let_change(engine, request, headers, first)
    move_added(changed, request.answer_headers)
    # The application must not change headers that describe the body.
    return {
        name: value
        for name, value in changed.items()
        if name.lower() != "content-length"
    }


def let_change(
    engine: IEngine, request: IncomingRequest, headers: Mapping[str, Any], first: bool
) -> dict[str, Any]:
    """Let the handlers of the engine's events change the headers of an answer.

    Args:
        engine: The engine; the events are ``initial_headers`` and ``headers``.
        request: The request that is answered.
        headers: The headers so far.
        first: Whether this is the first answer of a session.

    Returns:
        The headers as the handlers have changed them; or as they were, if those cannot
        be sent.
    """
    if engine.handlers is None and not headers:
        return {}
    changed = dict(headers)
    if first:
        engine.emit("initial_headers", changed, request.for_application)
    engine.emit("headers", changed, request.for_application)
    try:
        check_headers(changed)
    except ValueError:
        _log.failure("adding headers failed; the answer is sent without them")
        return dict(headers)
    return changed
