"""FlushCallbacks: first with their messages in the buffer, then with the transport."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from txengineio.errors import CloseReason, SessionClosed
from txengineio.session.flush_callbacks import FlushCallbacks
from txengineio.testing import RecordingTransport


def test_callbacks_and_deferreds_are_called_in_the_order_of_their_messages() -> None:
    callbacks, transport = FlushCallbacks(), RecordingTransport()
    order: list[object] = []
    deferred: Deferred[None] = Deferred()
    deferred.addCallback(lambda _: order.append("deferred"))
    callbacks.add(lambda carrier: order.append(("first", carrier)), 1)
    callbacks.add(deferred, 1)
    callbacks.add(lambda carrier: order.append(("last", carrier)), 2)
    callbacks.batch_flushed(transport)
    assert order == []
    callbacks.batch_taken(2)
    callbacks.batch_flushed(transport)
    callbacks.batch_flushed(transport)
    assert order == [("first", transport), "deferred", ("last", transport)]


def test_several_batches_may_be_on_their_way() -> None:
    callbacks, transport = FlushCallbacks(), RecordingTransport()
    order: list[int] = []
    callbacks.add(lambda _: order.append(1), 1)
    callbacks.batch_taken(1)
    callbacks.add(lambda _: order.append(2), 1)
    callbacks.batch_taken(1)
    late: Deferred[None] = Deferred()
    callbacks.add_sent(late)
    callbacks.batch_flushed(transport)
    assert order == [1, 2]
    assert late.called


def test_a_part_of_the_write_buffer_may_be_taken() -> None:
    callbacks, transport = FlushCallbacks(), RecordingTransport()
    order: list[int] = []

    def note(position: int) -> None:
        callbacks.add(lambda _: order.append(position), position)

    for position in (1, 2, 5):
        note(position)
    for count, expected in ((2, [1, 2]), (2, [1, 2]), (1, [1, 2, 5])):
        callbacks.batch_taken(count)
        callbacks.batch_flushed(transport)
        assert order == expected


def test_the_sessions_end_fails_the_deferreds_and_forgets_the_callbacks() -> None:
    callbacks = FlushCallbacks()
    failures: list[object] = []
    calls: list[object] = []
    for add in (callbacks.add_sent, lambda waiting: callbacks.add(waiting, 1)):
        deferred: Deferred[None] = Deferred()
        deferred.addErrback(lambda failure: failures.append(failure.value))
        add(deferred)
    callbacks.add(calls.append, 2)
    closed = SessionClosed(CloseReason.PING_TIMEOUT)
    callbacks.session_closed(closed)
    callbacks.batch_taken(2)
    callbacks.batch_flushed(RecordingTransport())
    assert failures == [closed, closed]
    assert calls == []
