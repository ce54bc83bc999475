"""What an application is: one protocol for each session, built by a Twisted factory."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

__all__ = ["EngineIOProtocol"]


class EngineIOProtocol(Protocol):
    """The application's side of one session; subclass it.

    A factory (anything that provides ``IProtocolFactory``, most simply
    ``Factory.forProtocol(YourProtocol)``) builds one for each session. The same class
    works on a server and on a client.

    Attributes:
        session: The session; set before `connectionMade` is called.
    """

    session: Any

    @override
    def makeConnection(self, session: Any) -> Any:
        """Take the open session and call `connectionMade`; the framework calls this."""
        self.connected = 1
        self.session = session
        return self.connectionMade()

    @override
    def connectionMade(self) -> Any:
        """Handle the session's opening.

        Like the other callbacks, it may return a Deferred or be a coroutine function; a
        failure is logged.
        """

    def messageReceived(self, message: str | bytes) -> Any:
        """Handle a message: ``str`` is text, ``bytes`` is binary.

        Messages come in the order in which the peer sent them. When this returns a
        Deferred or is a coroutine function, the next message of the session waits until
        it is done.
        """

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> Any:
        """Handle the session's end; called exactly once, after the last message.

        Args:
            reason: Wraps a `SessionClosed`, whose ``reason`` is a `CloseReason`.
        """
