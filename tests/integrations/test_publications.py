from __future__ import annotations

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, SerializationError, TransportLost
from twisted.logger import capturedLogs
from typing_extensions import override

from tests.realm import RecordingWampSession, texts
from txengineio.integrations.publications import OVERHEAD, WINDOW, Publications


def test_what_is_published_while_nobody_is_there_waits_in_order() -> None:
    publications = Publications(10_000)
    assert publications.publish("t.first", "a")
    assert publications.publish("t.second", b"b")
    session = RecordingWampSession()

    publications.resume(session)

    assert session.published == [("t.first", "a"), ("t.second", b"b")]
    assert len(publications) == publications.size == 0


def test_what_is_published_while_somebody_is_there_goes_out_at_once() -> None:
    publications = Publications(10_000)
    session = RecordingWampSession()
    publications.resume(session)

    assert publications.publish("t", "a", "b")

    assert session.published == [("t", "a", "b")]


def test_no_more_wait_for_acknowledgement_than_the_window_has_room_for() -> None:
    publications = Publications(1_000_000)
    session = RecordingWampSession(acknowledges=False)
    publications.resume(session)

    for number in range(WINDOW + 3):
        assert publications.publish("t", number)

    assert len(session.published) == WINDOW
    assert len(publications) == WINDOW + 3
    session.acknowledge(2)
    assert len(session.published) == WINDOW + 2
    session.acknowledge(WINDOW + 1)
    assert [number for _, number in session.published] == list(range(WINDOW + 3))
    assert publications.size == 0


def test_what_has_no_room_is_not_taken() -> None:
    publications = Publications(2 * OVERHEAD + 10)

    assert publications.publish("t", "a" * 10)
    assert not publications.publish("t", "a")
    assert publications.publish("t")

    assert publications.size == 2 * OVERHEAD + 10


def test_what_is_under_way_takes_room() -> None:
    publications = Publications(2 * OVERHEAD)
    session = RecordingWampSession(acknowledges=False)
    publications.resume(session)

    assert publications.publish("t", "a")
    assert not publications.publish("t", "b")

    session.acknowledge()
    assert publications.publish("t", "b")


def test_what_is_urgent_is_taken_all_the_same() -> None:
    publications = Publications(OVERHEAD)
    assert publications.publish("t")

    assert publications.publish("t", "last", urgent=True)

    session = RecordingWampSession()
    publications.resume(session)
    assert session.published == [("t",), ("t", "last")]


@pytest.mark.parametrize(
    "reason",
    [
        "wamp.close.transport_lost",
        ApplicationError.GOODBYE_AND_OUT,
        ApplicationError.SYSTEM_SHUTDOWN,
    ],
)
def test_what_was_under_way_is_published_again_in_order(reason: str) -> None:
    publications = Publications(10_000)
    first = RecordingWampSession(acknowledges=False)
    publications.resume(first)
    for number in range(4):
        publications.publish("t", number)
    first.acknowledge()
    first.lose_transport(reason)
    publications.pause()
    publications.publish("t", 4)
    second = RecordingWampSession()

    publications.resume(second)

    assert second.published == [("t", 1), ("t", 2), ("t", 3), ("t", 4)]
    assert len(publications) == publications.size == 0


def test_a_session_that_turns_out_to_be_gone_is_not_used_any_more() -> None:
    publications = Publications(10_000)
    gone = RecordingWampSession()
    publications.resume(gone)
    gone.lose_transport()

    assert publications.publish("t", 1)
    assert publications.publish("t", 2)

    assert gone.published == []
    session = RecordingWampSession()
    publications.resume(session)
    assert session.published == [("t", 1), ("t", 2)]


def test_what_may_have_broken_the_connection_goes_alone() -> None:
    publications = Publications(10_000)
    first = RecordingWampSession(acknowledges=False)
    publications.resume(first)
    publications.publish("t", "a")
    publications.publish("t", "b")
    first.lose_transport()
    second = RecordingWampSession(acknowledges=False)

    publications.resume(second)

    assert second.published == [("t", "a")]
    second.acknowledge()
    assert second.published == [("t", "a"), ("t", "b")]


def test_what_breaks_the_connection_twice_is_given_up() -> None:
    publications = Publications(10_000)
    for _ in range(2):
        session = RecordingWampSession(acknowledges=False)
        publications.resume(session)
        if not len(publications):
            publications.publish("t", "too large")
            publications.publish("t", "small")
        with capturedLogs() as events:
            session.lose_transport()
            publications.pause()
    session = RecordingWampSession()

    publications.resume(session)

    assert "gave up an event of 9 bytes for t" in texts(events)
    assert "lower max_http_buffer_size" in texts(events)
    assert session.published == [("t", "small")]
    assert publications.size == 0


def test_what_the_router_refuses_is_said_and_forgotten() -> None:
    publications = Publications(10_000)
    refusal = ApplicationError(ApplicationError.NOT_AUTHORIZED, "not you")
    session = RecordingWampSession(refused={"t.mine": refusal})
    publications.resume(session)

    with capturedLogs() as events:
        publications.publish("t.mine", "a")
        publications.publish("t.other", "b")

    assert session.published == [("t.mine", "a"), ("t.other", "b")]
    assert "t.mine could not be published" in texts(events)
    assert "not you" in texts(events)
    assert publications.size == 0


def test_what_cannot_be_put_into_wamp_is_said_and_forgotten() -> None:
    class Picky(RecordingWampSession):
        @override
        def publish(self, topic: str, *arguments: object, **options: Any) -> Any:
            raise SerializationError("no way")

    publications = Publications(10_000)
    publications.resume(Picky())

    with capturedLogs() as events:
        assert publications.publish("t", object())

    assert "no way" in texts(events)
    assert len(publications) == publications.size == 0


@pytest.mark.parametrize("is_refused", [False, True])
def test_very_many_that_are_settled_at_once_do_no_harm(is_refused: bool) -> None:
    class Picky(RecordingWampSession):
        @override
        def publish(self, topic: str, *arguments: Any, options: Any) -> Any:
            if is_refused:
                raise SerializationError("no JSON")
            return super().publish(topic, *arguments, options=options)

    publications = Publications(10_000_000)
    for number in range(2_000):
        assert publications.publish("t", number)
    session = Picky()

    with capturedLogs() as logs:
        publications.resume(session)

    assert len(logs) == 2_000 * is_refused
    assert len(session.published) == 2_000 * (not is_refused)
    assert len(publications) == publications.size == 0


def test_pausing_twice_counts_as_once() -> None:
    publications = Publications(10_000)
    first = RecordingWampSession(acknowledges=False)
    publications.resume(first)
    publications.publish("t", "a")
    deferred = first.unsettled[0]

    deferred.errback(TransportLost())
    publications.pause()
    publications.pause()

    session = RecordingWampSession()
    publications.resume(session)
    assert session.published == [("t", "a")]
