"""A Redis in memory, for nodes that share a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.cluster.broker.recorder import Recorder
from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.membership import BrokerMembership
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member
from txengineio.cluster.redis.interfaces import (
    ConnectionUser,
    RedisAway,
    RedisRefused,
)
from txengineio.cluster.redis.outside import read_outside
from txengineio.cluster.redis.register import HOLD, START, Keys
from txengineio.cluster.redis.wire import RedisWire

__all__ = [
    "KEYS",
    "MemoryConnection",
    "MemoryRedis",
    "Node",
    "joined",
]

KEYS = Keys("chat", 0)


class MemoryRedis:
    """The commands that a membership sends; its clock counts lifetimes.

    Attributes:
        is_there: Whether connections can be made.
        refuses: The errors with which commands are answered.
        published: What was published.
        hangs: Whether nothing is answered, nor passed on, until it does no more.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_there = True
        self.refuses: dict[str, str] = {}
        self.hangs = False
        self.values: dict[bytes, tuple[bytes, float]] = {}
        self.published: list[tuple[bytes, bytes]] = []
        self.members: set[bytes] = set()
        self.connections: list[MemoryConnection] = []
        self.commands: list[tuple[Any, ...]] = []

    def connect(
        self, user: ConnectionUser, channels: Sequence[bytes] = ()
    ) -> MemoryConnection:
        connection = MemoryConnection(self, user, list(channels))
        self.connections.append(connection)
        return connection

    def goes(self) -> None:
        """End, with all that it knows."""
        self.is_there = False
        self.values.clear()
        self.members.clear()
        for each in self.connections:
            each.abort()

    def comes(self) -> None:
        """Start again."""
        self.is_there = True

    def goes_on(self) -> None:
        """Answer what has come while it was hanging."""
        self.hangs = False
        for each in self.connections:
            each.go_on()

    def settle(self) -> None:
        """Be as if nodes had been there for some time."""
        self.values[KEYS.settled] = b"", float("inf")

    def get(self, key: bytes) -> bytes | None:
        value, expires = self.values.get(key, (b"", 0.0))
        return value if expires > self.clock.seconds() else None

    def publish(self, channel: bytes, data: bytes) -> int:
        self.published.append((channel, data))
        hearers = [
            each for each in self.connections if each.is_up and channel in each.channels
        ]
        for each in hearers:
            each.user.heard(channel, data)
        return len(hearers)

    def execute(self, name: str, *arguments: Any) -> Any:
        self.commands.append((name, *arguments))
        if name in self.refuses:
            raise RedisRefused(self.refuses[name])
        match name:
            case "PUBLISH":
                return self.publish(*arguments)
            case "GET":
                return self.get(arguments[0])
            case "MGET":
                return [self.get(each) for each in arguments]
            case "SMEMBERS":
                return sorted(self.members)
            case "SREM":
                self.members -= {each.encode() for each in arguments[1:]}
                return 1
            case "EVAL":
                return self.evaluate(*arguments)
        raise AssertionError(name)

    def evaluate(self, script: str, count: int, key: bytes, *arguments: Any) -> int:
        if script == START:
            return self.started(key) + int(arguments[0])
        started = arguments[count - 2]
        arguments = arguments[count - 1 :]
        held = self.get(key)
        if held is not None and not held.startswith(arguments[0]):
            return 0
        if script == HOLD:
            incarnation, frame, seconds, name, is_settled, start, _ = arguments
            if held is None and int(self.get(started) or 0) > start:
                return 0
            self.values[started] = b"%d" % start, float("inf")
            expires = self.clock.seconds() + seconds
            self.values[key] = incarnation + frame, expires
            self.members.add(name.encode())
            if is_settled:
                self.values[KEYS.settled] = b"", expires
            return 1 + (self.get(KEYS.settled) is not None)
        self.values.pop(key, None)
        self.members.discard(arguments[1].encode())
        return 1

    def started(self, key: bytes) -> int:
        now = int(self.clock.seconds() * 1e6)
        return max(now, int(self.get(key) or 0) + 1)


@dataclass(eq=False)
class MemoryConnection:
    """A connection to it; one that is lost is tried again each second."""

    redis: MemoryRedis
    user: ConnectionUser
    channels: list[bytes]
    is_up: bool = False
    aborted: int = 0
    waiting: list[tuple[Deferred[Any], tuple[Any, ...]]] = field(default_factory=list)
    _retry: Any = None

    def start(self) -> None:
        self._retry = None
        if self.redis.is_there:
            self.is_up = True
            self.user.up()
        else:
            self._lost()

    def stop(self) -> Deferred[None]:
        if self._retry is not None:
            self._retry.cancel()
        self.is_up = False
        self.redis.connections.remove(self)
        return succeed(None)

    def abort(self) -> None:
        if self.is_up:
            self.aborted += 1
            self.is_up = False
            waiting, self.waiting = self.waiting, []
            for answered, _ in waiting:
                answered.errback(RedisAway("lost"))
            self._lost()

    def _lost(self) -> None:
        self._retry = self.redis.clock.callLater(1.0, self.start)
        self.user.down(RedisAway("Connection refused"))

    def execute(self, *command: Any) -> Deferred[Any]:
        if not self.is_up:
            return fail(RedisAway("there is no connection to Redis"))
        answered: Deferred[Any] = Deferred()
        self.waiting.append((answered, command))
        if not self.redis.hangs:
            self.go_on()
        return answered

    def go_on(self) -> None:
        while self.waiting:
            answered, command = self.waiting.pop(0)
            try:
                answer = self.redis.execute(*command)
            except RedisRefused as refused:
                answered.errback(refused)
            else:
                answered.callback(answer)


class Node(Recorder):
    """A node with its membership in a Redis in memory."""

    def __init__(
        self,
        redis: MemoryRedis,
        name: str,
        secret: bytes = b"secret",
        hears_outside: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.member = Member(name, f"{name}.example:7000", Load(name))
        self.membership = BrokerMembership(
            partial(RedisWire, redis.connect, KEYS),
            KEYS,
            Seal(secret, "chat"),
            redis.clock,
            where="Redis",
            outside=read_outside if hears_outside else None,
        )

    def join(self) -> Deferred[None]:
        return self.membership.join(self.member, self)

    @property
    def state(self) -> str:
        return self.membership.state.value

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.membership.counts)

    def stops(self) -> None:
        """Be stopped: it hears and does nothing until it `goes_on`."""
        membership = self.membership
        assert membership._beating is not None
        membership._beating.cancel()
        _hears(membership).is_up = False

    def goes_on(self) -> None:
        membership = self.membership
        _hears(membership).is_up = True
        membership._beat()


def _hears(membership: BrokerMembership) -> MemoryConnection:
    hears: Any = membership._wire
    connection: MemoryConnection = hears._hears
    return connection


def joined(redis: MemoryRedis, *names: str) -> list[Node]:
    """Let nodes join, one after the other."""
    nodes = [Node(redis, name) for name in names]
    for node in nodes:
        done = node.join()
        assert done.called
        assert done.result is None
    return nodes
