"""The heartbeat's rules, one object for each side of it.

Spec: Engine.IO v4, "Heartbeat": the server pings, the client answers with a pong. In
revision 3 it is the other way round. One side sends pings, the other waits for them,
and both find out when the peer is gone.

The objects hold no state: a session's is its `HeartbeatState`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum, unique
from typing import Any, Final

from typing_extensions import override

from txengineio.errors import CloseReason
from txengineio.protocol.packets import PacketType
from txengineio.protocol.states import Role

__all__ = ["Heartbeat", "HeartbeatState", "heartbeat_for"]


@unique
class HeartbeatState(Enum):
    """What a session's heartbeat waits for."""

    QUIET = "quiet"
    """For the time of the next heartbeat."""
    AWAITED = "awaited"
    """For the peer's answer."""
    EXTENDED = "extended"
    """For the peer's answer, with more time since something else was received."""


# An enum's members cost more to look up than all else that is done with them.
_QUIET: Final = HeartbeatState.QUIET
_AWAITED: Final = HeartbeatState.AWAITED


class Heartbeat(ABC):
    """How a session's heartbeat goes."""

    @abstractmethod
    def start(self, session: Any) -> None:
        """Begin; the session has just opened."""

    @abstractmethod
    def due(self, session: Any) -> None:
        """Act: the scheduled time has come."""

    @abstractmethod
    def beat(self, session: Any) -> None:
        """Take the peer's heartbeat packet."""

    @abstractmethod
    def sign_of_life(self, session: Any) -> None:
        """Note that the peer is alive while its answer is `AWAITED`."""

    @abstractmethod
    def rearm(self, session: Any) -> None:
        """Give a running time-out its full length again; the transport has changed."""


class SendsPings(Heartbeat):
    """Ping, and wait for the pong: a server of revision 4, a client of revision 3."""

    @override
    def start(self, session: Any) -> None:
        session.heartbeat_state = _QUIET
        session.engine.timers.schedule(session, session.ping_interval)

    @override
    def due(self, session: Any) -> None:
        if session.heartbeat_state is _QUIET:
            self._await_pong(session, _AWAITED)
            if session.traffic is not None:
                session.traffic.ping_sent(session.engine.clock.seconds())
            session.send_control(PacketType.PING)
        elif session.reading_paused:
            # The answer may be there: this side is not reading.
            self._await_pong(session, _AWAITED)
        else:
            session.end(CloseReason.PING_TIMEOUT)

    @override
    def beat(self, session: Any) -> None:
        self.start(session)
        if session.traffic is not None:
            session.heartbeat_returned(session.engine.clock.seconds())

    @override
    def sign_of_life(self, session: Any) -> None:
        # Once for each ping: a peer that sends but never answers is still noticed.
        self._await_pong(session, HeartbeatState.EXTENDED)

    @override
    def rearm(self, session: Any) -> None:
        if session.heartbeat_state is not _QUIET:
            self._await_pong(session, _AWAITED)

    def _await_pong(self, session: Any, state: HeartbeatState) -> None:
        session.heartbeat_state = state
        session.engine.timers.schedule(session, session.ping_timeout)


class AwaitsPings(Heartbeat):
    """Wait for the ping, and answer it: the other side."""

    @override
    def start(self, session: Any) -> None:
        session.heartbeat_state = _QUIET
        session.engine.timers.schedule(
            session, session.ping_interval + session.ping_timeout
        )

    @override
    def due(self, session: Any) -> None:
        if session.reading_paused:
            self.start(session)
        else:
            session.end(CloseReason.PING_TIMEOUT)

    @override
    def beat(self, session: Any) -> None:
        self.start(session)
        # Without the ping's data: the reference implementation answers so.
        session.send_control(PacketType.PONG)

    @override
    def sign_of_life(self, session: Any) -> None:
        """Do nothing: on this side, only a ping is a sign of life."""

    @override
    def rearm(self, session: Any) -> None:
        self.start(session)


_SENDS_PINGS = SendsPings()
_AWAITS_PINGS = AwaitsPings()
_HEARTBEATS: Mapping[tuple[Role, int], Heartbeat] = {
    (Role.SERVER, 4): _SENDS_PINGS,
    (Role.CLIENT, 4): _AWAITS_PINGS,
    (Role.SERVER, 3): _AWAITS_PINGS,
    (Role.CLIENT, 3): _SENDS_PINGS,
}


def heartbeat_for(role: Role, revision: int) -> Heartbeat:
    """Return the heartbeat's rules for one side of a session of revision 3 or 4."""
    return _HEARTBEATS[role, revision]
