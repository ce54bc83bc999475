"""A router of WAMP in memory, for nodes that share a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import PublishOptions
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.cluster.broker.recorder import Recorder, run
from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.membership import SETTLE_BEATS, BrokerMembership
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member
from txengineio.cluster.wamp.register import WampTopics
from txengineio.cluster.wamp.wire import WampWire

__all__ = [
    "TOPICS",
    "MemoryRouter",
    "MemorySession",
    "Node",
    "joined",
    "user_itself",
]

TOPICS = WampTopics("chat")
EPOCH = 1_800_000_000


def user_itself(user: Any) -> Any:
    """Be the factory of a `MemoryRouter`, which tells the user of sessions."""
    return user


@implementer(IStreamClientEndpoint)
class MemoryRouter:
    """What a router does for members.

    Attributes:
        is_there: Whether connections can be made.
        is_silent: Whether no session begins on them.
        hangs: Whether nothing is acknowledged, nor passed on.
        denied: The URIs to which nobody has a right.
        sessions: Those that there are.
        procedures: By their ids: the URI, the session, the procedure, when it was made.
        published: What was published, as (topic, *arguments).
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_there = True
        self.is_silent = False
        self.hangs = False
        self.denied: set[str] = set()
        self.sessions: list[MemorySession] = []
        self.procedures: dict[int, tuple[str, MemorySession, Any, float]] = {}
        self.published: list[tuple[Any, ...]] = []
        self._ids = count(1)

    def connect(self, factory: Any) -> Deferred[Any]:
        """Begin a session; the factory is the user of sessions."""
        if not self.is_there:
            return fail(ConnectionRefusedError("nobody there"))
        session = MemorySession(self, factory)
        self.sessions.append(session)
        factory.made(session)
        if not self.is_silent:
            factory.joined(session)
        return succeed(session)

    def goes(self) -> None:
        """End, with all that it knows."""
        self.is_there = False
        self.procedures.clear()
        for each in list(self.sessions):
            each.abortConnection()

    def publish(self, topic: str, *arguments: Any, but: Any = None) -> None:
        self.published.append((topic, *arguments))
        for session in list(self.sessions):
            if session is not but and session.hears and topic in session.handlers:
                session.handlers[topic](*arguments)

    def add(self, uri: str, session: MemorySession, procedure: Any) -> int:
        if any(each[0] == uri for each in self.procedures.values()):
            raise ApplicationError("wamp.error.procedure_already_exists", uri)
        id_ = next(self._ids)
        self.procedures[id_] = uri, session, procedure, self.clock.seconds()
        self.publish("wamp.registration.on_create", 1, self.details(id_))
        return id_

    def remove(self, id_: int) -> None:
        del self.procedures[id_]
        self.publish("wamp.registration.on_delete", 1, id_)

    def details(self, id_: int) -> dict[str, Any]:
        uri, _, _, made = self.procedures[id_]
        created = datetime.fromtimestamp(EPOCH + made, UTC).isoformat()
        return {"id": id_, "uri": uri, "created": created.replace("+00:00", "Z")}

    def call(self, uri: str, *arguments: Any) -> Any:
        if uri == "wamp.registration.list":
            return {"exact": list(self.procedures), "prefix": [], "wildcard": []}
        if uri == "wamp.registration.get":
            if arguments[0] not in self.procedures:
                raise ApplicationError("wamp.error.no_such_registration")
            return self.details(arguments[0])
        for found, session, procedure, _ in self.procedures.values():
            if found == uri:
                return procedure(*arguments) if session.hears else Deferred()
        raise ApplicationError("wamp.error.no_such_procedure", uri)


class _Registration:
    def __init__(self, id_: int) -> None:
        self.id = id_


class MemorySession:
    """One session, and its connection.

    Attributes:
        hears: Whether what is published and called comes to it.
        handlers: What it has subscribed to.
        waiting: What the router has not acknowledged.
    """

    def __init__(self, router: MemoryRouter, user: Any) -> None:
        self.router = router
        self.hears = True
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.waiting: list[Deferred[Any]] = []
        self._user = user

    def ask(self, uri: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if self not in self.router.sessions:
            raise TransportLost
        if uri in self.router.denied:
            return fail(ApplicationError("wamp.error.not_authorized", "no"))
        if self.router.hangs or not self.hears:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        return maybeDeferred(function, *arguments)

    def subscribe(self, handler: Callable[..., Any], uri: str) -> Any:
        return self.ask(uri, self.handlers.__setitem__, uri, handler)

    def register(self, procedure: Callable[..., Any], uri: str) -> Any:
        def add() -> _Registration:
            return _Registration(self.router.add(uri, self, procedure))

        return self.ask(uri, add)

    def call(self, uri: str, *arguments: Any) -> Any:
        return self.ask(uri, self.router.call, uri, *arguments)

    def publish(self, uri: str, data: bytes, *, options: PublishOptions) -> Any:
        assert options.acknowledge
        # As Autobahn and routers have it, unless it is said otherwise.
        but = None if options.exclude_me is False else self
        return self.ask(uri, partial(self.router.publish, uri, data, but=but))

    def leave(self) -> None:
        self.abortConnection()

    def loseConnection(self) -> None:
        self.abortConnection()

    def abortConnection(self) -> None:
        """End."""
        if self not in self.router.sessions:
            return
        self.router.sessions.remove(self)
        for id_, (_, session, _, _) in list(self.router.procedures.items()):
            if session is self:
                self.router.remove(id_)
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.errback(TransportLost())
        self._user.lost(Failure(ConnectionDone()))


class Node(Recorder):
    """A node with its membership at a router in memory."""

    def __init__(
        self, router: MemoryRouter, name: str, secret: bytes = b"secret"
    ) -> None:
        super().__init__()
        self.name = name
        self.member = Member(name, f"{name}.example:7000", Load(name))
        self.membership = BrokerMembership(
            partial(WampWire, router, user_itself, router.clock, TOPICS),
            TOPICS,
            Seal(secret, "chat"),
            router.clock,
            where="the router",
        )

    def join(self) -> Deferred[None]:
        return self.membership.join(self.member, self)

    @property
    def session(self) -> MemorySession:
        wire: Any = self.membership._wire
        session: MemorySession = wire.session
        return session

    @property
    def state(self) -> str:
        return self.membership.state.value

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.membership.counts)

    def stops(self) -> None:
        """Be stopped: its connection stays, and it does nothing."""
        beating = self.membership._beating
        assert beating is not None
        beating.cancel()
        self.session.hears = False

    def dies(self) -> None:
        """End at once; its connection ends, too."""
        if self.session.hears:
            self.stops()
        wire: Any = self.membership._wire
        self.session.abortConnection()
        wire._attempts._retry.cancel()


def joined(router: MemoryRouter, *names: str) -> list[Node]:
    """Let nodes join, one after the other."""
    nodes = [Node(router, name) for name in names]
    for node in nodes:
        done = node.join()
        run(router.clock, SETTLE_BEATS + 0.25)
        assert done.called
        assert done.result is None
    return nodes
