"""Publishing into a WAMP realm that is not always there, in order and within bounds.

An event is kept until the router has acknowledged it. A connection to the router that
breaks leaves the fate of what was under way unknown: it is published again when the
router is back, so that subscribers may see it twice, but never in a different order.
What is under way when that happens a second time is given up: the router may hang up
because of it, if it is too large.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import PublishOptions
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["OVERHEAD", "WINDOW", "Publications"]

WINDOW: Final = 64
"""Publications that may wait for their acknowledgement at the same time."""

OVERHEAD: Final = 200
"""Bytes that a publication counts for, beside its message."""

_MAX_ATTEMPTS: Final = 2

_GOODBYES: Final = frozenset(
    {
        ApplicationError.CLOSE_REALM,
        ApplicationError.GOODBYE_AND_OUT,
        ApplicationError.SYSTEM_SHUTDOWN,
    }
)


@dataclass(slots=True, eq=False)
class _Publication:
    """An event on its way.

    Attributes:
        topic: Where it is published.
        arguments: Its positional arguments.
        size: The bytes that it counts for.
        attempts: How often the connection broke while it was under way.
    """

    topic: str
    arguments: tuple[object, ...]
    size: int
    attempts: int = 0


class Publications:
    """A bounded queue in front of a WAMP session that comes and goes.

    Args:
        limit: Bytes that may wait, at most.

    Attributes:
        size: Bytes that wait, those under way included.
    """

    _log = Logger()

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._session: Any = None
        self._waiting: deque[_Publication] = deque()
        # In the order in which they were sent, which is the one to keep.
        self._under_way: dict[_Publication, None] = {}
        self._options = PublishOptions(acknowledge=True)
        self._is_sending = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def publish(self, topic: str, *arguments: object, urgent: bool = False) -> bool:
        """Publish an event, now or as soon as the router can be reached.

        Args:
            topic: Where to.
            arguments: The event's arguments.
            urgent: Whether it is kept even above the limit.

        Returns:
            False if there is no room for it.
        """
        content = sum(len(each) for each in arguments if isinstance(each, str | bytes))
        publication = _Publication(topic, arguments, content + OVERHEAD)
        if self.size + publication.size > self._limit and not urgent:
            return False
        self.size += publication.size
        self._waiting.append(publication)
        self._send()
        return True

    def resume(self, session: Any) -> None:
        """Publish by this session, which has joined its realm."""
        self._session = session
        self._send()

    def pause(self) -> None:
        """Keep everything until `resume`: the session has left its realm."""
        self._session = None
        unsettled, self._under_way = self._under_way, {}
        again = []
        for publication in unsettled:
            publication.attempts += 1
            if publication.attempts < _MAX_ATTEMPTS:
                again.append(publication)
                continue
            self.size -= publication.size
            self._log.error(
                "gave up an event of {size} bytes for {topic}: the connection to the "
                "router broke each time that it was published. If the router's limit "
                "is below that, lower max_http_buffer_size",
                size=publication.size - OVERHEAD,
                topic=publication.topic,
            )
        self._waiting.extendleft(reversed(again))

    def _send(self) -> None:
        if self._is_sending:
            # A publication that is settled at once leaves the next one to the loop.
            return
        self._is_sending = True
        while self._session is not None and self._waiting:
            # One that may have broken the connection goes alone, to spare the others.
            window = 1 if self._waiting[0].attempts else WINDOW
            if len(self._under_way) >= window:
                break
            publication = self._waiting.popleft()
            self._under_way[publication] = None
            self._send_one(publication)
        self._is_sending = False

    def _send_one(self, publication: _Publication) -> None:
        try:
            sent: Deferred[object] = self._session.publish(
                publication.topic, *publication.arguments, options=self._options
            )
        except Exception:
            self._failed(Failure(), publication)
        else:
            sent.addCallbacks(
                self._acknowledged,
                self._failed,
                callbackArgs=(publication,),
                errbackArgs=(publication,),
            )
            sent.addErrback(self._log_bug)

    def _acknowledged(self, _answer: object, publication: _Publication) -> None:
        self._forget(publication)
        self._send()

    def _failed(self, failure: Failure, publication: _Publication) -> None:
        if publication not in self._under_way:
            # It waits for the next session.
            return
        if _has_left(failure.value):
            self.pause()
            return
        self._log.error(
            "an event for {topic} could not be published: {error}",
            topic=publication.topic,
            error=failure.value,
        )
        self._forget(publication)
        self._send()

    def _forget(self, publication: _Publication) -> None:
        if publication in self._under_way:
            del self._under_way[publication]
            self.size -= publication.size

    def _log_bug(self, failure: Failure) -> None:
        self._log.failure("cannot go on publishing", failure=failure)


def _has_left(error: object) -> bool:
    """Whether the session is over, rather than this publication refused."""
    if isinstance(error, ApplicationError):
        return error.error.startswith("wamp.close.") or error.error in _GOODBYES
    return isinstance(error, TransportLost)
