"""Named events: handlers that an application adds to the engine and to its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from txengineio.callbacks import call_guarded
from txengineio.errors import LocalProtocolError

__all__ = ["EventEmitter"]

Handler = Callable[..., Any]


class EventEmitter:
    """Something that tells handlers what happens to it.

    Handlers run in the order in which they were added. They may return a Deferred or be
    coroutine functions; an exception in one is logged and stops neither the others nor
    the emitter.
    """

    __slots__ = ("handlers",)

    EVENTS: ClassVar[frozenset[str]] = frozenset()
    """The names of the events that there are."""

    def __init__(self) -> None:
        # None while nobody listens: an event then costs its emitter one test.
        self.handlers: dict[str, list[Handler]] | None = None

    def on(self, event: str, handler: Handler) -> Handler:
        """Call ``handler`` each time that ``event`` happens.

        Args:
            event: One of `EVENTS`.
            handler: Called with the event's arguments.

        Returns:
            The handler, for a later `off`.

        Raises:
            LocalProtocolError: There is no such event.
        """
        self._check(event)
        if self.handlers is None:
            self.handlers = {}
        self.handlers.setdefault(event, []).append(handler)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Stop calling ``handler``, or every handler of ``event`` if none is given.

        A handler that was never added is ignored.

        Raises:
            LocalProtocolError: There is no such event.
        """
        self._check(event)
        if self.handlers is None:
            return
        remaining = [
            each
            for each in self.handlers.pop(event, ())
            if handler is not None and each != handler
        ]
        if remaining:
            self.handlers[event] = remaining
        self.handlers = self.handlers or None

    def emit(self, event: str, *arguments: object) -> None:
        """Call the handlers of ``event``; only the emitter itself calls this."""
        if self.handlers is not None:
            # A copy: a handler may add or remove handlers.
            for handler in tuple(self.handlers.get(event, ())):
                call_guarded(handler, *arguments)

    def _check(self, event: str) -> None:
        if event not in self.EVENTS:
            known = ", ".join(sorted(self.EVENTS))
            raise LocalProtocolError(
                f"there is no event {event!r} here; the events are: {known}"
            )
