"""The members in Redis: a key for each, which does not live long by itself.

For a cluster ``chat`` on database 0:

=============================  =========================================================
``txengineio:0:chat:members``  set: the names of all members, and perhaps of some others
``…:member:NAME``              key: incarnation, then a frame as `encode_member` says
``…:settled``                  key, if those who had to come back have come back
``…:all``                      channel: frames for all nodes
``…:node:NAME``                channel: frames for one node
``…:outside``                  channel: what other programs say, see ``outside``
=============================  =========================================================

Redis itself counts the lifetime of the keys; no clock of a node matters. The scripts do
what would otherwise need two commands, between which another node could come.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique
from typing import Any, Final

from twisted.internet.defer import Deferred

from txengineio.cluster.membership import Member
from txengineio.cluster.redis.frames import (
    INCARNATION,
    BadFrame,
    Frame,
    Own,
    Seal,
    decode_member,
    encode_member,
)

__all__ = ["HOLD", "LIFETIME", "RELEASE", "Held", "Keys", "Register"]

LIFETIME: Final = 13
"""Seconds that a node is a member without renewing it."""

HOLD: Final = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'EX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
if ARGV[5] == '1' then redis.call('SET', KEYS[3], '', 'EX', ARGV[3]) end
return 1 + redis.call('EXISTS', KEYS[3])
"""
"""Keys: the node's, the set, and whether all is settled.

Arguments: incarnation, frame, seconds, name, whether it is. Returns a `Held`.
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


@unique
class Held(Enum):
    """What has come of an attempt to hold a name."""

    TAKEN = 0
    """Another node has it."""
    UNSETTLED = 1
    """This node has it; others may be about to come back, as Redis was away."""
    SETTLED = 2
    """This node has it, and those who are members have their names, too."""


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

    def node(self, name: str) -> bytes:
        """Return the channel of a node."""
        return self._prefix + b"node:" + name.encode()


class Register:
    """Reads and writes the keys.

    Args:
        execute: Sends a command, see `Connection.execute`. All methods here fail as it
            does.
        keys: The names of the keys.
        seal: Proves who has written them.
        name: The name of this node.
        incarnation: Which start of it.
    """

    def __init__(
        self, execute: Execute, keys: Keys, seal: Seal, name: str, incarnation: bytes
    ) -> None:
        self._execute = execute
        self._keys = keys
        self._seal = seal
        self._name = name
        self._incarnation = incarnation

    async def hold(self, member: Member, is_settled: bool) -> Held:
        """Become a member, or stay one.

        Args:
            member: This node.
            is_settled: Whether it is one for long enough to know that the others, too,
                have had the time to become members again.
        """
        key = self._keys.member(self._name)
        frame = Frame(
            kind=Own.HERE.value,
            sender=self._name,
            incarnation=self._incarnation,
            number=0,
            payload=encode_member(member),
        )
        answer = await self._execute(
            *("EVAL", HOLD, 3, key, self._keys.members, self._keys.settled),
            *(self._incarnation, self._seal.encode(key, frame), LIFETIME, self._name),
            int(is_settled),
        )
        return Held(answer)

    async def release(self) -> bool:
        """Be no member any more; return False if another node has the name."""
        key = self._keys.member(self._name)
        answer = await self._execute(
            *("EVAL", RELEASE, 2, key, self._keys.members),
            *(self._incarnation, self._name),
        )
        return bool(answer)

    async def others(self) -> list[tuple[bytes, Member]]:
        """Return all other members with their incarnations."""
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

    async def find(self, name: str) -> tuple[bytes, Member] | None:
        """Return a member with its incarnation; None if there is none of that name."""
        return self._read(name, await self._execute("GET", self._keys.member(name)))

    def _read(self, name: str, value: bytes | None) -> tuple[bytes, Member] | None:
        if value is None:
            return None
        try:
            frame = self._seal.decode(self._keys.member(name), value[INCARNATION:])
            return frame.incarnation, decode_member(name, frame.payload)
        except (BadFrame, ValueError):
            # Nobody with the secret has written it: it is as good as none.
            return None
