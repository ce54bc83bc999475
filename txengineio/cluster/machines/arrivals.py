"""Connections that come from other nodes, or from strangers, until that is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from typing_extensions import override

from txengineio.cluster.machines.challenge import (
    Answerer,
    Credentials,
    NotProven,
    Verdict,
)
from txengineio.cluster.machines.transports import binding_of
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem, Unproven
from txengineio.observing.seldom import SeldomLog
from txengineio.server.requests.session_limits import neighbourhood

__all__ = ["MAX_UNPROVEN", "Arrival", "LinkFactory"]

MAX_UNPROVEN: Final = 500
"""Connections on which nothing has been proven yet, with those that are being refused.

Each is a descriptor for up to `LINK_TIMEOUT`, whoever has made it. If there are more,
the address that has most of them loses its oldest one: strangers at one address cannot
keep nodes at others out.
"""


class LinkFactory(Factory):
    """Takes connections of other nodes.

    Args:
        clock: Where time comes from.
        credentials: What both sides know. Without a secret, connections of other
            machines are dropped.
        is_here: Tells whether a node can be reached here, by its name.
        take: Called with each proven connection: an `Arrival`.
        counts: Where is counted what becomes of them: ``accepted``, ``strangers``
            (they do not know the secret, or speak otherwise), ``late`` (they say
            nothing), ``astray`` (they want a node that is not here), ``crowded``
            (there are too many already).

    Attributes:
        is_settled: Whether a node that is not here has come to its end. Until then
            nothing is said of it, and the caller tries again.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        credentials: Credentials,
        is_here: Callable[[str], bool],
        take: Callable[[Arrival], object],
        counts: Counter[str],
    ) -> None:
        self.clock = clock
        self.credentials = credentials
        self.is_here = is_here
        self.take = take
        self.counts = counts
        self.is_settled = True
        # The oldest come first.
        self.unproven: dict[Arrival, None] = {}
        self._seldom = SeldomLog(self._log, clock.seconds)

    @override
    def buildProtocol(self, addr: IAddress | None) -> Arrival | None:
        if not self.credentials.secret and not _is_local(addr):
            self.counts["strangers"] += 1
            return None
        return Arrival(self)

    def drops(self, arrival: Arrival, outcome: str, why: object) -> None:
        """Count a connection that is dropped, and say so now and then.

        Args:
            arrival: The connection.
            outcome: What it is counted as.
            why: The same for people.
        """
        self.counts[outcome] += 1
        self._seldom.warn(
            outcome,
            "a connection from {address} is dropped: {why}",
            address=getattr(arrival.transport.getPeer(), "host", "this machine"),
            why=why,
        )

    def make_room(self, newcomer: Arrival) -> None:
        """Drop a connection of those on which nothing is proven, if they are too many.

        Args:
            newcomer: The one that has just come, and is among them.
        """
        if len(self.unproven) <= MAX_UNPROVEN:
            return
        held = Counter(each.neighbourhood for each in self.unproven)
        most = max(held.values())
        greedy = (each for each in self.unproven if held[each.neighbourhood] == most)
        is_greedy = held[newcomer.neighbourhood] == most
        (newcomer if is_greedy else next(greedy)).give_way()

    def close(self) -> None:
        """Drop the connections that have not proven anything."""
        for arrival in list(self.unproven):
            arrival.end()
            arrival.transport.abortConnection()


class Arrival(Unproven):
    """A connection of another node, or of somebody else.

    Attributes:
        neighbourhood: The address that it comes from, or the network that is as good as
            one.
    """

    neighbourhood: str | None = None
    _is_refused = False

    def __init__(self, links: LinkFactory) -> None:
        super().__init__(links.clock)
        self._links = links
        self._answerer = Answerer(links.credentials, links.is_here)

    @property
    def wanted(self) -> str:
        """The name of the node that it is for."""
        return self._answerer.wanted

    @property
    def rest(self) -> bytes:
        """What has come after the proof."""
        return self._answerer.rest

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        host = getattr(self.transport.getPeer(), "host", None)
        self.neighbourhood = neighbourhood(host)
        self._links.unproven[self] = None
        self._links.make_room(self)

    def give_way(self) -> None:
        """End, as too many others wait."""
        self._is_refused = True
        self._links.drops(self, "crowded", "too many have proven nothing yet")
        super().give_up(LinkFailed(LinkProblem.CLOSED, "too many wait"))

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._is_refused:
            return
        try:
            answer = self._answerer.receive(data, binding_of(self.transport, own=True))
        except NotProven as problem:
            self.give_up(LinkFailed(LinkProblem.UNPROVEN, str(problem)))
            return
        if isinstance(answer, Verdict):
            self._refuse(answer)
        elif isinstance(answer, bytes):
            self.transport.write(answer)
        elif answer:
            if self._answerer.caller != self.wanted:
                # Otherwise it looks whether there is a way to itself.
                self._links.counts["accepted"] += 1
            self.end()
            self._links.take(self)

    def _refuse(self, verdict: Verdict) -> None:
        self._links.counts["astray"] += 1
        self._is_refused = True
        if self._links.is_settled:
            self.transport.write(verdict.value)
            # With TLS it ends when the caller agrees, or when its time is over.
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    @override
    def give_up(self, problem: LinkFailed) -> None:
        if not self._is_refused:
            self._is_refused = True
            is_late = problem.problem is LinkProblem.TIMEOUT
            self._links.drops(self, "late" if is_late else "strangers", problem)
        super().give_up(problem)

    @override
    def end(self) -> None:
        super().end()
        self._links.unproven.pop(self, None)


def _is_local(address: Any) -> bool:
    host = getattr(address, "host", None)
    return host is None or ip_address(host.partition("%")[0]).is_loopback
