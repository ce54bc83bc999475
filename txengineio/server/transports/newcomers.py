"""Clients that open a session and do not come back.

A client polls again at once. One that does not, be it a scanner, a flood or a browser
that was closed, is not worth waiting a whole heartbeat for.
"""

from __future__ import annotations

from txengineio.errors import CloseReason
from txengineio.protocol.states import ReadyState
from txengineio.server.session import Session
from txengineio.session.timers import Schedule

__all__ = ["Newcomer"]


class Newcomer:
    """Gives up a session whose client does not come back in time after the handshake.

    Args:
        session: The session.
        schedule: When that is due.
        timeout: Seconds that the client has.

    Attributes:
        due_bucket: Kept by the schedule.
    """

    __slots__ = ("_schedule", "_session", "due_bucket")

    def __init__(self, session: Session, schedule: Schedule, timeout: float) -> None:
        self._session = session
        self._schedule = schedule
        self.due_bucket: int | None = None
        schedule.schedule(self, timeout)

    def forget(self) -> None:
        """Stop waiting: the client is back, or the session over."""
        self._schedule.cancel(self)

    def due(self) -> None:
        """Give up; the schedule calls this."""
        # One that is closing has a time-out of its own.
        if self._session.ready_state is ReadyState.OPEN:
            self._session.end(CloseReason.PING_TIMEOUT)
