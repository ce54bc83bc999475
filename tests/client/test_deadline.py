from __future__ import annotations

from twisted.internet.task import Clock

from txengineio.client.deadline import Deadline


class Entry:
    due_bucket: int | None = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.times: list[float] = []

    def due(self) -> None:
        self.times.append(self._clock.seconds())


def test_an_entry_is_due_when_it_was_last_scheduled_for() -> None:
    clock = Clock()
    deadline, entry = Deadline(clock), Entry(clock)
    deadline.schedule(entry, 5)
    clock.advance(4)
    deadline.schedule(entry, 5)
    clock.pump([1] * 10)
    assert entry.times == [9]
    deadline.schedule(entry, 1)
    clock.advance(1)
    assert entry.times == [9, 15]
    assert clock.getDelayedCalls() == []


def test_a_cancelled_entry_is_never_due() -> None:
    clock = Clock()
    deadline, entry = Deadline(clock), Entry(clock)
    deadline.cancel(entry)
    deadline.schedule(entry, 5)
    deadline.cancel(entry)
    assert clock.getDelayedCalls() == []
