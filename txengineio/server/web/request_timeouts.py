"""Requests that have to arrive in time, however slowly their bytes trickle in.

Twisted's time-out starts anew with each byte, so that one byte a minute keeps a
connection for hours. Here the head of a request as a whole has a deadline, and so has
its body, by its size. Between two requests, Twisted's time-out stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.server.web.strict_channel import StrictChannel

__all__ = ["HEAD_TIMEOUT", "MIN_BODY_RATE", "TimedChannel"]

HEAD_TIMEOUT: Final = 20.0
"""Seconds from the first byte of a request to the end of its headers."""

BODY_TIMEOUT: Final = 30.0
"""Seconds that any body may take."""

MIN_BODY_RATE: Final = 1000.0
"""Bytes of a body for which there is another second."""


class TimedChannel(StrictChannel):
    """A connection on which requests have to arrive in time."""

    _deadline: IDelayedCall | None = None
    _time = HEAD_TIMEOUT
    _is_complete = False
    _refuse_body: Callable[[float], bool] | None = None

    _late_log = Logger()

    @override
    def dataReceived(self, data: bytes) -> None:
        """Receive a piece of a request; if it is not the last, wait, but not long."""
        self._is_complete = False
        super().dataReceived(data)
        # Only now: a request that has come in one piece needs no deadline.
        waits = not self._is_complete and not self.is_handling
        if waits and self._deadline is None and self.is_there():
            self._deadline = self.callLater(self._time, self._too_late)

    @override
    def allHeadersReceived(self) -> None:
        """Give the body its own time; the headers are complete."""
        self._met()
        # A chunked body does not say how long it is.
        self._time = BODY_TIMEOUT + (self.length or 0) / MIN_BODY_RATE
        super().allHeadersReceived()

    @override
    def allContentReceived(self) -> None:
        """Stop waiting; the request is complete."""
        self._met()
        self._is_complete = True
        self._time = HEAD_TIMEOUT
        super().allContentReceived()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop waiting; the connection is gone."""
        self._met()
        super().connectionLost(reason)

    def _met(self) -> None:
        self._refuse_body = None
        if self._deadline is not None:
            deadline, self._deadline = self._deadline, None
            deadline.cancel()

    def _too_late(self) -> None:
        self._deadline = None
        refuse, self._refuse_body = self._refuse_body, None
        if refuse is not None and refuse(self._time):
            self.loseConnection()
            return
        self._late_log.info(
            "a request has not arrived within {seconds} s; its connection is dropped",
            seconds=self._time,
        )
        transport: Any = self.transport
        transport.abortConnection()

    def limit_body_time(self, limit: float, refuse: Callable[[float], bool]) -> None:
        """Let the body that comes now take no longer than so many seconds.

        Args:
            limit: Seconds.
            refuse: Called with the seconds that it had, if they were not enough.
                Answers its request, and returns whether that was done.
        """
        self._time = min(self._time, limit)
        self._refuse_body = refuse
