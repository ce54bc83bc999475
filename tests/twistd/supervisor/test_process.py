"""A worker as the supervisor sees it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ProcessDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, eventAsJSON
from twisted.python.failure import Failure

from tests.twistd.supervisor.doubles import Log, Owner, Process, assignment, state_of
from txengineio.twistd.supervisor.control import ORDERS, REPORTS, Order, Report
from txengineio.twistd.supervisor.process import (
    START_TIMEOUT,
    WorkerProcess,
    WorkerState,
    spawn,
)

OVER = Failure(ProcessDone(0))


def started() -> tuple[Process, Owner, Clock]:
    owner, clock = Owner(), Clock()
    return Process(WorkerProcess(assignment(), owner, clock)), owner, clock


def serving() -> tuple[Process, Owner, Clock]:
    process, owner, clock = started()
    process.reports(Report.READY)
    return process, owner, clock


def test_it_is_told_what_it_is_and_then_serves() -> None:
    process, owner, _ = started()
    word, _, value = process.orders[0].partition(" ")
    assert word == "assignment"
    assert json.loads(value)["settings"]["node"] == "w0a"
    assert state_of(process.worker) is WorkerState.STARTING
    process.reports(Report.READY)
    assert state_of(process.worker) is WorkerState.SERVING
    assert owner.told == ["ready"]
    assert process.worker.name == "worker w0 (pid 1234)"


def test_its_end_is_told_when_all_it_said_was_read() -> None:
    process, owner, clock = started()
    process.has_ended = True
    process.worker.processExited(OVER)
    process.reports(Report.FAILED, "no such module")
    assert process.worker.failure == "no such module"
    assert owner.told == []
    process.ends(1)
    assert owner.told == ["status 1"]
    assert clock.getDelayedCalls() == []


def test_others_that_have_its_pipes_do_not_keep_its_end_secret() -> None:
    process, _, clock = serving()
    process.worker.processExited(OVER)
    assert process.closed == [0, ORDERS]
    clock.advance(1.0)
    assert {1, 2, REPORTS, ORDERS} <= set(process.closed)


def test_what_cannot_start_and_does_not_end_is_killed() -> None:
    process, owner, clock = started()
    process.reports(Report.FAILED, "a thread goes on")
    with capturedLogs() as events:
        clock.advance(1.9)
        assert owner.told == []
        clock.advance(0.1)
    assert owner.told == ["SIGKILL"]
    # It has said in one line why it cannot start.
    assert events == []


def test_it_drains_and_waits_until_it_is_dismissed() -> None:
    process, owner, clock = serving()
    process.worker.leave(Order.STOP, None, 20.0)
    assert process.last_order == "stop"
    process.reports(Report.DRAINED)
    assert state_of(process.worker) is WorkerState.DRAINED
    process.worker.dismiss()
    assert process.closed == [ORDERS]
    process.ends()
    assert owner.told == ["ready", "drained", "status 0"]
    assert clock.getDelayedCalls() == []
    # Nobody hears these any more.
    process.worker.order(Order.ABORT)
    process.worker.kill()


def test_one_that_takes_too_long_to_leave_is_killed() -> None:
    process, owner, clock = serving()
    process.worker.leave(Order.RETIRE, "w0b", 20.0)
    assert process.last_order == 'retire "w0b"'
    clock.advance(24.9)
    assert owner.told == ["ready"]
    # A second word does not give it more time.
    process.worker.leave(Order.STOP, None, 20.0)
    clock.advance(0.1)
    assert owner.told == ["ready", "SIGKILL"]


def test_one_that_still_loads_has_nothing_to_drain() -> None:
    process, owner, _ = started()
    process.worker.leave(Order.STOP, None, 20.0)
    assert owner.told == ["SIGKILL"]


def test_one_that_does_not_drop_everything_is_killed() -> None:
    process, owner, clock = serving()
    process.worker.leave(Order.STOP, None, 20.0)
    process.worker.abort()
    assert process.last_order == "abort"
    clock.advance(2.0)
    assert owner.told == ["ready", "SIGKILL"]


def test_one_that_says_nothing_is_killed() -> None:
    process, owner, _ = serving()
    for _ in range(20):
        process.worker.tick(2.0)
        process.reports(Report.ALIVE)
    for _ in range(5):
        process.worker.tick(2.0)
    assert owner.told == ["ready"]
    with Log() as log:
        process.worker.tick(2.0)
    assert "worker w0 (pid 1234) has given no sign of life for 10 s: killed" in log.text
    assert owner.told == ["ready", "SIGKILL"]


def test_to_load_may_take_longer() -> None:
    process, owner, _ = started()
    for _ in range(int(START_TIMEOUT / 2.0)):
        process.worker.tick(2.0)
    assert owner.told == []
    process.worker.tick(2.0)
    assert owner.told == ["SIGKILL"]


def test_its_log_is_the_supervisors() -> None:
    process, _, _ = started()
    text = eventAsJSON({"log_format": "{count} sessions", "count": 3})
    with Log() as log:
        process.worker.childDataReceived(REPORTS, f"log {text}\n".encode())
        process.worker.childDataReceived(2, b"Fatal Python er")
        process.worker.childDataReceived(2, b"ror: \xff\nthe rest")
        process.dies()
    assert log.lines == [
        "[w0] 3 sessions",
        "[w0] Fatal Python error: �",
        "[w0] the rest",
    ]
    assert [event["worker"] for event in log.events] == [0, 0, 0]


@pytest.mark.parametrize("begun", [b'log {"log_format": "x', b'failed "no s', b"re"])
def test_a_report_that_its_end_has_cut_short_does_not_hide_that_end(
    begun: bytes,
) -> None:
    process, owner, _ = serving()
    process.worker.childDataReceived(REPORTS, begun)
    process.dies()
    assert owner.told == ["ready", "SIGKILL"]


def test_a_signal_without_a_name_in_python_ends_it_as_well() -> None:
    process, owner, _ = serving()
    process.is_ended_by(signal.SIGRTMIN + 1)
    assert owner.told == ["ready", f"signal {signal.SIGRTMIN + 1}"]


@pytest.mark.parametrize("report", [Report.READY, Report.DRAINED])
def test_what_is_said_out_of_turn_changes_nothing(report: Report) -> None:
    process, owner, _ = serving()
    process.reports(report)
    assert state_of(process.worker) is WorkerState.SERVING
    assert owner.told == ["ready"]


def test_the_process_has_the_sockets_where_it_was_told(tmp_path: Path) -> None:
    calls: list[Any] = []

    class Reactor:
        def spawnProcess(self, *args: Any, **details: Any) -> None:  # noqa: N802
            calls.append((args, details))

    told = assignment()
    told.sockets = [[5, 6], [7]]
    worker = WorkerProcess(told, Owner(), Clock())
    spawn(Reactor(), worker, told, [[17, 21], [30]], str(tmp_path))
    (((protocol, program, arguments), details),) = calls
    assert protocol is worker
    assert arguments[0] == program
    assert arguments[-2:] == ["txengineio.twistd.supervisor.worker", "w0"]
    assert details["path"] == str(tmp_path)
    pipes = {0: "w", 1: "r", 2: "r", REPORTS: "r", ORDERS: "w"}
    assert details["childFDs"] == {**pipes, 5: 17, 6: 21, 7: 30}
