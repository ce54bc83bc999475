"""A WAMP session without a router: it does as told and records what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import PublishOptions
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.logger import LogEvent

__all__ = ["RecordingWampSession", "texts"]


def texts(events: Sequence[LogEvent]) -> str:
    """What a log says."""
    return "\n".join(event["log_format"].format(**event) for event in events)


class RecordingWampSession:
    """What an Autobahn ``ApplicationSession`` does for the bridge.

    Attributes:
        acknowledges: Whether the router acknowledges at once.
        refused: What the router refuses, by the URI of topic or procedure.
        published: What was published, as (topic, *arguments).
        unsettled: The publications that the router has not acknowledged.
        procedures: What was registered, by URI.
    """

    def __init__(
        self,
        *,
        acknowledges: bool = True,
        refused: dict[str, Exception] | None = None,
    ) -> None:
        self.acknowledges = acknowledges
        self.refused = refused or {}
        self.published: list[tuple[object, ...]] = []
        self.unsettled: list[Deferred[object]] = []
        self.procedures: dict[str, Callable[..., Any]] = {}
        self._handlers: list[tuple[str, Callable[..., Any]]] = []
        self._is_connected = True

    def publish(
        self, topic: str, *arguments: object, options: PublishOptions
    ) -> Deferred[object]:
        assert options.acknowledge
        if not self._is_connected:
            raise TransportLost
        self.published.append((topic, *arguments))
        if topic in self.refused:
            return fail(self.refused[topic])
        if self.acknowledges:
            return succeed("a publication")
        self.unsettled.append(Deferred())
        return self.unsettled[-1]

    def register(self, procedure: Callable[..., Any], uri: str) -> Deferred[object]:
        if uri in self.refused:
            return fail(self.refused[uri])
        self.procedures[uri] = procedure
        return succeed("a registration")

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        self._handlers.append((event, handler))

    def acknowledge(self, count: int = 1) -> None:
        """Let the router acknowledge the oldest publications."""
        for _ in range(count):
            self.unsettled.pop(0).callback("a publication")

    def lose_transport(self, reason: str = "wamp.close.transport_lost") -> None:
        """End, in Autobahn's order of things."""
        self._is_connected = False
        unsettled, self.unsettled = self.unsettled, []
        for deferred in unsettled:
            deferred.errback(ApplicationError(reason))
        self._fire("leave", "details")
        self._fire("disconnect", was_clean=False)

    def call(self, uri: str, *arguments: object, **more: object) -> Deferred[Any]:
        """Call a procedure as another component would."""
        return maybeDeferred(self.procedures[uri], *arguments, **more)

    def _fire(self, event: str, *details: object, **more: object) -> None:
        for name, handler in self._handlers:
            if name == event:
                handler(self, *details, **more)
