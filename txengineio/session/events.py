"""Named events: handlers that an application adds to the engine and to its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar

from txengineio.errors import LocalProtocolError
from txengineio.session.callbacks import call_guarded

__all__ = ["EventEmitter"]

Handler = Callable[..., object]
_Handler = TypeVar("_Handler", bound=Handler)
Handlers = dict[str, list[Handler]]


class EventEmitter:
    """An object that tells handlers what happens to it.

    Handlers run in the order in which they were added. They may return a Deferred or be
    coroutine functions; an exception in one is logged and stops neither the others nor
    the emitter.
    """

    __slots__ = ("_other_handlers", "handlers")

    EVENTS: ClassVar[frozenset[str]] = frozenset()
    """The names of the events that there are."""

    FREQUENT: ClassVar[frozenset[str]] = frozenset()
    """Those that come with each message: they are emitted only if `handlers` has any.

    A handler of another event makes no message slower.
    """

    def __init__(self) -> None:
        # None without handlers: a frequent event then costs its emitter one test.
        self.handlers: Handlers | None = None
        self._other_handlers: Handlers | None = None

    def on(self, event: str, handler: _Handler) -> _Handler:
        """Call ``handler`` each time that ``event`` happens.

        Args:
            event: One of `EVENTS`.
            handler: Called with the event's arguments.

        Returns:
            The handler, for a later `off`.

        Raises:
            LocalProtocolError: There is no such event, or the handler cannot be called.
        """
        self._check(event)
        if not callable(handler):
            raise LocalProtocolError(f"a handler must be callable, not {handler!r}")
        handlers = self._handlers_of(event)
        if handlers is None:
            handlers = {}
            self._set_handlers_of(event, handlers)
        handlers.setdefault(event, []).append(handler)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Stop calling ``handler``, or every handler of ``event`` if none is given.

        A handler that was never added is ignored.

        Raises:
            LocalProtocolError: There is no such event.
        """
        self._check(event)
        handlers = self._handlers_of(event)
        if handlers is None:
            return
        remaining = [
            each
            for each in handlers.pop(event, ())
            if handler is not None and each != handler
        ]
        if remaining:
            handlers[event] = remaining
        self._set_handlers_of(event, handlers or None)

    def emit(self, event: str, *arguments: object) -> None:
        """Call the handlers of ``event``; only the emitter itself calls this."""
        # As `_handlers_of` says it; nearly always there are none.
        handlers = self.handlers if event in self.FREQUENT else self._other_handlers
        if handlers is not None:
            # A copy: a handler may add or remove handlers.
            for handler in tuple(handlers.get(event, ())):
                call_guarded(handler, *arguments)

    def _handlers_of(self, event: str) -> Handlers | None:
        return self.handlers if event in self.FREQUENT else self._other_handlers

    def _set_handlers_of(self, event: str, handlers: Handlers | None) -> None:
        if event in self.FREQUENT:
            self.handlers = handlers
        else:
            self._other_handlers = handlers

    def _check(self, event: str) -> None:
        if event not in self.EVENTS:
            known = ", ".join(sorted(self.EVENTS))
            raise LocalProtocolError(
                f"there is no event {event!r} here; the events are: {known}"
            )
