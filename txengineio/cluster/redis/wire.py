"""The way to Redis: a connection to say something, and one to hear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.interfaces import (
    BrokerAway,
    BrokerRefused,
    WireUser,
)
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.redis.interfaces import Connect
from txengineio.cluster.redis.register import Keys, RedisRegister
from txengineio.observing.seldom import SeldomLog

__all__ = ["RedisWire"]


class RedisWire:
    """Two connections to Redis; see `Wire`.

    Args:
        connect: Makes a connection.
        keys: The names of what the cluster has in Redis.
        user: Is told what happens.
        topics: The channels that are heard.
    """

    def __init__(
        self, connect: Connect, keys: Keys, user: WireUser, topics: Sequence[bytes]
    ) -> None:
        self._keys = keys
        self._user = user
        self._says = connect(self)
        self._hears = connect(self, topics)
        self.heard = user.heard

    @property
    def is_up(self) -> bool:
        """Whether frames can be sent and are heard; see `Wire`."""
        return self._says.is_up and self._hears.is_up

    def start(self) -> None:
        """Connect; see `Wire`."""
        self._says.start()
        self._hears.start()

    def stop(self) -> Deferred[Any]:
        """Disconnect; see `Wire`."""
        return gatherResults([self._says.stop(), self._hears.stop()])

    def abort(self) -> None:
        """Give up the connections that there are; see `Wire`."""
        self._says.abort()
        self._hears.abort()

    def publish(self, topic: bytes, data: bytes) -> Deferred[int | None]:
        """Publish something; see `Wire`."""
        return self._says.execute("PUBLISH", topic, data)

    def register(self, seal: Seal, said: Said, seldom: SeldomLog) -> RedisRegister:
        """Return what Redis knows of the members; see `Wire`."""
        return RedisRegister(self._says.execute, self._keys, seal, said, seldom)

    # --- what connections tell --------------------------------------------------------

    def up(self) -> None:
        """Note that one of the connections is there."""
        if self.is_up:
            self._user.up()

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that one of the connections is not there."""
        self._user.down(problem)
