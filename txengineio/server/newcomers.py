"""Sessions whose clients have not come back since the handshake.

A client polls again at once. One that does not, be it a scanner, a flood or a browser
that was closed, is not worth a heartbeat's wait.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from txengineio.errors import CloseReason
from txengineio.heartbeat import DueTimes, resolution_for
from txengineio.protocol.states import ReadyState
from txengineio.reactor import steady_seconds
from txengineio.server.session import Session

__all__ = ["Newcomer", "Newcomers"]


class Newcomer:
    """A session that is expected back."""

    __slots__ = ("_due_times", "_session", "due_bucket")

    def __init__(self, session: Session, due_times: DueTimes) -> None:
        self.due_bucket: int | None = None
        self._session = session
        self._due_times = due_times

    def due(self) -> None:
        """Give up; `DueTimes` calls this."""
        # One that is closing has a time-out of its own.
        if self._session.ready_state is ReadyState.OPEN:
            self._session.end(CloseReason.PING_TIMEOUT)

    def came_back(self) -> None:
        """Expect it no more."""
        self._due_times.cancel(self)


class Newcomers:
    """Expects the sessions of an engine back.

    Args:
        clock: Where time comes from.
        timeout: Seconds that they have.
    """

    def __init__(self, clock: IReactorTime, timeout: float) -> None:
        self._timeout = timeout
        self._due_times = DueTimes(
            clock, resolution_for(timeout), steady_seconds(clock)
        )

    def expect(self, session: Session) -> Newcomer:
        """Expect a session back from now on."""
        newcomer = Newcomer(session, self._due_times)
        self._due_times.schedule(newcomer, self._timeout)
        return newcomer
