"""A session and a stream protocol that record what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.errors import CloseReason

__all__ = ["HalfCloseable", "RecordingSession", "RecordingStream"]


class RecordingSession:
    """What a stream asks of its session.

    Attributes:
        sent: The messages.
        events: The calls beside `send`.
        on_send: Called once a message was sent.
    """

    remote_address = "192.0.2.1"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.events: list[Any] = []
        self.on_send: Callable[[], object] | None = None

    def send(self, message: bytes) -> bool:
        self.sent.append(message)
        if self.on_send is not None:
            self.on_send()
        return True

    def close(self, discard: bool = False) -> Deferred[CloseReason]:
        self.events.append("discard" if discard else "close")
        return succeed(CloseReason.FORCED_CLOSE)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.events.append(("register", producer, streaming))

    def unregisterProducer(self) -> None:
        self.events.append("unregister")


class RecordingStream(Protocol):
    """A stream protocol.

    Attributes:
        received: All bytes so far.
        lost: Why the connection was lost.
    """

    received = b""
    lost: Failure | None = None

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += data

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


@implementer(IHalfCloseableProtocol)
class HalfCloseable(RecordingStream):
    """One that wants to know of half-closed connections."""

    ended = False

    def readConnectionLost(self) -> None:
        self.ended = True

    def writeConnectionLost(self) -> None:
        """Nobody tells: what was written is on its way."""
