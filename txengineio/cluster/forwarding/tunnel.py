"""Two connections that are joined: what comes on one of them goes out by the other.

Each of them is the other's producer, so that neither is read faster than the other one
takes it. The end of one is the end of the other.
"""

from __future__ import annotations

import typing
from typing import Any, Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.server.cluster import LinkBytes

__all__ = ["ILink", "TunnelEnd", "join", "pipe"]

_CLOSE_TIMEOUT: Final = 5.0
"""Seconds that what is still to be written to one side may take, after the end of the
other."""


class ILink(typing.Protocol):
    """A connection that another protocol can have."""

    transport: Any

    @property
    def rest(self) -> bytes:
        """What has come for that protocol already."""

    def become(self, protocol: IProtocol) -> None:
        """Leave the connection to it."""


class TunnelEnd(Protocol):
    """One of two connections that are joined.

    Args:
        clock: Where time comes from.
        carried: Where the bytes are counted that leave and come by this connection.
    """

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any
    _other: TunnelEnd | None = None
    _writes_directly = False
    _giving_up: IDelayedCall | None = None
    _is_lost = False

    def __init__(self, clock: IReactorTime, carried: LinkBytes | None = None) -> None:
        self._clock = clock
        self._carried = LinkBytes() if carried is None else carried

    @override
    def connectionMade(self) -> None:
        self._writes_directly = can_write_directly(self.transport)

    def connect(self, other: TunnelEnd) -> None:
        """Write what comes here to another connection, no faster than it takes it."""
        self._other = other
        other.transport.registerProducer(self.transport, True)

    def write(self, data: bytes) -> None:
        """Write to this connection."""
        self._carried.bytes_out += len(data)
        if self._writes_directly:
            write_directly(self.transport, data)
        else:
            self.transport.write(data)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._carried.bytes_in += len(data)
        if self._other is not None:
            self._other.write(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_lost = True
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        other, self._other = self._other, None
        if other is not None:
            other.close()

    def close(self) -> None:
        """Close the connection, once it has taken what was written to it."""
        self._other = None
        if not self._is_lost and self._giving_up is None:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._giving_up = self._clock.callLater(_CLOSE_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        self.transport.abortConnection()


class _Piped(TunnelEnd):
    """One that is counted while it is there."""

    def __init__(self, clock: IReactorTime, pipes: set[TunnelEnd]) -> None:
        super().__init__(clock)
        self._pipes = pipes

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self._pipes.add(self)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._pipes.discard(self)
        super().connectionLost(reason)


def pipe(
    link: ILink,
    endpoint: IStreamClientEndpoint,
    clock: IReactorTime,
    pipes: set[TunnelEnd],
) -> None:
    """Connect to an endpoint, and join a connection with that one.

    Args:
        link: The connection.
        endpoint: Connects at once, or not at all.
        clock: Where time comes from.
        pipes: Has something as long as both are joined.
    """
    near, far = _Piped(clock, pipes), TunnelEnd(clock)

    def connected(_end: object) -> None:
        link.become(near)
        join(near, far)
        far.write(link.rest)

    connecting = endpoint.connect(Factory.forProtocol(lambda: far))
    connecting.addCallback(connected)
    connecting.addErrback(lambda _: link.transport.abortConnection())


def join(one: TunnelEnd, two: TunnelEnd) -> None:
    """Join two connections, both of which are made."""
    one.connect(two)
    two.connect(one)
