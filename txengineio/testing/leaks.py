"""Which sessions were not closed, of all that were opened while somebody watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import finalize

from twisted.internet.interfaces import IReactorTime

from txengineio.application import AnySession
from txengineio.observing.observers import observe_sessions
from txengineio.session.base import BaseSession
from txengineio.testing.packet_transport import RecordingTransport

__all__ = ["LeakedSessions", "SessionWatch"]

_ADVICE = (
    "Close clients first (session.close(), or stopService() of an "
    "EngineIOClientService), then the engine (engine.close()), then its port."
)


class LeakedSessions(AssertionError):
    """Sessions were not closed; the message tells which.

    Args:
        sessions: Which.

    Attributes:
        sessions: As given.
    """

    def __init__(self, sessions: Sequence[AnySession]) -> None:
        self.sessions = tuple(sessions)
        count = len(self.sessions)
        what = "1 session was" if count == 1 else f"{count} sessions were"
        lines = [f"  {_described(each)}" for each in self.sessions]
        super().__init__("\n".join([f"{what} not closed:", *lines, _ADVICE]))


class SessionWatch:
    """Knows each session of this process that is opened while it watches.

    It watches sessions of servers and of clients, in memory and over sockets; but none
    that only record, since these have nothing to be closed.

    Args:
        clock: Whose sessions alone it watches; all if it is None.
    """

    def __init__(self, clock: IReactorTime | None = None) -> None:
        self._clock = clock
        self._sessions: list[AnySession] = []
        self._stop: Callable[[], None] | None = None

    @property
    def open(self) -> list[AnySession]:
        """Those that were opened and are not over yet, in order."""
        return [each for each in self._sessions if each.closed is None]

    def start(self) -> None:
        """Begin to watch."""
        if self._stop is None:
            # A watch that somebody has forgotten to stop keeps nothing alive.
            self._stop = finalize(
                self, observe_sessions(_Observer(self._sessions, self._clock))
            )

    def stop(self) -> None:
        """Watch for no more sessions; those that it knows it keeps."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def check(self) -> None:
        """Check that every session is over.

        Raises:
            LeakedSessions: Some are not.
        """
        if self.open:
            raise LeakedSessions(self.open)


class _Observer:
    def __init__(self, sessions: list[AnySession], clock: IReactorTime | None) -> None:
        self._sessions = sessions
        self._clock = clock

    def __call__(self, session: AnySession) -> None:
        assert isinstance(session, BaseSession)
        is_real = not isinstance(session.transport, RecordingTransport)
        if is_real and self._clock in (None, session.engine.clock):
            self._sessions.append(session)


def _described(session: AnySession) -> str:
    """Return what tells a session from others, but for most of its id."""
    side = session.role.value if isinstance(session, BaseSession) else "unknown"
    protocol = session.protocol
    words = [
        f"{side} session {session.short_id}…",
        "without a protocol" if protocol is None else f"of {type(protocol).__name__}",
        f"on {session.transport.name}",
        session.ready_state.value,
    ]
    if session.remote_address is not None:
        words.append(f"with {session.remote_address}")
    if session.buffered_bytes:
        words.append(f"{session.buffered_bytes} bytes wait")
    return ", ".join(words)
