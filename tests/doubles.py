"""Doubles of the seams between the modules: they do as told and record what happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.application import EngineIOProtocol
from txengineio.errors import CloseReason, SessionClosed
from txengineio.protocol.packets import Packet
from txengineio.server.options.engine import EngineOptions
from txengineio.server.statistics import Statistics
from txengineio.session.backlog import Buffers
from txengineio.session.events import EventEmitter
from txengineio.session.interfaces import (
    IPacketTransport,
    IUpgradeAttempt,
    OutgoingPacket,
)
from txengineio.session.timers import TimerWheel

__all__ = [
    "RecordingApplication",
    "RecordingAttempt",
    "RecordingEngine",
    "RecordingProtocol",
    "RecordingTransport",
    "ended_with",
    "has_fired",
]


class RecordingProtocol(EngineIOProtocol[Any]):
    """One session's application: what happens to it is in ``events``, in order."""

    application: RecordingApplication

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.lost: list[Failure] = []

    @property
    def messages(self) -> list[str | bytes]:
        return [event[1] for event in self.events if event[0] == "message"]

    @override
    def connectionMade(self) -> Any:
        self.events.append(("made",))
        return self.application.on_made(self)

    @override
    def messageReceived(self, message: str | bytes) -> Any:
        self.events.append(("message", message))
        return self.application.on_message(self, message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> Any:
        self.lost.append(reason)
        assert isinstance(reason.value, SessionClosed)
        self.events.append(("lost", reason.value.reason))
        return self.application.on_lost(self)


def _nothing(*_arguments: object) -> None:
    return None


@implementer(IProtocolFactory)
class RecordingApplication(Factory):
    """An application; its three functions can be replaced by a test.

    Attributes:
        built: The protocols that it has built.
        refuse: Whether it builds none.
    """

    noisy = False

    def __init__(
        self,
        *,
        on_made: Callable[[RecordingProtocol], Any] = _nothing,
        on_message: Callable[[RecordingProtocol, str | bytes], Any] = _nothing,
        on_lost: Callable[[RecordingProtocol], Any] = _nothing,
    ) -> None:
        self.on_made = on_made
        self.on_message = on_message
        self.on_lost = on_lost
        self.built: list[RecordingProtocol] = []
        self.addresses: list[IAddress | None] = []
        self.refuse = False

    @override
    def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol | None:
        self.addresses.append(addr)
        if self.refuse:
            return None
        protocol = RecordingProtocol()
        protocol.factory = self
        protocol.application = self
        self.built.append(protocol)
        return protocol

    @property
    def only(self) -> RecordingProtocol:
        (protocol,) = self.built
        return protocol


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


@implementer(IPacketTransport)
class RecordingTransport:
    """A transport that only writes down what it is asked."""

    def __init__(
        self,
        name: str = "websocket",
        *,
        writable: bool = True,
        flushes_at_once: bool = True,
        closes_at_once: bool = True,
    ) -> None:
        self.name = name
        self.writable = writable
        self.supports_binary = True
        self.flushes_at_once = flushes_at_once
        self.closes_at_once = closes_at_once
        self.calls: list[str] = []
        self.batches: list[list[Packet]] = []

    @property
    def sent(self) -> list[Packet]:
        return [packet for batch in self.batches for packet in batch]

    def send_frame(self, frame: bytes) -> bool:
        return False

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        assert self.writable
        self.batches.append([packet[:2] for packet in packets])
        return self.flushes_at_once

    def close(self) -> bool:
        self.calls.append("close")
        return self.closes_at_once

    def session_ended(self) -> None:
        self.calls.append("session_ended")

    def replaced(self) -> None:
        self.calls.append("replaced")

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")


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
