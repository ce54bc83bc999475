"""The listeners of this node to each channel, and the one that answers on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from txengineio.server.cluster import Answer
from txengineio.session.callbacks import as_deferred, call_guarded

__all__ = ["Channels", "Subscriber"]

Subscriber = Callable[[str, bytes], object]


class Channels:
    """The listeners of one node."""

    _log = Logger()

    def __init__(self) -> None:
        self._subscribers: dict[str, dict[object, Subscriber]] = {}
        self._answers: dict[str, Answer] = {}

    def subscribe(self, channel: str, callback: Subscriber) -> Callable[[], None]:
        """Add a listener; see `Cluster.subscribe`."""
        key = object()
        self._subscribers.setdefault(channel, {})[key] = callback
        return partial(self._unsubscribe, channel, key)

    def answer(self, channel: str, callback: Answer) -> Callable[[], None]:
        """Set the function that answers; see `Cluster.answer`.

        Raises:
            ValueError: There is one already.
        """
        if channel in self._answers:
            raise ValueError(
                f"the channel {channel!r} has a function that answers already"
            )
        self._answers[channel] = callback
        return partial(self._stop_answering, channel, callback)

    def published(self, node: str, channel: str, data: bytes) -> None:
        """Call the listeners."""
        for callback in list(self._subscribers.get(channel, {}).values()):
            call_guarded(callback, node, data)

    def asked(self, node: str, channel: str, data: bytes) -> Deferred[bytes | None]:
        """Return the answer to a question; None if there is none."""
        answer = self._answers.get(channel)
        if answer is None:
            return maybeDeferred(lambda: None)
        answered: Deferred[bytes | None] = maybeDeferred(_call, answer, node, data)
        return answered.addErrback(self._failed, channel)

    def _unsubscribe(self, channel: str, key: object) -> None:
        subscribers = self._subscribers.get(channel, {})
        subscribers.pop(key, None)
        if not subscribers:
            self._subscribers.pop(channel, None)

    def _stop_answering(self, channel: str, callback: Answer) -> None:
        if self._answers.get(channel) is callback:
            del self._answers[channel]

    def _failed(self, failure: Failure, channel: str) -> None:
        self._log.failure(
            "a question on the channel {channel} cannot be answered",
            failure=failure,
            channel=channel,
        )


def _call(answer: Answer, node: str, data: bytes) -> Any:
    result = answer(node, data)
    return as_deferred(result) or result
