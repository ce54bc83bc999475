"""Memberships at a router of WAMP, from a URL."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.internet.endpoints import HostnameEndpoint

from txengineio.cluster.broker.frames import Seal
from txengineio.cluster.broker.membership import BrokerMembership
from txengineio.cluster.broker.tls import read_trust, with_tls
from txengineio.cluster.wamp.register import WampTopics
from txengineio.cluster.wamp.session import SessionUser, session_factory
from txengineio.cluster.wamp.urls import parse_wamp_url
from txengineio.cluster.wamp.wire import WampWire

__all__ = ["make_membership"]

CONNECT_TIMEOUT: Final = 5.0
"""Seconds that a router may take to accept a connection."""


def make_membership(
    url: str, cluster: str, secret: bytes | None, reactor: Any
) -> BrokerMembership:
    """Make a membership; see `MembershipMaker`.

    Args:
        url: Where the router is, see `parse_wamp_url`.
        cluster: The name of the cluster.
        secret: What all nodes of the cluster know, and nobody else; None where nobody
            else can reach the router.
        reactor: The reactor.

    Raises:
        BadBrokerURL: The URL makes no sense.
    """
    where = parse_wamp_url(url)
    trust = read_trust(where.ca) if where.ca is not None else None
    endpoint = HostnameEndpoint(reactor, where.host, where.port, CONNECT_TIMEOUT)
    way = with_tls(endpoint, where.host, trust) if where.tls else endpoint
    topics = WampTopics(cluster)

    def make_factory(user: SessionUser) -> Any:
        return session_factory(where, user, reactor)

    return BrokerMembership(
        partial(WampWire, way, make_factory, reactor, topics),
        topics,
        Seal(secret or b"", cluster),
        reactor,
        where=f"the router at {where}",
    )
