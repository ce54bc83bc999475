"""The log of a worker arrives at the supervisor's observers."""

from __future__ import annotations

import io
from typing import Any

from twisted.logger import (
    LogEvent,
    Logger,
    LogLevel,
    LogPublisher,
    eventAsText,
    jsonFileLogObserver,
)

from tests.conftest import FlushLoggedErrors
from tests.twistd.supervisor.doubles import Log
from txengineio.twistd.supervisor.logs import EventReporter, label_of, publish


def travelled(log: Any) -> list[LogEvent]:
    """What the supervisor's observers get of what is logged in a worker."""
    publisher = LogPublisher()
    publisher.addObserver(EventReporter(lambda text: publish(2, text)))
    with Log() as received:
        log(Logger(namespace="room", observer=publisher))
    return received.events


def test_names() -> None:
    assert label_of(2) == "w2"


def test_fields_level_and_namespace_stay_what_they_are() -> None:
    (event,) = travelled(
        lambda log: log.warn("{reason} of {about[id]}", reason="end", about={"id": 7})
    )
    assert event["log_level"] is LogLevel.warn
    assert event["log_namespace"] == "room"
    assert event["reason"] == "end"
    assert event["worker"] == 2
    text = eventAsText(event, includeTimestamp=False)
    assert text == "[room#warn] [w2] end of 7"
    json = io.StringIO()
    jsonFileLogObserver(json)(event)
    assert '"reason": "end"' in json.getvalue()


def test_a_failure_has_its_traceback(flush_logged_errors: FlushLoggedErrors) -> None:
    def fails(log: Logger) -> None:
        try:
            raise ValueError("in the worker")
        except ValueError:
            log.failure("a callback failed")

    (event,) = travelled(fails)
    text = eventAsText(event)
    assert "[w2] a callback failed" in text
    assert "in fails" in text
    assert "ValueError: in the worker" in text
    # Observers may ask what it was.
    (failure,) = flush_logged_errors()
    assert failure is event["log_failure"]
    assert failure.check("builtins.ValueError")


def test_what_is_no_json_comes_as_text() -> None:
    circle: list[Any] = []
    circle.append(circle)
    (event,) = travelled(
        lambda log: log.error("{text}: {circle}", text="a", circle=circle)
    )
    text = eventAsText(event, includeTimestamp=False)
    assert text == "[room#error] [w2] a: [[...]]"


def test_what_has_no_format_is_passed_on() -> None:
    with Log() as received:
        publish(0, '{"log_namespace": "room"}')
    assert [event["worker"] for event in received.events] == [0]
