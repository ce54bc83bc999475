"""The way to a router: a session of WAMP that is begun again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from autobahn.wamp.types import PublishOptions
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from txengineio.cluster.broker.attempts import Attempts, line_of
from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused, WireUser
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.wamp.register import WampRegister, WampTopics
from txengineio.cluster.wamp.session import (
    LOGIN_TIMEOUT,
    SessionUser,
    WampRefused,
    asked,
)
from txengineio.observing.seldom import SeldomLog

__all__ = ["WampWire"]

_ENDS: Final = (ConnectionAborted, ConnectionDone, ConnectionLost)
_NO_WEBSOCKET: Final = "at that path, nobody answers as a router of WAMP"

_TO_OTHERS: Final = PublishOptions(acknowledge=True)
_TO_SELF: Final = PublishOptions(acknowledge=True, exclude_me=False)


class WampWire:
    """The way to a router; see `Wire`.

    Args:
        endpoint: Leads to the router.
        make_factory: Makes what makes sessions, see `session_factory`.
        clock: Tells when to try again.
        topics: What nodes publish on.
        user: Is told what happens.
        hears: The topics that are subscribed to.

    Attributes:
        is_up: Whether frames can be sent and are heard.
        session: The session that there is; None if there is none.
    """

    _log = Logger()

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        make_factory: Callable[[SessionUser], IProtocolFactory],
        clock: IReactorTime,
        topics: WampTopics,
        user: WireUser,
        hears: Sequence[bytes],
    ) -> None:
        self.is_up = False
        self.session: Any = None
        self._clock = clock
        self._topics = topics
        self._user = user
        self._hears = hears
        self._events: Mapping[str, Callable[..., None]] = {}
        self._attempts = Attempts(endpoint, make_factory(self), clock, user.down)
        self._transport: Any = None
        self._problem: BrokerAway | BrokerRefused | None = None
        self._giving_up: IDelayedCall | None = None
        self.start = self._attempts.start

    def stop(self) -> Deferred[None]:
        """Leave the realm, and disconnect; see `Wire`."""
        if self._transport is None:
            return self._attempts.stop(None)
        leave = self.session.leave if self.is_up else self._transport.loseConnection
        return self._attempts.stop(leave)

    def abort(self) -> None:
        """Drop the connection as it is; see `Wire`."""
        if self._transport is not None:
            self._transport.abortConnection()

    def publish(self, topic: bytes, data: bytes) -> Deferred[int | None]:
        """Publish something; see `Wire`. Routers do not tell who has heard it."""
        if not self.is_up:
            return fail(BrokerAway("there is no session with the router"))
        options = _TO_OTHERS if topic == self._topics.all else _TO_SELF
        uri = topic.decode()
        publish = partial(self.session.publish, uri, data, options=options)
        return asked(f"publish to {uri}", publish).addCallback(_ignore)

    def call(self, uri: str, *arguments: Any) -> Deferred[Any]:
        """Call a procedure; fails as `publish` does."""
        if self.session is None:
            return fail(BrokerAway("there is no session with the router"))
        return asked(f"call {uri}", partial(self.session.call, uri, *arguments))

    def provide(self, uri: str, procedure: Callable[..., Any]) -> Deferred[Any]:
        """Register a procedure as long as the session lasts; fails as `publish` does.

        Returns:
            Fires with the registration.
        """
        if self.session is None:
            return fail(BrokerAway("there is no session with the router"))
        return asked(f"register {uri}", partial(self.session.register, procedure, uri))

    def register(self, seal: Seal, said: Said, seldom: SeldomLog) -> WampRegister:
        """Return what the router knows of the members; see `Wire`."""
        register = WampRegister(
            self, self._topics, self._clock, seal, said, seldom, self._user.suspect
        )
        self._events = register.events
        return register

    # --- what sessions tell -----------------------------------------------------------

    def made(self, transport: Any) -> None:
        """Wait until all is ready on a new connection; see `SessionUser`."""
        self._transport = transport
        self._problem = None
        self._giving_up = self._clock.callLater(LOGIN_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        problem = f"the router does not answer for {LOGIN_TIMEOUT:g} s"
        self._problem = BrokerAway(problem)
        self.abort()

    def joined(self, session: Any) -> None:
        """Subscribe to everything; see `SessionUser`."""
        self.session = session
        subscribed = Deferred.fromCoroutine(self._subscribe(session))
        subscribed.addCallbacks(self._subscribed, self._not_subscribed)

    async def _subscribe(self, session: Any) -> None:
        handlers = dict(self._events)
        for topic in self._hears:
            handlers[topic.decode()] = partial(self._heard, topic)
        for uri, handler in handlers.items():
            subscribe = partial(session.subscribe, handler, uri)
            await asked(f"subscribe to {uri}", subscribe)

    def _subscribed(self, _result: None) -> None:
        self._wait_no_longer()
        self.is_up = True
        self._attempts.succeeded()
        self._user.up()

    def _not_subscribed(self, failure: Failure) -> None:
        problem = failure.value
        if isinstance(problem, WampRefused):
            self._problem = problem
        elif not isinstance(problem, BrokerAway):
            self._log.failure("a session of WAMP is dropped", failure=failure)
        self.abort()

    def _heard(self, topic: bytes, *arguments: Any, **_more: Any) -> None:
        """Take what was published; what is no frame of a node will be counted."""
        is_frame = len(arguments) == 1 and isinstance(arguments[0], bytes)
        try:
            self._user.heard(topic, arguments[0] if is_frame else b"")
        except Exception:
            self._log.failure("what was published on {topic!r} failed", topic=topic)

    def ended(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note why the router ends the session; see `SessionUser`."""
        self._problem = problem

    def lost(self, reason: Failure) -> None:
        """Connect again soon; see `SessionUser`."""
        self._wait_no_longer()
        problem = self._problem or BrokerAway(line_of(reason))
        if self.session is None and reason.check(*_ENDS):
            # Autobahn, too, drops a connection of which no WebSocket comes.
            problem = self._problem or BrokerAway(_NO_WEBSOCKET)
        self.is_up = False
        self.session = self._transport = None
        self._attempts.lost(problem)

    def _wait_no_longer(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


def _ignore(_publication: object) -> None:
    """Say that nobody knows who has heard it."""
