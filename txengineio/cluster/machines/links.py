"""Connections to other nodes: made, proven, and tried again where that may help."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.cluster.machines.challenge import (
    Caller,
    Credentials,
    NotProven,
    Verdict,
)
from txengineio.cluster.machines.transports import binding_of
from txengineio.cluster.machines.unproven import LinkFailed, LinkProblem, Unproven
from txengineio.net.accepted import serve_socket
from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.net.release import can_be_released, release_socket

__all__ = ["PATIENCE", "LinkEndpoint"]

_TRIES: Final = 5
"""How often a node is called that closes the connection.

The kernel may have taken the call of one that is being killed; the next is refused.
"""

PATIENCE: Final = 15.0
"""Seconds for which a node is called that does not answer.

By then it is gone, for all that the membership knows, or only the way to it is broken.
Who waits meanwhile loses nothing, and a refusal would end a session.
"""

_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
"""Seconds until it is called again. They double up to this while no way leads there.

Each request that waits calls by itself, and a thousand may wait.
"""

_UNANSWERED: Final = frozenset(
    {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT}
)
"""What the system says of a network that does not lead there now."""


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
        began = self._clock.seconds()
        tries = _TRIES
        pause = _PAUSE
        while True:
            try:
                return await self._try(factory)
            except LinkFailed as failed:
                tries -= failed.problem is LinkProblem.CLOSED
                passed = self._clock.seconds() - began
                if not _may_pass(failed.problem, tries, passed):
                    raise
                is_cut_off = failed.problem is LinkProblem.TIMEOUT
            await deferLater(self._clock, pause)
            pause = min(2 * pause, _LONGEST_PAUSE) if is_cut_off else _PAUSE

    async def _try(self, factory: IProtocolFactory) -> IProtocol:
        caller = Caller(self._credentials, *self._names)
        calling = _Calling(caller, factory, self._clock)
        try:
            await self._endpoint.connect(_Once(calling))
        except (CancelledError, ConnectingCancelledError):
            raise CancelledError from None
        except Exception as error:
            raise LinkFailed(_problem_of(error), str(error)) from error
        return await calling.proven


def _problem_of(error: Exception) -> LinkProblem:
    if isinstance(error, ConnectionRefusedError):
        return LinkProblem.REFUSED
    number = getattr(error, "osError", None)
    if isinstance(error, TimeoutError) or number in _UNANSWERED:
        return LinkProblem.TIMEOUT
    return LinkProblem.FAILED


def _may_pass(problem: LinkProblem, tries: int, passed: float) -> bool:
    """Whether to try again, with so many tries left, and after so many seconds."""
    if problem is LinkProblem.CLOSED:
        return tries > 0
    return problem is LinkProblem.TIMEOUT and 0 <= passed < PATIENCE


class _Once(Factory):
    """Makes a protocol that was made already."""

    noisy = False

    def __init__(self, made: Protocol) -> None:
        self._made = made

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._made


class _Calling(Unproven):
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
