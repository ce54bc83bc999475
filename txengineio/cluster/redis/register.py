"""The members in Redis: a key for each, which does not live long by itself.

For a cluster ``chat`` on database 0:

=============================  =========================================================
``txengineio:0:chat:members``  set: the names of all members, and perhaps of some others
``…:member:NAME``              key: incarnation, then a frame as `encode_member` says
``…:started:NAME``             key: the incarnation of its last member, as a number
``…:settled``                  key, if those who had to come back have come back
``…:all``                      channel: frames for all nodes
``…:node:NAME``                channel: frames for one node
``…:outside``                  channel: what other programs say, see ``outside``
=============================  =========================================================

Redis itself counts the lifetime of the keys, and tells when a node starts; no clock of
a node matters. The scripts do
what would otherwise need two commands, between which another node could come.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import randbelow
from typing import Any, Final

from twisted.internet.defer import Deferred

from txengineio.cluster.broker.frames import (
    INCARNATION,
    BadFrame,
    Frame,
    Own,
    Seal,
    encode_member,
)
from txengineio.cluster.broker.interfaces import Held
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.membership import Member
from txengineio.observing.seldom import SeldomLog

__all__ = ["HOLD", "LIFETIME", "RELEASE", "START", "Keys", "RedisRegister"]

LIFETIME: Final = 13
"""Seconds that a node is a member without renewing it."""

_STARTED: Final = 7200
"""Seconds for which it is known that a node has started: more than `REMEMBERED`."""

_APART: Final = 1_000_000
"""Microseconds within which starts may seem to be."""

START: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[1]) or '')
if last and last >= now and last < now + 86400000000 then now = last + 1 end
return now + ARGV[1]
"""
"""Key: when the node has started last. Argument: what to add, so that no two are equal.

Returns microseconds since 1970, later ones than for the last start that had the name,
unless the clock of Redis has gone back by more than a day.
"""

HOLD: Final = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
local last = tonumber(redis.call('GET', KEYS[4]) or '')
if not held and last and last > tonumber(ARGV[6]) then return 0 end
redis.call('SET', KEYS[4], ARGV[6], 'EX', ARGV[7])
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'EX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
if ARGV[5] == '1' then redis.call('SET', KEYS[3], '', 'EX', ARGV[3]) end
return 1 + redis.call('EXISTS', KEYS[3])
"""
"""Keys: the node's, the set, whether all is settled, and the node's last start.

Arguments: incarnation, frame, seconds, name, whether it is, and incarnation as a number
with the seconds for which that is known. Returns a `Held`.
"""

RELEASE: Final = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[2])
return 1
"""
"""Keys: the node's, and the set. Arguments: incarnation, name."""

Execute = Callable[..., Deferred[Any]]


class Keys:
    """The names of what a cluster has in Redis.

    Channels have no database in Redis: the names tell it.

    Args:
        cluster: The name of the cluster.
        db: The database.
    """

    def __init__(self, cluster: str, db: int) -> None:
        self._prefix = f"txengineio:{db}:{cluster}:".encode()
        self.members = self._prefix + b"members"
        self.settled = self._prefix + b"settled"
        self.all = self._prefix + b"all"
        self.outside = self._prefix + b"outside"

    def member(self, name: str) -> bytes:
        """Return the key of a node."""
        return self._prefix + b"member:" + name.encode()

    def started(self, name: str) -> bytes:
        """Return the key of when a node has started."""
        return self._prefix + b"started:" + name.encode()

    def node(self, name: str) -> bytes:
        """Return the channel of a node."""
        return self._prefix + b"node:" + name.encode()


class RedisRegister:
    """Reads and writes the keys; see `Register`.

    Args:
        execute: Sends a command, see `Connection.execute`. All methods here fail as it
            does.
        keys: The names of the keys.
        seal: Proves who has written them.
        said: Makes the frames of this node.
        seldom: Where is said which keys do not count.
    """

    def __init__(
        self, execute: Execute, keys: Keys, seal: Seal, said: Said, seldom: SeldomLog
    ) -> None:
        self._seldom = seldom
        self._execute = execute
        self._keys = keys
        self._seal = seal
        self._said = said
        self._name = said.name

    @property
    def lifetime(self) -> int:
        """Seconds after which the name of a node that died is free."""
        return LIFETIME

    async def start(self) -> bytes:
        """Return an incarnation for this node: greater than those of its name before.

        It is the time at which Redis is asked, whatever this machine's clock says.
        """
        key = self._keys.started(self._name)
        now = await self._execute("EVAL", START, 1, key, randbelow(_APART))
        return int(now).to_bytes(INCARNATION)

    async def hold(self, member: Member, is_settled: bool) -> Held:
        """Become a member, or stay one.

        Args:
            member: This node.
            is_settled: Whether it is one for long enough to know that the others, too,
                have had the time to become members again.
        """
        key, incarnation = self._keys.member(self._name), self._said.incarnation
        own, payload = Own.HERE.value, encode_member(member)
        answer = await self._execute(
            *("EVAL", HOLD, 4, key, self._keys.members, self._keys.settled),
            *(self._keys.started(self._name), incarnation),
            *(self._said.encode(key, own, 0, payload), LIFETIME, self._name),
            *(int(is_settled), int.from_bytes(incarnation), _STARTED),
        )
        return Held(answer)

    async def release(self) -> bool:
        """Be no member any more; return False if another node has the name."""
        key = self._keys.member(self._name)
        answer = await self._execute(
            *("EVAL", RELEASE, 2, key, self._keys.members),
            *(self._said.incarnation, self._name),
        )
        return bool(answer)

    async def others(self) -> list[Frame]:
        """Return what all other members have written."""
        names = await self._execute("SMEMBERS", self._keys.members)
        names = [each.decode() for each in names if each != self._name.encode()]
        if not names:
            return []
        values = await self._execute("MGET", *map(self._keys.member, names))
        gone = [name for name, value in zip(names, values, strict=True) if not value]
        if gone:
            # If one comes back just now, its next renewal adds it.
            await self._execute("SREM", self._keys.members, *gone)
        found = map(self._read, names, values)
        return [each for each in found if each is not None]

    async def find(self, name: str) -> Frame | None:
        """Return what a member has written; None if there is none of that name."""
        return self._read(name, await self._execute("GET", self._keys.member(name)))

    def _read(self, name: str, value: bytes | None) -> Frame | None:
        if value is None:
            return None
        try:
            frame = self._seal.decode(self._keys.member(name), value[INCARNATION:])
        except BadFrame as bad:
            # Nobody with the secret has written it: it is as good as none.
            self._seldom.warn(
                "key",
                "the key of node {node} does not count ({bad}): that node knows "
                "another secret, or another program writes to Redis",
                node=name,
                bad=bad,
            )
            return None
        return frame if frame.sender == name else None
