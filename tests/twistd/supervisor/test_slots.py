"""Slots: a process ends, another one takes its place."""

from __future__ import annotations

from collections import Counter

import pytest
from twisted.internet.task import Clock

from tests.doubles import has_fired
from tests.twistd.supervisor.doubles import Log, Process, assignment, state_of
from txengineio.twistd.supervisor.control import Report
from txengineio.twistd.supervisor.process import WorkerProcess
from txengineio.twistd.supervisor.slots import (
    MAX_PAUSE,
    STEADY,
    Slot,
    SlotState,
    pause_after,
)


class Place:
    """A slot, and the processes that were started for it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.processes: list[Process] = []
        self.told: Counter[str] = Counter()
        self.slot = Slot(0, self.spawn, self.clock, 20.0, self.changed)

    def spawn(self, slot: Slot) -> WorkerProcess:
        node = f"w0{'abcdefghijkl'[len(self.processes)]}"
        worker = WorkerProcess(assignment(node=node), slot, self.clock)
        self.processes.append(Process(worker))
        return worker

    def changed(self) -> None:
        self.told["changed"] += 1

    @property
    def last(self) -> Process:
        return self.processes[-1]


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def served(place: Place) -> Place:
    place.slot.start()
    place.last.reports(Report.READY)
    return place


def test_it_serves_when_its_process_says_so(place: Place) -> None:
    assert state_of(place.slot) is SlotState.EMPTY
    place.slot.start()
    assert state_of(place.slot) is SlotState.STARTING
    place.last.reports(Report.READY)
    assert state_of(place.slot) is SlotState.SERVING
    assert place.slot.serves
    assert place.slot.restarts == 0


def test_pauses_grow_up_to_a_limit() -> None:
    assert [pause_after(failures) for failures in range(5)] == [0, 1, 2, 4, 8]
    assert pause_after(10) == MAX_PAUSE
    assert pause_after(2000) == MAX_PAUSE


def test_one_that_had_proved_itself_is_replaced_at_once(served: Place) -> None:
    for number in range(1, 4):
        served.clock.advance(STEADY)
        with Log() as log:
            served.last.dies()
        assert log.lines == ["worker w0 (pid 1234) ended: SIGKILL"]
        assert state_of(served.slot) is SlotState.PAUSED
        served.clock.advance(0)
        assert state_of(served.slot) is SlotState.STARTING
        assert served.slot.restarts == number
        served.last.reports(Report.READY)
    assert len(served.processes) == 4


def test_one_that_ends_again_and_again_is_replaced_later_and_later(
    served: Place,
) -> None:
    for pause in (0, 1, 2, 4):
        served.last.ends(3)
        started = len(served.processes)
        if pause:
            served.clock.advance(pause - 0.1)
        assert len(served.processes) == started
        served.clock.advance(0.1)
        assert len(served.processes) == started + 1
        served.last.reports(Report.READY)
    served.clock.advance(STEADY)
    served.last.ends(3)
    served.clock.advance(0)
    assert state_of(served.slot) is SlotState.STARTING


def test_one_that_cannot_start_says_why(place: Place) -> None:
    place.slot.start()
    place.last.reports(Report.FAILED, "twistd engineio: no such module")
    place.last.ends(1)
    assert place.slot.failure == "twistd engineio: no such module"
    assert state_of(place.slot) is SlotState.PAUSED
    place.clock.advance(0)
    place.last.ends(3)
    assert place.slot.failure == (
        "worker w0 (pid 1234) ended with status 3 before it was ready"
    )
    place.clock.advance(1)
    place.last.reports(Report.READY)
    assert place.slot.failure == ""
    assert place.slot.restarts == 2


def test_a_new_process_takes_the_place_and_the_old_one_leaves(served: Place) -> None:
    old = served.last
    replaced = served.slot.replace()
    assert state_of(served.slot) is SlotState.REPLACING
    assert served.slot.serves
    assert old.orders[1:] == []
    new = served.last
    new.reports(Report.READY)
    assert old.last_order == 'retire "w0b"'
    assert state_of(served.slot) is SlotState.SERVING
    assert not has_fired(replaced)
    old.ends()
    assert has_fired(replaced)
    assert replaced.result is True
    assert served.slot.processes == [new.worker]
    # Nobody had ended by itself.
    assert served.slot.restarts == 0
    assert served.clock.getDelayedCalls() == []


def test_the_old_one_stays_if_the_new_one_cannot_start(served: Place) -> None:
    old = served.last
    replaced = served.slot.replace()
    served.last.reports(Report.FAILED, "a syntax error")
    served.last.ends(1)
    assert replaced.result is False
    assert state_of(served.slot) is SlotState.SERVING
    assert served.slot.processes == [old.worker]
    assert served.slot.failure == "a syntax error"
    assert old.orders[1:] == []
    served.clock.advance(MAX_PAUSE)
    assert len(served.processes) == 2


def test_the_old_one_may_end_while_the_new_one_loads(served: Place) -> None:
    replaced = served.slot.replace()
    served.processes[0].dies()
    assert state_of(served.slot) is SlotState.STARTING
    assert not served.slot.serves
    assert served.slot.restarts == 1
    served.last.reports(Report.READY)
    assert replaced.result is True
    assert len(served.processes) == 2


def test_what_waits_to_be_started_again_is_replaced_at_once(served: Place) -> None:
    served.last.dies()
    replaced = served.slot.replace()
    assert state_of(served.slot) is SlotState.STARTING
    served.last.reports(Report.READY)
    assert replaced.result is True
    assert served.slot.restarts == 1
    served.clock.advance(MAX_PAUSE)
    assert len(served.processes) == 2


def test_it_stops(served: Place) -> None:
    served.slot.stop()
    assert served.last.last_order == "stop"
    served.last.reports(Report.DRAINED)
    assert served.slot.is_drained
    served.last.ends()
    assert served.slot.processes == []
    served.clock.advance(MAX_PAUSE)
    assert len(served.processes) == 1


def test_it_stops_while_one_replaces_the_other(served: Place) -> None:
    replaced = served.slot.replace()
    with Log() as log:
        served.slot.stop()
    # It is killed, which is no fault of it.
    assert log.lines == []
    assert replaced.result is False
    old, new = served.processes
    assert old.last_order == "stop"
    # It had not served yet.
    assert new.has_ended
    old.dies()
    assert served.slot.is_drained


def test_it_stops_while_the_old_one_leaves(served: Place) -> None:
    replaced = served.slot.replace()
    served.last.reports(Report.READY)
    served.slot.stop()
    old, new = served.processes
    assert replaced.result is False
    assert old.last_order == 'retire "w0b"'
    assert new.last_order == "stop"
    new.reports(Report.DRAINED)
    old.ends()
    assert served.slot.is_drained


def test_it_stops_during_a_pause(served: Place) -> None:
    served.last.dies()
    served.slot.stop()
    served.clock.advance(MAX_PAUSE)
    assert len(served.processes) == 1
    assert served.slot.is_drained
