"""Connections to other nodes, and those that come from them, until both are proven.

Then the connection belongs to another protocol, as if nothing had come before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum, unique
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.cluster.machines.challenge import (
    Answerer,
    Caller,
    Credentials,
    NotProven,
    Verdict,
)
from txengineio.cluster.machines.transports import binding_of, watch_over
from txengineio.net.accepted import serve_socket
from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.net.release import can_be_released, release_socket
from txengineio.observing.seldom import SeldomLog
from txengineio.server.requests.session_limits import neighbourhood

__all__ = [
    "LINK_TIMEOUT",
    "MAX_UNPROVEN",
    "LinkEndpoint",
    "LinkFactory",
    "LinkFailed",
    "LinkProblem",
]

LINK_TIMEOUT: Final = 5.0
"""Seconds within which both sides have to prove that they know the secret."""

MAX_UNPROVEN: Final = 500
"""Connections on which nothing has been proven yet, with those that are being refused.

Each is a descriptor for up to `LINK_TIMEOUT`, whoever has made it. If there are more,
the address that has most of them loses its oldest one: strangers at one address cannot
keep nodes at others out.
"""

_TRIES: Final = 5
_PAUSE: Final = 0.1
"""How often, and after how many seconds, a node is called that closes the connection.

The kernel may have taken the call of one that is being killed; the next is refused.
"""


@unique
class LinkProblem(StrEnum):
    """Why there is no link to a node."""

    REFUSED = "refused"
    """Nobody listens there: its process has ended."""
    UNKNOWN = "unknown"
    """Another node listens there, and does not know it."""
    TIMEOUT = "timeout"
    """It does not answer."""
    UNPROVEN = "unproven"
    """It does not know the secret."""
    CLOSED = "closed"
    """It closes the connection: it may be about to end."""
    FAILED = "failed"
    """Anything else, such as an address that does not exist."""

    @property
    def is_end(self) -> bool:
        """Whether it means that the node has come to its end."""
        return self in (LinkProblem.REFUSED, LinkProblem.UNKNOWN)


class LinkFailed(Exception):
    """There is no link to a node.

    Args:
        problem: Why.
        details: More about that, for people.

    Attributes:
        problem: As given.
    """

    def __init__(self, problem: LinkProblem, details: str) -> None:
        super().__init__(f"{problem}: {details}")
        self.problem = problem


@implementer(IStreamClientEndpoint)
class LinkEndpoint:
    """Connects to another node.

    Args:
        endpoint: Where it is.
        clock: Where time comes from.
        credentials: What both sides know.
        names: The name of this node, and that of the other one.
        failed: Called with each problem, before the Deferred of `connect` fails.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        credentials: Credentials,
        names: tuple[str, str],
        failed: Callable[[LinkFailed], object],
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._credentials = credentials
        self._names = names
        self._failed = failed

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect; when the other side is proven, make the factory's protocol.

        Returns:
            Fires with the protocol; fails with `LinkFailed`. It can be cancelled.
        """
        connecting = Deferred.fromCoroutine(self._connect(protocolFactory))
        return connecting.addErrback(self._tell)

    def _tell(self, failure: Failure) -> Failure:
        problem = failure.value
        if isinstance(problem, LinkFailed):
            self._failed(problem)
        return failure

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        tries = _TRIES
        while True:
            tries -= 1
            try:
                return await self._try(factory)
            except LinkFailed as failed:
                if failed.problem is not LinkProblem.CLOSED or not tries:
                    raise
            await deferLater(self._clock, _PAUSE)

    async def _try(self, factory: IProtocolFactory) -> IProtocol:
        caller = Caller(self._credentials, *self._names)
        calling = _Calling(caller, factory, self._clock)
        try:
            await self._endpoint.connect(_Once(calling))
        except ConnectionRefusedError as error:
            raise LinkFailed(LinkProblem.REFUSED, str(error)) from error
        except (CancelledError, ConnectingCancelledError):
            raise CancelledError from None
        except Exception as error:
            raise LinkFailed(LinkProblem.FAILED, str(error)) from error
        return await calling.proven


class _Once(Factory):
    """Makes a protocol that was made already."""

    noisy = False

    def __init__(self, made: Protocol) -> None:
        self._made = made

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._made


class _Unproven(Protocol):
    """A connection on which not all is said."""

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any
    _giving_up: IDelayedCall | None = None

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    @override
    def connectionMade(self) -> None:
        watch_over(self.transport)
        self._giving_up = self._clock.callLater(LINK_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        self.give_up(LinkFailed(LinkProblem.TIMEOUT, "no answer in time"))

    def give_up(self, problem: LinkFailed) -> None:
        """Drop the connection."""
        self.end()
        self.transport.abortConnection()

    def end(self) -> None:
        """Wait no longer."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def become(self, protocol: IProtocol) -> None:
        """Leave the connection to another protocol."""
        self.end()
        if isinstance(self.transport, ProtocolWrapper):
            self.transport.wrappedProtocol = protocol
        else:
            self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end()


class _Calling(_Unproven):
    """A connection to another node, which has not proven what it is."""

    def __init__(
        self, caller: Caller, factory: IProtocolFactory, clock: IReactorTime
    ) -> None:
        super().__init__(clock)
        self.proven: Deferred[IProtocol] = Deferred(lambda _: self._cancel())
        self._caller = caller
        self._factory = factory
        self._is_settled = False

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.write(self._caller.hello())

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._is_settled:
            return
        try:
            answer = self._caller.receive(data, binding_of(self.transport, own=False))
        except NotProven as problem:
            self.give_up(LinkFailed(LinkProblem.UNPROVEN, str(problem)))
            return
        if isinstance(answer, Verdict):
            self.give_up(LinkFailed(LinkProblem.UNKNOWN, "it is not there any more"))
        elif answer is not None:
            self._is_settled = True
            self._settle(answer)

    def _settle(self, answer: bytes) -> None:
        transport = self.transport
        try:
            protocol = self._proven(answer)
        except Exception as problem:
            # Such as that no descriptor is left.
            if transport.connected:
                transport.abortConnection()
            self.proven.errback(LinkFailed(LinkProblem.FAILED, str(problem)))
        else:
            self.proven.callback(protocol)

    def _proven(self, answer: bytes) -> IProtocol:
        """Send the proof; leave the connection to the factory's protocol."""
        if can_write_directly(self.transport):
            write_directly(self.transport, answer)
        else:
            self.transport.write(answer)
        if can_be_released(self.transport):
            # Twisted reads connections that it has made itself in a way of its own,
            # which takes longer.
            reactor = self.transport.reactor
            released = release_socket(self.transport)
            protocol: IProtocol = serve_socket(
                reactor, released, self._factory, watch=False
            )
            return protocol
        made = self._factory.buildProtocol(self.transport.getPeer())
        assert made is not None
        self.become(made)
        return made

    @override
    def give_up(self, problem: LinkFailed) -> None:
        super().give_up(problem)
        self._fail(problem)

    def _cancel(self) -> None:
        self._is_settled = True
        super().give_up(LinkFailed(LinkProblem.FAILED, "given up"))

    def _fail(self, problem: LinkFailed) -> None:
        if not self._is_settled:
            self._is_settled = True
            self.proven.errback(problem)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._fail(LinkFailed(LinkProblem.CLOSED, "it has closed the connection"))


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


class Arrival(_Unproven):
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
