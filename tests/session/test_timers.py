"""TimerWheel: never early, at most one bucket late, and at the cost of what is due."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python import runtime
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from txengineio.reactor import steady_seconds
from txengineio.session.timers import TimerWheel, resolution_for


class Entry:
    """Something with a due time: it writes down when it was called."""

    def __init__(
        self, clock: Clock, then: Callable[[Entry], object] = lambda entry: None
    ) -> None:
        self.due_bucket: int | None = None
        self.called: list[float] = []
        self._clock = clock
        self._then = then

    def due(self) -> None:
        assert self.due_bucket is None
        self.called.append(self._clock.seconds())
        self._then(self)


class CountingEntry(Entry):
    """Counts how often it is looked at."""

    looked_at = 0

    @override
    def __hash__(self) -> int:
        CountingEntry.looked_at += 1
        return id(self)

    @override
    def __eq__(self, other: object) -> bool:
        return self is other


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pump(clock: Clock, seconds: float, step: float = 0.1) -> None:
    clock.pump([step] * round(seconds / step))


def test_an_entry_is_called_once_not_early_and_at_most_a_bucket_late(
    clock: Clock,
) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, 3.2)
    pump(clock, 10)
    (called,) = entry.called
    assert 3.2 <= called <= 3.8


def test_a_due_time_on_the_edge_of_a_bucket_is_not_rounded_up(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.1, "a timer")
    entry = Entry(clock)
    # In binary fractions 0.3 / 0.1 is a little less than 3, and 0.7 + 0.1 than 0.8.
    clock.advance(0.7)
    timers.schedule(entry, 0.1)
    clock.advance(0.1001)
    assert len(entry.called) == 1


def test_nothing_is_on_the_clock_while_nothing_is_scheduled(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    assert clock.getDelayedCalls() == []
    first, second = Entry(clock), Entry(clock)
    timers.schedule(first, 1)
    timers.schedule(second, 5)
    assert len(clock.getDelayedCalls()) == 1
    timers.cancel(first)
    assert len(clock.getDelayedCalls()) == 1
    timers.cancel(second)
    assert clock.getDelayedCalls() == []


def test_the_loop_ends_by_itself_and_starts_again(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, 1)
    pump(clock, 2)
    assert clock.getDelayedCalls() == []
    timers.schedule(entry, 1)
    pump(clock, 2)
    assert len(entry.called) == 2
    assert clock.getDelayedCalls() == []


def test_the_entries_are_those_that_wait(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    one, two, three = (Entry(clock) for _ in range(3))
    for delay, entry in enumerate((one, two, three), 1):
        timers.schedule(entry, delay)
    timers.cancel(two)
    assert timers.entries() == [one, three]
    pump(clock, 2)
    assert timers.entries() == [three]
    pump(clock, 2)
    assert timers.entries() == []


def test_a_cancelled_entry_is_not_called(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    cancelled, other = Entry(clock), Entry(clock)
    timers.schedule(cancelled, 1)
    timers.schedule(other, 1)
    timers.cancel(cancelled)
    assert cancelled.due_bucket is None
    pump(clock, 2)
    assert cancelled.called == []
    assert len(other.called) == 1


def test_to_cancel_what_is_not_scheduled_does_nothing(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    timers.cancel(Entry(clock))
    other = Entry(clock)
    timers.schedule(other, 1)
    timers.cancel(Entry(clock))
    pump(clock, 2)
    assert len(other.called) == 1


def test_the_last_schedule_counts(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, 1)
    timers.schedule(entry, 5)
    timers.schedule(entry, 5)
    pump(clock, 4)
    assert entry.called == []
    pump(clock, 6)
    assert len(entry.called) == 1


def test_an_entry_may_schedule_itself_again(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock, lambda entry: timers.schedule(entry, 2))
    timers.schedule(entry, 2)
    pump(clock, 9)
    assert len(entry.called) == 4
    gaps = [later - sooner for sooner, later in pairwise(entry.called)]
    assert all(2 <= gap <= 2.6 for gap in gaps)


def test_an_entry_may_cancel_its_neighbours(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    second = Entry(clock)
    first = Entry(clock, lambda _entry: timers.cancel(second))
    timers.schedule(first, 1)
    timers.schedule(second, 1)
    pump(clock, 5)
    assert len(first.called) == 1
    assert second.called == []
    assert clock.getDelayedCalls() == []


def test_an_entry_may_put_off_its_neighbours(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    second = Entry(clock)
    first = Entry(clock, lambda _entry: timers.schedule(second, 3))
    timers.schedule(first, 1)
    timers.schedule(second, 1)
    pump(clock, 3)
    assert second.called == []
    pump(clock, 3)
    assert len(second.called) == 1


def test_the_last_entry_may_cancel_itself_while_it_is_called(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")

    def again_and_not(entry: Entry) -> None:
        timers.schedule(entry, 1)
        timers.cancel(entry)

    entry = Entry(clock, again_and_not)
    timers.schedule(entry, 1)
    pump(clock, 3)
    assert len(entry.called) == 1
    assert clock.getDelayedCalls() == []


def test_an_exception_in_one_entry_is_logged_and_harms_no_other(
    clock: Clock, flush_logged_errors: FlushLoggedErrors
) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")

    def fail(_entry: Entry) -> None:
        raise ZeroDivisionError

    faulty, same_time, later = Entry(clock, fail), Entry(clock), Entry(clock)
    timers.schedule(faulty, 1)
    timers.schedule(same_time, 1)
    timers.schedule(later, 4)
    pump(clock, 6)
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    assert len(same_time.called) == len(later.called) == 1


def test_a_fault_says_what_has_failed(
    clock: Clock, flush_logged_errors: FlushLoggedErrors
) -> None:
    timers = TimerWheel(clock, 0.5, "the idle time-out of a connection")
    with capturedLogs() as events:
        timers.schedule(Entry(clock, lambda entry: 1 / 0), 1)
        pump(clock, 2)
    assert [formatEvent(event) for event in events] == [
        "the idle time-out of a connection failed"
    ]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_a_loop_that_fails_is_started_again(
    clock: Clock, flush_logged_errors: FlushLoggedErrors
) -> None:
    faults = [OSError()]

    def seconds() -> float:
        if faults and clock.seconds() >= 4:
            raise faults.pop()
        return clock.seconds()

    timers = TimerWheel(clock, 0.5, "a timer", seconds)
    sooner, later = Entry(clock), Entry(clock)
    timers.schedule(sooner, 4.8)
    timers.schedule(later, 6)
    pump(clock, 7)
    assert len(flush_logged_errors(OSError)) == 1
    assert len(sooner.called) == len(later.called) == 1
    assert clock.getDelayedCalls() == []


def test_a_jump_forward_calls_everything_in_order(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    order: list[int] = []

    def remember(number: int) -> Callable[[Entry], None]:
        return lambda _entry: order.append(number)

    entries = [Entry(clock, remember(number)) for number in range(5)]
    for number, entry in enumerate(entries):
        timers.schedule(entry, 10 * (number + 1))
    clock.advance(1_000_000)
    assert order == [0, 1, 2, 3, 4]
    assert clock.getDelayedCalls() == []


def test_after_a_jump_back_the_old_due_times_are_kept(clock: Clock) -> None:
    clock.advance(1000)
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, 10)
    pump(clock, 2)
    clock.rightNow -= 100
    timers.schedule(other := Entry(clock), 10)
    # The clock's own calls have been put off by the jump, too.
    pump(clock, 120)
    assert len(entry.called) == 1
    assert len(other.called) == 1
    assert clock.getDelayedCalls() == []


def test_a_tick_costs_what_is_due_not_what_is_scheduled(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entries = [CountingEntry(clock) for _ in range(2000)]
    for number, entry in enumerate(entries):
        timers.schedule(entry, 100 + number * 0.25)
    CountingEntry.looked_at = 0
    pump(clock, 90)
    assert CountingEntry.looked_at == 0
    pump(clock, 20)
    called = sum(len(entry.called) for entry in entries)
    assert 30 <= called <= 45
    assert CountingEntry.looked_at <= called


def test_nothing_wakes_up_between_the_ticks_for_nothing(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.001, "a timer")
    entries = [Entry(clock) for _ in range(2)]
    timers.schedule(entries[0], 10.25)
    timers.schedule(entries[1], 10.75)
    woken = 0
    while clock.getDelayedCalls():
        first = min(call.getTime() for call in clock.getDelayedCalls())
        clock.advance(max(first - clock.seconds(), 0) + 1e-9)
        woken += 1
    # Two ticks a second, and two calls.
    assert 20 <= woken <= 25
    assert all(len(entry.called) == 1 for entry in entries)


@pytest.mark.parametrize(
    ("durations", "resolution"),
    [((25.0, 20.0), 0.04), ((0.3, 0.2), 0.001), ((0.9, 60.0), 0.001), ((1.0,), 0.04)],
)
def test_heartbeats_are_fine_below_a_second_and_less_so_above(
    durations: tuple[float, ...], resolution: float
) -> None:
    assert resolution_for(*durations) == resolution


@given(st.sampled_from([0.001, 0.04, 0.5]), st.floats(0, 1e9), st.floats(0, 100))
def test_an_entry_is_late_by_a_bucket_at_most_and_never_early(
    resolution: float, start: float, delay: float
) -> None:
    clock = Clock()
    clock.rightNow = start
    timers = TimerWheel(clock, resolution, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, delay)
    while not entry.called:
        first = min(call.getTime() for call in clock.getDelayedCalls())
        clock.advance(max(first - clock.seconds(), 0.0))
    (called,) = entry.called
    assert -1e-5 <= called - start - delay <= resolution + 1e-5


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.one_of(st.none(), st.floats(0, 30)),
            st.floats(0, 3),
        ),
        max_size=40,
    )
)
def test_any_sequence_of_schedules_and_cancellations_keeps_its_promise(
    steps: list[tuple[int, float | None, float]],
) -> None:
    clock = Clock()
    timers = TimerWheel(clock, 0.5, "a timer")
    entries = [Entry(clock) for _ in range(5)]
    expected: list[float | None] = [None] * 5

    def step(seconds: float) -> None:
        clock.advance(seconds)
        for number, entry in enumerate(entries):
            due = expected[number]
            if entry.called:
                (called,) = entry.called
                entry.called.clear()
                assert due is not None
                assert called >= due - 1e-3
                expected[number] = None
            else:
                assert due is None or clock.seconds() < due + 0.5 + 1e-3 + seconds

    for number, delay, seconds in steps:
        if delay is None:
            timers.cancel(entries[number])
            expected[number] = None
        else:
            timers.schedule(entries[number], delay)
            expected[number] = clock.seconds() + delay
        step(seconds)
    for _ in range(100):
        step(0.5)
    assert expected == [None] * 5
    assert clock.getDelayedCalls() == []


# --- clocks that jump, and processes that stand still ---------------------------------


def test_a_clock_that_is_set_forward_makes_nobody_due(clock: Clock) -> None:
    steady = [0.0]
    timers = TimerWheel(clock, 0.5, "a timer", lambda: steady[0])
    entry = Entry(clock)
    timers.schedule(entry, 45.0)
    clock.advance(3600)
    assert entry.called == []
    for _ in range(91):
        steady[0] += 0.5
        clock.advance(0.5)
    assert len(entry.called) == 1


def test_a_clock_that_is_set_back_stops_the_heartbeats_only_until_the_next_packet() -> (
    None
):
    clock, steady = Clock(), [0.0]
    clock.rightNow = 10_000.0
    timers = TimerWheel(clock, 0.5, "a timer", lambda: steady[0])
    first, second = Entry(clock), Entry(clock)
    timers.schedule(first, 5.0)
    # Nothing but the time of day changes.
    clock.rightNow -= 3600
    steady[0] += 4
    timers.schedule(second, 5.0)
    for _ in range(3):
        steady[0] += 0.5
        clock.advance(0.5)
    assert (len(first.called), len(second.called)) == (1, 0)
    for _ in range(9):
        steady[0] += 0.5
        clock.advance(0.5)
    assert (len(first.called), len(second.called)) == (1, 1)
    assert clock.getDelayedCalls() == []


def test_after_a_standstill_what_has_arrived_is_read_first(clock: Clock) -> None:
    timers = TimerWheel(clock, 0.5, "a timer")
    entry = Entry(clock)
    timers.schedule(entry, 45.0)
    # Whatever else is due comes first; a reactor looks at its sockets, too.
    clock.callLater(99.0, timers.cancel, entry)
    clock.advance(100)
    assert entry.called == []
    assert clock.getDelayedCalls() == []


def test_the_time_of_reactors_is_not_steady_and_that_of_clocks_is() -> None:
    clock = Clock()
    assert steady_seconds(clock)() == 0.0
    time_of_day: Any = Clock()
    time_of_day.seconds = runtime.seconds
    assert steady_seconds(time_of_day) is monotonic
