"""Connections that are made again as long as they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure

from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused

__all__ = ["Attempts", "line_of"]

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 1.0
"""Seconds between two attempts, about; they double up to this."""

_DOUBLINGS: Final = 5


class Attempts:
    """The attempts to have one connection.

    Args:
        endpoint: Leads to the server.
        factory: Makes the protocol of each connection.
        clock: Tells when to try again.
        down: Is told why an attempt has failed, or the connection was lost.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        factory: IProtocolFactory,
        clock: IReactorTime,
        down: Callable[[BrokerAway | BrokerRefused], None],
    ) -> None:
        self._endpoint = endpoint
        self._factory = factory
        self._clock = clock
        self._down = down
        self._failures = 0
        # Either an attempt is under way, or one is due, or there is a connection.
        self._attempt: Deferred[Any] | None = None
        self._retry: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._retry = None
        self._attempt = self._endpoint.connect(self._factory)
        self._attempt.addCallbacks(self._connected, self._not_connected)

    def stop(self, disconnect: Callable[[], object] | None) -> Deferred[None]:
        """Do not connect any more.

        Args:
            disconnect: Ends the connection; None if there is none.

        Returns:
            Fires when there is no connection.
        """
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if disconnect is not None:
            disconnect()
        elif self._attempt is not None:
            self._attempt.cancel()
        else:
            stopped.callback(None)
        return stopped

    def succeeded(self) -> None:
        """Note that the connection can be used; the next attempt will be soon."""
        self._failures = 0

    def lost(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that there is no connection any more, and why."""
        if self._stopped is not None:
            self._stopped.callback(None)
            return
        doublings = min(self._failures, _DOUBLINGS)
        delay = min(_FIRST_DELAY * 2**doublings, _LONGEST_DELAY)
        self._failures += 1
        self._retry = self._clock.callLater(delay * uniform(0.75, 1.25), self.start)
        self._down(problem)

    def _connected(self, _protocol: object) -> None:
        self._attempt = None

    def _not_connected(self, failure: Failure) -> None:
        self._attempt = None
        problem = failure.value
        if not isinstance(problem, BrokerAway | BrokerRefused):
            problem = BrokerAway(line_of(failure))
        self.lost(problem)


def line_of(failure: Failure) -> str:
    """Return what is wrong, in one line."""
    said = " ".join(failure.getErrorMessage().split()).rstrip(".")
    return said or type(failure.value).__name__
