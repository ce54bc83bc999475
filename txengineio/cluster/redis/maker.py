"""Memberships in Redis, from a URL."""

from __future__ import annotations

from functools import partial
from typing import Any

from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.membership import BrokerMembership
from txengineio.cluster.redis.connection import RedisConnection
from txengineio.cluster.redis.endpoints import endpoint_of
from txengineio.cluster.redis.outside import read_outside
from txengineio.cluster.redis.register import Keys
from txengineio.cluster.redis.urls import parse_redis_url
from txengineio.cluster.redis.wire import RedisWire

__all__ = ["make_membership"]


def make_membership(
    url: str, cluster: str, secret: bytes | None, reactor: Any, *, outside: bool = False
) -> BrokerMembership:
    """Make a membership; see `MembershipMaker`.

    Args:
        url: Where Redis is, see `parse_redis_url`.
        cluster: The name of the cluster.
        secret: What all nodes of the cluster know, and nobody else; None where nobody
            else can reach Redis.
        reactor: The reactor.
        outside: Whether to hear what other programs say, see `read_outside`.

    Raises:
        BadRedisURL: The URL makes no sense.
    """
    where = parse_redis_url(url)
    keys = Keys(cluster, where.db)
    endpoint = endpoint_of(where, reactor)

    def connect(user: Any, channels: Any = ()) -> RedisConnection:
        return RedisConnection(endpoint, where, reactor, user, channels)

    return BrokerMembership(
        partial(RedisWire, connect, keys),
        keys,
        Seal(secret or b"", cluster),
        reactor,
        where=f"Redis at {where}",
        outside=read_outside if outside else None,
    )
