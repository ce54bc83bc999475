"""Doubles of the seams between the modules: they do as told and record what happens."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from zope.interface import implementer

from txengineio.errors import (
    BufferOverflow,
    CloseReason,
    SessionClosed,
    TransportError,
)
from txengineio.protocol.states import ReadyState
from txengineio.server.options.engine import EngineOptions
from txengineio.server.statistics import Statistics
from txengineio.session.backlog import Buffers
from txengineio.session.events import EventEmitter
from txengineio.session.interfaces import IUpgradeAttempt
from txengineio.session.send_queue import SendQueue
from txengineio.session.timers import TimerWheel
from txengineio.session.traffic import Traffic
from txengineio.testing import (
    RecordingApplication,
    RecordingProtocol,
    RecordingTransport,
)

__all__ = [
    "RecordingAttempt",
    "RecordingEngine",
    "RecordingSender",
    "echo",
    "ended_by",
    "ended_with",
    "has_fired",
]


def has_fired(deferred: Deferred[Any]) -> bool:
    """Return whether a Deferred has fired."""
    return bool(deferred.called)


def ended_with(protocol: RecordingProtocol) -> CloseReason:
    """Return why a protocol's session ended; it must have been told once, last."""
    kinds = [event[0] for event in protocol.events]
    assert kinds.count("lost") == 1, protocol.events
    assert kinds[-1] == "lost", protocol.events
    reason = protocol.events[-1][1]
    assert isinstance(reason, CloseReason)
    return reason


def ended_by(protocol: RecordingProtocol) -> str:
    """Return the text of the error of a transport that ended a protocol's session."""
    (failure,) = protocol.lost
    description = getattr(failure.value, "description", None)
    assert isinstance(description, TransportError)
    return description.message


def echo(protocol: RecordingProtocol, message: str | bytes) -> None:
    """Send a message back: what a `RecordingApplication` may do with each."""
    protocol.session.send(message)


@implementer(IUpgradeAttempt)
class RecordingAttempt:
    """An attempt to upgrade; it is only ever told that its session has ended."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def session_ended(self) -> None:
        self.calls.append("session_ended")

    def message_received(self, message: str | bytes) -> None:
        raise AssertionError

    def packet_received(self, packet_type: object, data: object) -> None:
        raise AssertionError

    def decode_failed(self, problem: Exception) -> None:
        raise AssertionError

    def transport_closed(self) -> None:
        raise AssertionError

    def transport_failed(self, error: Exception) -> None:
        raise AssertionError


class RecordingEngine(EventEmitter):
    """An engine without a network: sessions are put into it by hand."""

    EVENTS = FREQUENT = frozenset({"flush", "drain"})

    is_open = True
    cluster = None

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = EngineOptions.from_mapping(options)
        self.application: IProtocolFactory = RecordingApplication()
        self.clock = Clock()
        self.timers = TimerWheel(self.clock, 0.5, "a heartbeat")
        self.buffers = Buffers(
            self.options.max_buffered_bytes, self.options.max_total_buffered_bytes
        )
        self.sessions: dict[str, Any] = {}
        self.ended: list[tuple[str, CloseReason]] = []
        self.statistics: Statistics | None = None

    def broadcast(
        self, message: Any, *, compress: bool = True, local: bool = False
    ) -> int:
        raise AssertionError

    def send(self, sid: str, message: Any, *, compress: bool = True) -> Any:
        raise AssertionError

    def close_session(self, sid: str, *, discard: bool = False) -> Any:
        raise AssertionError

    def session_ended(self, session: Any, reason: CloseReason) -> None:
        self.ended.append((session.id, reason))

    def close(self) -> Deferred[None]:
        return succeed(None)


class RecordingSender(EventEmitter):
    """What a send queue works for; it is told, and does nothing of its own."""

    EVENTS = FREQUENT = frozenset({"flush", "drain"})

    def __init__(
        self, transport: RecordingTransport | None = None, **options: Any
    ) -> None:
        super().__init__()
        self.engine = RecordingEngine(**options)
        self.transport = transport or RecordingTransport()
        self.ready_state = ReadyState.OPEN
        self.traffic: Traffic | None = None
        self.overflows: list[BufferOverflow] = []
        self.drained = 0
        self.queue = SendQueue(self)

    @property
    def writable(self) -> bool:
        return self.ready_state is ReadyState.OPEN and self.queue.has_room

    def overflowed(self, problem: BufferOverflow) -> None:
        self.overflows.append(problem)
        self.end()

    def drained_for_close(self) -> None:
        self.drained += 1

    def end(self) -> SessionClosed:
        """End, as a session does."""
        self.ready_state = ReadyState.CLOSED
        closed = SessionClosed(CloseReason.FORCED_CLOSE)
        self.queue.end(closed)
        return closed
