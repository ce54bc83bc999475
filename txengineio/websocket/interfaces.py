"""The interfaces of a WebSocket: the receivers of its input, and its owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import Attribute, Interface

from txengineio.websocket.limits import Excess

__all__ = [
    "IClientWebSocketOwner",
    "IFrameReceiver",
    "IMessageReceiver",
    "IWebSocketOwner",
]


class IMessageReceiver(Interface):
    """Receives the messages that a `FrameReader` reads."""

    def text_received(text: str) -> None:
        """Take a message that is text."""

    def binary_received(data: bytes) -> None:
        """Take a message that is binary."""


class IFrameReceiver(Interface):
    """Receives everything else that a `FrameReader` reads."""

    def ping_received(payload: bytes) -> None:
        """Take a ping."""

    def close_received(code: int | None) -> None:
        """Take a close frame that gives no reason in words."""

    def frame_received(frame: bytes) -> None:
        """Take a frame that needs a parser which understands everything.

        Args:
            frame: The whole frame, as it came.
        """

    def violation_received(head: bytes) -> None:
        """Take the head of a frame that breaks a rule; end the reading."""

    def limit_exceeded(excess: Excess, limit: int) -> None:
        """End the reading: the peer has sent too much of something."""


class IWebSocketOwner(IMessageReceiver):
    """The owner of a WebSocket, which receives and reads its input."""

    writable: bool = Attribute("Whether more can be sent now.")

    def data_received(data: bytes) -> None:
        """Let the WebSocket read what has come, now."""

    def read_on(read: Callable[[], None]) -> None:
        """Call a function that reads what has come before, now."""

    def before_close() -> None:
        """Send what has to go out before the close frame."""

    def websocket_closed(is_clean: bool) -> None:
        """Handle the end of the WebSocket: the peer has closed it, or is gone.

        It may be told so twice.

        Args:
            is_clean: Whether both sides have sent a close frame.
        """

    def websocket_failed(code: int, reason: str) -> None:
        """Handle the peer's breach of a rule, and the close code that it was told."""

    def limit_exceeded(excess: Excess, limit: int) -> None:
        """Handle excess: the peer has sent too much of something, and was told so."""


class IClientWebSocketOwner(IWebSocketOwner):
    """The owner of a client's WebSocket."""

    def opening_continued(size: int) -> None:
        """Count the bytes of the answer to the opening request that have come."""

    def opening_failed(error: Exception) -> None:
        """Handle input that is no answer to the opening request."""

    def opening_refused(reason: str, answer: bytes) -> None:
        """Note that there will be no WebSocket; the next bytes are data.

        Args:
            reason: Why, in words for developers.
            answer: What has come of the answer.
        """

    def websocket_opened() -> None:
        """Handle the server's opening of the WebSocket."""

    def connection_lost(reason: Any) -> None:
        """Handle the loss of the connection; the reason is Twisted's."""
