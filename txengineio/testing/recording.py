"""Protocols that record what happens to them, and a factory of such protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.application import EngineIOProtocol
from txengineio.errors import CloseReason, SessionClosed

__all__ = ["RecordingApplication", "RecordingProtocol"]


class RecordingProtocol(EngineIOProtocol[Any]):
    """One side of a session, which does nothing but record.

    Attributes:
        events: What has happened, in order: ``("made",)``, ``("message", message)``,
            ``("lost", reason)`` with a `CloseReason`.
        lost: What `connectionLost` was called with, each time.
        application: What has built it, if that was a `RecordingApplication`.
    """

    application: RecordingApplication

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.lost: list[Failure] = []

    @property
    def messages(self) -> list[str | bytes]:
        """The messages that were received, in order."""
        return [event[1] for event in self.events if event[0] == "message"]

    @property
    def close_reason(self) -> CloseReason | None:
        """Why the session is over; None while the protocol was not told that it is."""
        return next((event[1] for event in self.events if event[0] == "lost"), None)

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
        assert isinstance(reason.value, SessionClosed)
        self.lost.append(reason)
        self.events.append(("lost", reason.value.reason))
        return self.application.on_lost(self)


def _nothing(*_arguments: object) -> None:
    return None


@implementer(IProtocolFactory)
class RecordingApplication(Factory):
    """An application whose protocols record; a test may say what they do besides.

    Args:
        on_made: Called by ``connectionMade`` with the protocol; what it returns is
            returned.
        on_message: Called by ``messageReceived``, with the protocol and the message.
        on_lost: Called by ``connectionLost``.

    Attributes:
        on_made: As given; like the other two it can be replaced at any time.
        on_message: As given.
        on_lost: As given.
        built: The protocols that it has built, in order.
        addresses: What ``buildProtocol`` was called with, each time.
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
        """The protocol that was built, if it is the only one."""
        (protocol,) = self.built
        return protocol


# For those that something else has built.
RecordingProtocol.application = RecordingApplication()
