"""A bridge between the sessions of an engine and a WAMP realm.

With a prefix of ``com.example.eio``, the bridge publishes

    com.example.eio.connected (id, details)
    com.example.eio.message (id, message)
    com.example.eio.closed (id, reason)

and offers, for any WAMP component in any language,

    com.example.eio.send (id, message, wait=False)
    com.example.eio.broadcast (message) -> how many sessions took it
    com.example.eio.close (id, discard=False)
    com.example.eio.sessions () -> a list of details

These are about the sessions of one engine. Where several processes serve the same
clients, each has a bridge with a prefix of its own.

A string is a text message, and bytes are a binary one, both ways. One thing cannot be
carried: in WAMP's JSON a string that begins with U+0000 means bytes, so a text message
that begins so is published as the bytes of its UTF-8, lest it break the subscribers'
connections.

An id is made for WAMP: anyone who knows the id of an Engine.IO session could take it
over. Anyone in the realm may call the procedures and see the messages, if the router
allows it: restrict that in the router's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from secrets import token_urlsafe
from typing import Any, Final

from autobahn.twisted.component import Component
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from txengineio.errors import CloseReason, EngineIOError, InvalidOption
from txengineio.integrations.publications import Publications
from txengineio.server.engine import Engine
from txengineio.server.session import Session

__all__ = ["DEFAULT_PREFIX", "DEFAULT_QUEUE_LIMIT", "WampBridge"]

DEFAULT_PREFIX: Final = "engineio"
DEFAULT_QUEUE_LIMIT: Final = 16_000_000

_PREFIX: Final = re.compile(r"(?!wamp(\.|$))[a-z0-9_]+(\.[a-z0-9_]+)*")

_ID_BYTES: Final = 9

# For ever, and without the five minutes that Autobahn may wait between two attempts.
_RETRIES: Final[Mapping[str, object]] = {"max_retries": -1, "max_retry_delay": 10}

Describe = Callable[[Session], Mapping[str, Any]]


class WampBridge:
    """Joins the sessions of an engine with a WAMP realm.

    It takes part beside the engine's application, which sees all messages too; an
    application of plain `EngineIOProtocol` leaves everything to WAMP. Make the bridge
    before the first session opens, give it a connection to a router (most simply
    ``bridge.component(url, realm).start(reactor)``), and it goes on from there.

    While the router is away, events wait for it. When there is no more room, sessions
    that send or open are closed, so that no message is lost silently. Only events that
    the router has acknowledged are forgotten; those under way when the connection broke
    are published again.

    Args:
        engine: The engine.
        prefix: What the names of topics and procedures begin with.
        queue_limit: Bytes of events that wait for the router, at most.
        describe: Called with each new session; what it returns is added to the details
            that WAMP sees. By default these are ``id``, ``address``, ``transport`` and
            ``revision``.

    Raises:
        InvalidOption: The prefix cannot be used in WAMP, or the limit is no size.
    """

    _log = Logger()

    def __init__(
        self,
        engine: Engine,
        *,
        prefix: str = DEFAULT_PREFIX,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        describe: Describe | None = None,
    ) -> None:
        if not _is_prefix(prefix):
            raise InvalidOption("prefix", "a WAMP URI such as com.example.eio", prefix)
        if type(queue_limit) is not int or queue_limit <= 0:
            raise InvalidOption("queue_limit", "a number of bytes", queue_limit)
        self._engine = engine
        self._prefix = prefix
        self._describe = describe
        self._queue_limit = queue_limit
        self._publications = Publications(queue_limit)
        self._refused = 0
        self._sessions: dict[str, Session] = {}
        self._details: dict[str, Mapping[str, Any]] = {}
        engine.on("connection", self._connected)

    @property
    def waiting(self) -> int:
        """Events that the router has not acknowledged yet."""
        return len(self._publications)

    def component(
        self,
        transports: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
        realm: str,
        *,
        authentication: Mapping[str, Any] | None = None,
    ) -> Component:
        """Make the component that connects the bridge; start and stop it yourself.

        It connects again whenever the connection breaks, for as long as it runs.

        Args:
            transports: Where routers are, in order of preference, as for an Autobahn
                ``Component``: URLs, or mappings with more.
            realm: The realm to join.
            authentication: As for an Autobahn ``Component``.
        """
        if isinstance(transports, str | Mapping):
            transports = [transports]
        settings = [
            {**_RETRIES, **({"url": each} if isinstance(each, str) else each)}
            for each in transports
        ]
        return Component(
            main=self.serve,
            transports=settings,
            realm=realm,
            authentication=authentication,
        )

    async def serve(self, _reactor: object, session: Any) -> None:
        """Bridge by a WAMP session that has joined its realm, until it leaves.

        This is the ``main`` of a ``Component``; an ``ApplicationSession`` can call it
        in its ``onJoin``.

        Raises:
            ApplicationError: The router refuses a registration.
        """
        left: Deferred[None] = Deferred()

        def leave(*_details: object, **_more: object) -> None:
            if not left.called:
                self._publications.pause()
                self._log.warn(
                    "the WAMP router is away: up to {limit} bytes wait for it",
                    limit=self._queue_limit,
                )
                left.callback(None)

        session.on("leave", leave)
        session.on("disconnect", leave)
        try:
            await self._register(session)
        except Exception as error:
            if left.called:
                return
            self._log.error(
                "cannot offer {prefix}.*: {error}", prefix=self._prefix, error=error
            )
            raise
        self._log.info(
            "bridged to WAMP as {prefix}.*, {waiting} events waited, and {refused} "
            "sessions were closed because there was no room",
            prefix=self._prefix,
            waiting=self.waiting,
            refused=self._refused,
        )
        self._refused = 0
        self._publications.resume(session)
        await left

    async def _register(self, session: Any) -> None:
        procedures = {
            "send": self._send,
            "broadcast": self._broadcast,
            "close": self._close,
            "sessions": self._list,
        }
        for name, procedure in procedures.items():
            await session.register(procedure, f"{self._prefix}.{name}")

    # --- from Engine.IO to WAMP -------------------------------------------------------

    def _connected(self, session: Session) -> None:
        if session.closed is not None:
            # By another handler of the same event.
            return
        public_id = token_urlsafe(_ID_BYTES)
        details = {
            "id": public_id,
            "address": session.remote_address,
            "transport": session.transport.name,
            "revision": session.protocol_revision,
        }
        if self._describe is not None:
            try:
                details |= self._describe(session)
            except Exception:
                self._log.failure("a session cannot be described, and is closed")
                session.close(discard=True)
                return
        self._begin(session, public_id, details)

    def _begin(
        self, session: Session, public_id: str, details: Mapping[str, Any]
    ) -> None:
        if session.closed is not None:
            # By `describe`.
            return
        self._sessions[public_id] = session
        self._details[public_id] = details
        if not self._publish("connected", public_id, details):
            del self._sessions[public_id], self._details[public_id]
            self._refuse(session)
            return
        session.on("message", partial(self._received, session, public_id))
        session.on("close", partial(self._closed, public_id))

    def _received(self, session: Session, public_id: str, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("\0"):
            message = message.encode()
        if not self._publish("message", public_id, message):
            self._refuse(session)

    def _closed(self, public_id: str, reason: CloseReason, _why: object) -> None:
        del self._sessions[public_id], self._details[public_id]
        # Subscribers that have seen a session open also see it close, however little
        # room there is.
        self._publish("closed", public_id, reason.value, urgent=True)

    def _publish(self, topic: str, *arguments: object, urgent: bool = False) -> bool:
        return self._publications.publish(
            f"{self._prefix}.{topic}", *arguments, urgent=urgent
        )

    def _refuse(self, session: Session) -> None:
        if not self._refused:
            self._log.error(
                "{waiting} events wait for the WAMP router and there is room for no "
                "more ({limit} bytes): sessions that open or send are closed",
                waiting=self.waiting,
                limit=self._queue_limit,
            )
        self._refused += 1
        session.close(discard=True)

    # --- from WAMP to Engine.IO -------------------------------------------------------

    def _send(
        self, public_id: str, message: str | bytes, wait: bool = False
    ) -> Deferred[None] | None:
        """Send a message to one session.

        Args:
            public_id: The session.
            message: Text or binary.
            wait: Whether to answer only when the message has been handed on: a way not
                to send faster than the client receives.
        """
        session = self._find(public_id)
        if not session.send(_checked(message)):
            raise self._no_such_session(public_id)
        if not wait:
            return None
        flushed = session.when_flushed()
        flushed.addErrback(self._closed_meanwhile, public_id)
        return flushed

    def _broadcast(self, message: str | bytes) -> int:
        # As with the other procedures: the sessions of this engine, which it counts.
        return self._engine.broadcast(_checked(message), local=True)

    def _close(self, public_id: str, discard: bool = False) -> None:
        self._find(public_id).close(discard=discard)

    def _list(self) -> list[dict[str, Any]]:
        return [
            {**self._details[public_id], "transport": session.transport.name}
            for public_id, session in self._sessions.items()
        ]

    def _find(self, public_id: str) -> Session:
        # A caller may have sent anything.
        session = self._sessions.get(str(public_id))
        if session is None:
            raise self._no_such_session(public_id)
        return session

    def _closed_meanwhile(self, failure: Any, public_id: str) -> None:
        failure.trap(EngineIOError)
        raise self._no_such_session(public_id)

    def _no_such_session(self, public_id: str) -> ApplicationError:
        return ApplicationError(
            f"{self._prefix}.error.no_such_session",
            f"there is no session {public_id!r}, or no longer",
        )


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and _PREFIX.fullmatch(value) is not None


def _checked(message: object) -> str | bytes:
    if not isinstance(message, str | bytes):
        raise ApplicationError(
            ApplicationError.INVALID_ARGUMENT,
            f"a message is a string or bytes, not {type(message).__name__}",
        )
    return message
