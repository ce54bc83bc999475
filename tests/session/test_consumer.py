"""A session as a consumer: producers, and who waits until it can take more."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.interfaces import IConsumer, IPullProducer, IPushProducer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.conftest import FlushLoggedErrors
from tests.doubles import has_fired
from tests.session.sessions import Opened, open_session
from txengineio.errors import SessionClosed
from txengineio.testing import RecordingTransport

MUCH = b"x" * 70_000


@implementer(IPushProducer, IPullProducer)
class RecordingProducer:
    def __init__(self, session: Any = None, pieces: int = 0) -> None:
        self.calls: list[str] = []
        self.session = session
        self.pieces = pieces

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")
        if self.pieces:
            self.pieces -= 1
            self.session.write(b"piece")
            if not self.pieces:
                self.session.unregisterProducer()

    def stopProducing(self) -> None:
        self.calls.append("stop")


def slow() -> Opened:
    return open_session(transport=RecordingTransport(writable=False))


def reads(opened: Opened) -> None:
    opened.transport.writable = True
    opened.session.flush()
    opened.transport.writable = False


def test_a_session_is_a_consumer() -> None:
    assert verifyObject(IConsumer, open_session().session)


def test_when_drained_fires_at_once_for_a_peer_that_keeps_up() -> None:
    assert has_fired(open_session().session.when_drained())


def test_when_drained_fires_when_the_backlog_is_gone() -> None:
    opened = slow()
    opened.session.write(MUCH)
    waiting = [opened.session.when_drained() for _ in range(2)]
    assert not any(map(has_fired, waiting))
    reads(opened)
    assert all(map(has_fired, waiting))


def test_when_drained_fails_with_the_session() -> None:
    opened = slow()
    opened.session.write(MUCH)
    failures: list[object] = []
    opened.session.when_drained().addErrback(lambda f: failures.append(f.value))
    opened.session.close(discard=True)
    opened.session.when_drained().addErrback(lambda f: failures.append(f.value))
    assert failures == [opened.session.closed] * 2
    assert isinstance(failures[0], SessionClosed)


def test_a_push_producer_is_paused_and_resumed_once_each() -> None:
    opened = slow()
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    opened.session.write(b"a")
    assert producer.calls == []
    opened.session.write(MUCH)
    opened.session.write(MUCH)
    assert producer.calls == ["pause"]
    reads(opened)
    assert producer.calls == ["pause", "resume"]
    opened.session.write(MUCH)
    assert producer.calls == ["pause", "resume", "pause"]
    opened.session.unregisterProducer()
    reads(opened)
    assert producer.calls == ["pause", "resume", "pause"]


def test_a_push_producer_that_comes_late_is_paused_at_once() -> None:
    opened = slow()
    opened.session.write(MUCH)
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    assert producer.calls == ["pause"]


def test_a_congested_transport_pauses_a_push_producer() -> None:
    opened = open_session(transport=RecordingTransport(flushes_at_once=False))
    producer = RecordingProducer()
    opened.session.registerProducer(producer, True)
    opened.session.write(b"a")
    assert producer.calls == ["pause"]
    opened.session.batch_flushed()
    assert producer.calls == ["pause", "resume"]


def test_a_pull_producer_is_asked_as_long_as_the_peer_keeps_up() -> None:
    opened = open_session()
    producer = RecordingProducer(opened.session, 5)
    opened.session.registerProducer(producer, False)
    assert producer.calls == []
    for _ in range(10):
        opened.clock.advance(0)
    assert producer.calls == ["resume"] * 5
    assert [packet[1] for packet in opened.transport.sent] == [b"piece"] * 5


def test_a_pull_producer_waits_while_the_peer_does_not_keep_up() -> None:
    opened = slow()
    opened.session.write(MUCH)
    producer = RecordingProducer(opened.session, 2)
    opened.session.registerProducer(producer, False)
    opened.clock.advance(0)
    assert producer.calls == []
    reads(opened)
    opened.clock.pump([0, 0, 0])
    assert producer.calls == ["resume"] * 2


def test_only_one_producer_at_a_time() -> None:
    session = open_session().session
    session.registerProducer(RecordingProducer(), True)
    with pytest.raises(RuntimeError, match="never unregistered"):
        session.registerProducer(RecordingProducer(), True)
    session.unregisterProducer()
    session.registerProducer(RecordingProducer(), True)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_producer_stops_with_the_session(streaming: bool) -> None:
    opened = open_session()
    producer, late = RecordingProducer(), RecordingProducer()
    opened.session.registerProducer(producer, streaming)
    opened.session.close(discard=True)
    opened.session.registerProducer(late, streaming)
    opened.session.unregisterProducer()
    assert producer.calls == late.calls == ["stop"]
    opened.assert_over()


def test_a_producer_that_fails_harms_nobody(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    opened = slow()
    producer = RecordingProducer()
    producer.calls = None  # type: ignore[assignment]  # what is called fails
    opened.session.registerProducer(producer, True)
    assert opened.session.send(MUCH)
    reads(opened)
    opened.session.close(discard=True)
    assert len(flush_logged_errors(AttributeError)) == 3
    opened.assert_over()


def test_unregistering_nobody_does_nothing() -> None:
    open_session().session.unregisterProducer()
