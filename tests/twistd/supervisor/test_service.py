"""The supervisor: it starts its workers, replaces and stops them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from zope.interface import implementer

from tests.conftest import FlushLoggedErrors
from tests.doubles import has_fired
from tests.twistd.supervisor.doubles import Log, Process, TurningReactor
from txengineio.twistd.endpoints import CannotStart
from txengineio.twistd.supervisor.control import ORDERS, Assignment, Report
from txengineio.twistd.supervisor.process import WorkerProcess
from txengineio.twistd.supervisor.service import (
    Launch,
    Listening,
    SupervisorService,
    SupervisorState,
    generation,
)
from txengineio.twistd.supervisor.sockets import Binder

LAUNCH = Launch(
    program="twistd engineio",
    command="module:Options",
    arguments=["--workers", "2"],
    folder="/here",
    workers=2,
    timeout=10.0,
    drain_timeout=20.0,
)


@implementer(IStreamServerEndpoint)
class Endpoint:
    """Binds a free port, or fails."""

    def __init__(self, binder: Binder, problem: Exception | None = None) -> None:
        self.binder = binder
        self.problem = problem

    def listen(self, factory: Any) -> Deferred[Any]:
        if self.problem is not None:
            return fail(self.problem)
        return succeed(self.binder.listenTCP(0, factory, interface="127.0.0.1"))


class Supervised:
    """A supervisor, and the processes that it has started."""

    def __init__(self) -> None:
        self.reactor = TurningReactor()
        self.binder = Binder(self.reactor, LAUNCH.workers)
        self.processes: list[Process] = []
        self.folders: list[str] = []
        lines = [("Engine.IO is served at", "/engine.io/")]
        self.listening = Listening(
            description="tcp:0", endpoint=Endpoint(self.binder), lines=lines
        )
        self.service = SupervisorService(
            LAUNCH, self.binder, [self.listening], self.reactor, self.spawn
        )

    def fails(self, *_arguments: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def spawn(
        self,
        reactor: Any,
        worker: WorkerProcess,
        assignment: Assignment,
        sockets: list[list[int]],
        folder: str,
    ) -> None:
        process = Process(worker)
        process.assignment, process.sockets = assignment, sockets
        self.processes.append(process)
        self.folders.append(folder)

    def all_report(self, report: Report = Report.READY) -> None:
        for process in self.processes:
            process.reports(report)

    def start(self) -> None:
        self.reactor.turns = [self.all_report]
        self.service.privilegedStartService()
        self.service.startService()

    def advance(self, seconds: float) -> None:
        """Let time pass, and the workers say that they live."""
        for _ in range(int(seconds)):
            for process in self.processes:
                if not process.has_ended:
                    process.reports(Report.ALIVE)
            self.reactor.advance(1.0)

    @property
    def directory(self) -> Path:
        return Path(self.processes[0].assignment.settings.directory)

    def stop(self) -> None:
        """Let everything come to its end."""
        if self.service.state is SupervisorState.RUNNING:
            self.service.stopService()
        for process in self.processes:
            if not process.has_ended:
                process.ends()


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    before = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    made = Supervised()
    yield made
    made.stop()
    # The descriptors are closed, and nothing is left to be done.
    assert made.binder.descriptors() == []
    assert made.reactor.getDelayedCalls() == []
    assert {each: signal.getsignal(each) for each in before} == before
    if made.processes:
        assert not made.directory.exists()


@pytest.fixture
def running(supervised: Supervised) -> Supervised:
    supervised.start()
    return supervised


def test_names_of_generations() -> None:
    names = [generation(number) for number in (1, 2, 26, 27, 52, 53, 702, 703)]
    assert names == ["a", "b", "z", "aa", "az", "ba", "zz", "aaa"]


def test_it_has_started_when_all_workers_serve(supervised: Supervised) -> None:
    with Log() as log:
        supervised.start()
        assert log.lines[-1] == "worker w1 (pid 1234) is ready: node w1b"
        supervised.reactor.run()
    assert supervised.service.state is SupervisorState.RUNNING
    one, two = (process.assignment for process in supervised.processes)
    assert one.settings.slot == 0
    assert two.settings.slot == 1
    assert one.settings.workers == two.settings.workers == 2
    assert (one.settings.node, two.settings.node) == ("w0a", "w1b")
    assert one.settings.directory == two.settings.directory
    assert supervised.directory.stat().st_mode & 0o777 == 0o700
    assert one.command == "module:Options"
    assert one.arguments == ["--workers", "2"]
    assert one.folder == str(Path.cwd())
    assert supervised.folders == ["/here", "/here"]
    assert one.reactor == TurningReactor.__module__
    # Each has the sockets of both, which come after the pipes.
    assert one.sockets == two.sockets == [[ORDERS + 1, ORDERS + 2]]
    assert supervised.processes[0].sockets == supervised.processes[1].sockets
    assert [each.orders[1:] for each in supervised.processes] == [[], []]
    assert any(
        line.startswith("Engine.IO is served at http://127.0.0.1:")
        for line in log.lines
    )
    assert log.lines[-1] == "2 workers serve"


def test_a_worker_that_cannot_start_ends_everything(supervised: Supervised) -> None:
    def says_why() -> None:
        one, two = supervised.processes
        one.reports(Report.READY)
        two.reports(Report.FAILED, "twistd engineio: no such module")
        two.ends(1)

    supervised.reactor.turns = [says_why]
    with pytest.raises(CannotStart) as raised:
        supervised.service.startService()
    assert str(raised.value) == "twistd engineio: no such module"
    assert all(process.has_ended for process in supervised.processes)


def test_a_process_that_the_system_does_not_make_is_told(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised.service, "_spawn_process", supervised.fails)
    with pytest.raises(CannotStart) as raised:
        supervised.service.startService()
    assert str(raised.value) == (
        "twistd engineio: worker w0 cannot be started: "
        "[Errno 11] Resource temporarily unavailable"
    )


def test_a_process_that_the_system_does_not_make_is_made_later(
    running: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = running.processes
    with monkeypatch.context() as patched:
        patched.setattr(running.service, "_spawn_process", running.fails)
        one.dies()
        with Log() as log:
            running.reactor.advance(0)
        assert log.lines[-1].startswith("slot 0 gets another worker in 1 s")
        assert "w0 cannot be started: [Errno 11]" in log.text
        assert len(running.processes) == 2
    running.reactor.advance(1)
    running.processes[-1].reports(Report.READY)
    assert running.service.slots[0].serves


def test_a_worker_is_replaced_when_the_current_directory_is_gone(
    supervised: Supervised, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    monkeypatch.chdir(folder)
    supervised.start()
    # As when the folder of an earlier release is removed.
    folder.rmdir()
    supervised.processes[0].dies()
    supervised.advance(1)
    assert len(supervised.processes) == 3
    assert supervised.processes[2].assignment.folder == str(folder)


def test_it_stops_while_a_process_could_not_be_made(
    running: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = running.processes
    monkeypatch.setattr(running.service, "_spawn_process", running.fails)
    hang_up(running)
    stopped = running.service.stopService()
    for each in (one, two):
        each.ends()
    running.reactor.advance(0)
    assert has_fired(stopped)


def test_a_signal_to_stop_ends_a_start(supervised: Supervised) -> None:
    def stops() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    supervised.reactor.turns = [stops]
    with pytest.raises(CannotStart) as raised:
        supervised.service.startService()
    assert str(raised.value) == "twistd engineio: SIGTERM came before it served"
    assert all(process.has_ended for process in supervised.processes)


def test_an_endpoint_that_cannot_listen_is_told(supervised: Supervised) -> None:
    problem = CannotListenError("", 1, OSError(98, "Address already in use"))
    taken = Listening(
        description="tcp:1",
        endpoint=Endpoint(supervised.binder, problem),
        lines=[],
    )
    service = SupervisorService(
        LAUNCH,
        supervised.binder,
        [supervised.listening, taken],
        supervised.reactor,
        supervised.spawn,
    )
    with pytest.raises(CannotStart) as raised:
        service.privilegedStartService()
    assert str(raised.value) == (
        "twistd engineio: cannot listen on tcp:1: Address already in use"
    )


def test_a_worker_that_ends_is_replaced_and_all_are_told(running: Supervised) -> None:
    one, two = running.processes
    one.dies()
    running.reactor.advance(0)
    assert two.orders[1:] == ["stand_in [0]", "restarts [1, 0]"]
    again = running.processes[-1]
    assert again.assignment.settings.node == "w0c"
    assert again.assignment.settings.restarts == [1, 0]
    # It accepts from what the other one has left.
    assert again.sockets == one.sockets
    assert again.assignment.settings.slot == 0


def test_the_others_stand_in_until_the_next_one_serves(running: Supervised) -> None:
    one, two = running.processes
    one.dies()
    assert two.last_order == "stand_in [0]"
    running.reactor.advance(0)
    again = running.processes[-1]
    # It may fail, and there may be a pause before the next.
    again.ends(1)
    running.reactor.advance(1)
    again = running.processes[-1]
    assert [each for each in two.orders if "stand_in" in each] == ["stand_in [0]"]
    again.reports(Report.READY)
    assert two.last_order == "stand_in []"
    assert again.orders[1:] == []


def test_one_that_comes_stands_in_for_those_that_are_missing(
    running: Supervised,
) -> None:
    for each in list(running.processes):
        each.dies()
    running.reactor.advance(0)
    *_, one, two = running.processes
    one.reports(Report.READY)
    assert one.last_order == "stand_in [1]"
    two.reports(Report.READY)
    assert one.last_order == "stand_in []"
    assert two.orders[1:] == []


def test_one_that_takes_the_place_of_another_stands_in_as_well(
    running: Supervised,
) -> None:
    one, two = running.processes
    hang_up(running)
    new = running.processes[-1]
    two.dies()
    assert one.last_order == "stand_in [1]"
    assert new.orders[1:] == []
    new.reports(Report.READY)
    assert new.last_order == "stand_in [1]"
    assert one.last_order == 'retire "w0c"'


def test_nobody_stands_in_for_one_whose_successor_has_yet_to_serve(
    running: Supervised,
) -> None:
    _, two = running.processes
    hang_up(running)
    running.processes[-1].reports(Report.READY)
    assert two.orders[1:] == []


def test_the_others_stand_in_for_one_that_seems_to_hang(running: Supervised) -> None:
    one, two = running.processes
    for _ in range(2):
        two.reports(Report.ALIVE)
        running.reactor.advance(2.0)
    assert two.orders[1:] == []
    two.reports(Report.ALIVE)
    running.reactor.advance(2.0)
    assert two.last_order == "stand_in [0]"
    # It was only busy.
    for each in (one, two):
        each.reports(Report.ALIVE)
    running.reactor.advance(2.0)
    assert two.last_order == "stand_in []"
    assert not one.has_ended


def test_the_others_stand_in_while_all_drain(running: Supervised) -> None:
    one, two = running.processes
    running.service.stopService()
    one.dies()
    assert two.orders[1:] == ["stop", "stand_in [0]"]


def test_a_worker_that_hangs_is_killed_and_replaced(running: Supervised) -> None:
    one, two = running.processes
    for _ in range(6):
        two.reports(Report.ALIVE)
        running.reactor.advance(2.0)
    assert one.has_ended
    assert not two.has_ended
    running.reactor.advance(0)
    assert len(running.processes) == 3


# --- SIGHUP ---------------------------------------------------------------------------


def hang_up(supervised: Supervised) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    supervised.reactor.advance(0)


def test_workers_are_replaced_one_after_the_other(running: Supervised) -> None:
    one, two = running.processes
    with Log() as log:
        hang_up(running)
        assert len(running.processes) == 3
        third = running.processes[-1]
        assert third.sockets == one.sockets
        third.reports(Report.READY)
        assert one.last_order == 'retire "w0c"'
        assert len(running.processes) == 3
        one.ends()
        fourth = running.processes[-1]
        fourth.reports(Report.READY)
        assert two.last_order == 'retire "w1d"'
        two.ends()
    assert "All workers are replaced" in log.lines
    assert not third.has_ended
    assert not fourth.has_ended
    running.advance(30.0)
    assert len(running.processes) == 4


def test_a_signal_meanwhile_replaces_them_once_more(running: Supervised) -> None:
    one, two = running.processes
    hang_up(running)
    hang_up(running)
    hang_up(running)
    for old in (one, two):
        running.processes[-1].reports(Report.READY)
        old.ends()
    assert len(running.processes) == 5
    for old in running.processes[2:4]:
        running.processes[-1].reports(Report.READY)
        old.ends()
    assert len(running.processes) == 6
    running.advance(30.0)
    assert len(running.processes) == 6


def test_all_stay_if_the_first_new_one_cannot_start(running: Supervised) -> None:
    one, two = running.processes
    with Log() as log:
        hang_up(running)
        running.processes[-1].reports(Report.FAILED, "a syntax error")
        running.processes[-1].ends(1)
    # The reason is told once.
    assert [line for line in log.lines if "a syntax error" in line] == [
        "slot 0 keeps its worker, and so do those after it: a syntax error"
    ]
    assert [one.has_ended, two.has_ended] == [False, False]
    assert one.orders[1:] == two.orders[1:] == []
    # The next time it may do better.
    hang_up(running)
    assert len(running.processes) == 4


def test_a_process_that_cannot_even_be_described_is_replaced_another_time(
    running: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise ValueError("embedded null byte")

    with Log() as log, monkeypatch.context() as patched:
        patched.setattr(running.service, "_spawn_process", fails)
        hang_up(running)
        running.reactor.advance(0)
    assert log.lines[-1] == (
        "slot 0 keeps its worker, and so do those after it: "
        "worker w0 cannot be started: embedded null byte"
    )
    hang_up(running)
    assert len(running.processes) == 3


def test_a_replacement_that_fails_does_not_prevent_the_next_one(
    running: Supervised,
    monkeypatch: pytest.MonkeyPatch,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(running.service.slots[0], "replace", lambda: 1 / 0)
        hang_up(running)
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    assert len(running.processes) == 2
    hang_up(running)
    assert len(running.processes) == 3


def test_nothing_is_replaced_before_it_serves(supervised: Supervised) -> None:
    def early() -> None:
        hang_up(supervised)
        supervised.all_report()

    supervised.reactor.turns = [early]
    with Log() as log:
        supervised.service.startService()
    assert "SIGHUP: no worker is replaced while they start or stop" in log.lines
    assert len(supervised.processes) == 2


# --- stopping -------------------------------------------------------------------------


def test_it_stops_when_all_have_drained(running: Supervised) -> None:
    one, two = running.processes
    stopped = running.service.stopService()
    assert one.last_order == two.last_order == "stop"
    one.reports(Report.DRAINED)
    # Its clients' connections may be for sessions of the other one.
    assert ORDERS not in one.closed
    two.reports(Report.DRAINED)
    assert ORDERS in one.closed
    one.ends()
    assert not has_fired(stopped)
    two.ends()
    assert has_fired(stopped)
    assert not running.directory.exists()


def test_one_that_dies_meanwhile_is_not_missed(running: Supervised) -> None:
    one, two = running.processes
    stopped = running.service.stopService()
    one.reports(Report.DRAINED)
    two.dies()
    assert ORDERS in one.closed
    one.ends()
    assert has_fired(stopped)
    assert len(running.processes) == 2


def test_one_that_does_not_drain_is_killed(running: Supervised) -> None:
    one, two = running.processes
    stopped = running.service.stopService()
    one.reports(Report.DRAINED)
    running.advance(25.0)
    assert two.has_ended
    one.ends()
    assert has_fired(stopped)


def test_a_second_signal_drops_everything(running: Supervised) -> None:
    one, two = running.processes
    stopped = running.service.stopService()
    one.reports(Report.DRAINED)
    os.kill(os.getpid(), signal.SIGTERM)
    running.reactor.advance(0)
    assert one.last_order == "stop"
    assert two.last_order == "abort"
    two.ends()
    one.ends()
    assert has_fired(stopped)


def test_it_stops_in_the_middle_of_a_replacement(running: Supervised) -> None:
    one, two = running.processes
    hang_up(running)
    running.processes[-1].reports(Report.READY)
    stopped = running.service.stopService()
    hang_up(running)
    third = running.processes[-1]
    assert [each.last_order.partition(" ")[0] for each in (one, two, third)] == [
        "retire",
        "stop",
        "stop",
    ]
    one.ends()
    for each in (two, third):
        each.reports(Report.DRAINED)
        each.ends()
    assert has_fired(stopped)
    assert len(running.processes) == 3


def test_nobody_is_left_to_be_stopped(running: Supervised) -> None:
    for process in running.processes:
        process.dies()
    assert has_fired(running.service.stopService())
