"""A double of all that a `FrameReader` tells things to."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from txengineio.websocket.interfaces import IFrameReceiver, IMessageReceiver
from txengineio.websocket.limits import Excess, FrameLimits
from txengineio.websocket.reader import End, FrameReader

__all__ = ["Peer"]


@implementer(IMessageReceiver, IFrameReceiver)
class Peer:
    """Records what a reader reads; ends the reading as a connection does.

    Attributes:
        events: Everything, as (what, content).
        reader: The reader.
    """

    def __init__(
        self,
        *,
        is_masked: bool = True,
        short_path: bool = True,
        enough: int | None = None,
        **limits: Any,
    ) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, Any]] = []
        self._enough = enough
        self.reader = FrameReader(
            self,
            self,
            FrameLimits(
                **{"max_size": 100_000, "seconds": self.clock.seconds, **limits}
            ),
            is_masked=is_masked,
            short_path=short_path,
        )

    @property
    def messages(self) -> list[str | bytes]:
        """The messages; nothing else may have come."""
        assert {what for what, _ in self.events} <= {"text", "binary"}, self.events
        return [content for _, content in self.events]

    def receive(self, data: bytes) -> None:
        """Let the reader read all of what is received."""
        done = self.reader.receive(data)
        while not done:
            done = self.reader.go_on()

    def take(self) -> list[tuple[str, Any]]:
        events, self.events = self.events, []
        return events

    def _add(self, what: str, content: object, end: End | None = None) -> None:
        self.events.append((what, content))
        if len(self.events) == self._enough:
            end = End.CLOSED
        if end is not None:
            self.reader.ended = end

    def text_received(self, text: str) -> None:
        assert isinstance(text, str)
        self._add("text", text)

    def binary_received(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        self._add("binary", data)

    def ping_received(self, payload: bytes) -> None:
        self._add("ping", payload)

    def close_received(self, code: int | None) -> None:
        self._add("close", code, End.CLOSED)

    def frame_received(self, frame: bytes) -> None:
        self._add("frame", frame)

    def violation_received(self, head: bytes) -> None:
        self._add("violation", head, End.FAILED)

    def limit_exceeded(self, excess: Excess, limit: int) -> None:
        self._add("limit", (excess, limit), End.FAILED)
