"""The workers' log, which is the supervisor's: ``[w0]`` says whose line it is.

Events travel as a whole, so that each observer of the supervisor, whatever it is,
has the fields that it would have without workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    eventAsJSON,
    eventFromJSON,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

__all__ = ["EventReporter", "label_of", "publish", "publish_output"]

_log = Logger()

_SAID: Final = "failure_said"
"""The field for the text of an exception: Twisted keeps the rest."""


class _Exception(Exception):
    """The text of an exception in a worker."""


def label_of(slot: int) -> str:
    """Return what the log calls the worker of a slot."""
    return f"w{slot}"


def publish(slot: int, text: str) -> None:
    """Publish an event that a worker has reported.

    Args:
        slot: Whose it is.
        text: The event, as `EventReporter` writes it.
    """
    event = eventFromJSON(text)
    event["worker"] = slot
    said = event.pop(_SAID, None)
    if said is not None:
        event["log_failure"].value = _Exception(said)
    if event.get("log_format") is not None:
        # The worker has formatted the fields between braces, under their own names.
        event["log_format"] = f"[{label_of(slot)}] {event['log_format']}"
    globalLogPublisher(event)


def publish_output(slot: int, line: bytes) -> None:
    """Publish a line that a worker has printed past its log."""
    _log.warn(
        "[{worker_name}] {line}",
        worker=slot,
        worker_name=label_of(slot),
        line=line.decode(errors="replace"),
    )


@implementer(ILogObserver)
class EventReporter:
    """Reports the events of a worker to its supervisor.

    Args:
        report: Called with each event, as JSON.
    """

    def __init__(self, report: Callable[[str], object]) -> None:
        self._report = report

    def __call__(self, event: LogEvent) -> None:
        """Report an event; only its text, if a field cannot be written as JSON."""
        failure = event.get("log_failure")
        if failure is not None:
            event = {**event, _SAID: failure.getErrorMessage()}
        try:
            text = eventAsJSON(event)
        except (TypeError, ValueError):
            plain: dict[str, Any] = {
                name: event[name]
                for name in ("log_level", "log_namespace", "log_time")
                if name in event
            }
            text = eventAsJSON(
                {**plain, "log_format": "{text}", "text": formatEvent(event)}
            )
        self._report(text)
