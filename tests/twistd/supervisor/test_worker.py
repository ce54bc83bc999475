"""The process of a worker: what it reports, and what it does when it is told to."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.twistd.supervisor.doubles import Log, assignment
from txengineio.twistd.supervisor import worker
from txengineio.twistd.supervisor.control import Order, Report, line_of
from txengineio.twistd.supervisor.worker import Orders, Reports, Worker


class Service:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.drained: Deferred[None] = Deferred()

    def drain(self) -> Deferred[None]:
        self.told.append("drain")
        return self.drained

    async def retire(self, successor: str) -> None:
        self.told.append(f"retire {successor}")
        await self.drained

    def abort(self) -> None:
        self.told.append("abort")


class Reactor(MemoryReactorClock):
    """Counts how often it is stopped."""

    stops = 0

    @override
    def stop(self) -> None:
        self.stops += 1


class Running:
    """A worker, and what it reports."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.service = Service()
        self.reports: list[str] = []
        self.assignment = assignment()
        self.turns = 0
        self.slots: list[int] = []
        told: Any = self
        self.worker = Worker(
            self.reactor, self.service, told, self.assignment, told, told
        )

    def stand_in(self, slots: Iterable[int]) -> None:
        self.slots = [*slots]

    def turned(self) -> None:
        self.turns += 1

    def tell(self, report: Report, value: Any = None) -> None:
        self.reports.append(report)


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for each in (read, write):
        try:
            os.close(each)
        except OSError:
            continue


def test_reports_are_lines(pipe: tuple[int, int]) -> None:
    read, write = pipe
    reports = Reports(write)
    reports.tell(Report.READY)
    reports.tell(Report.FAILED, "why")
    reports.log('{"a": 1}')
    assert os.read(read, 1000) == b'ready\nfailed "why"\nlog {"a": 1}\n'


def test_long_reports_are_whole(pipe: tuple[int, int]) -> None:
    read, write = pipe
    text = "x" * 1_000_000
    writes = threading.Thread(target=Reports(write).tell, args=(Report.FAILED, text))
    writes.start()
    data = b""
    while not data.endswith(b"\n"):
        data += os.read(read, 65536)
    writes.join()
    assert data == line_of(Report.FAILED, text)


def test_nobody_may_be_there_to_be_told(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.close(read)
    Reports(write).tell(Report.ALIVE)


def test_programs_that_are_started_have_no_pipe(pipe: tuple[int, int]) -> None:
    for each in pipe:
        os.set_inheritable(each, True)
    Orders(pipe[0], print, print)
    Reports(pipe[1])
    assert not any(map(os.get_inheritable, pipe))


def test_orders_are_read_and_end(pipe: tuple[int, int]) -> None:
    read, write = pipe
    heard: list[Any] = []
    orders = Orders(
        read, lambda *order: heard.append(order), lambda: heard.append("end")
    )
    assert orders.fileno() == read
    os.write(write, line_of(Order.RETIRE, "w0b") + b"sto")
    assert orders.doRead() is None
    os.write(write, b"p\n")
    assert orders.doRead() is None
    assert heard == [("retire", "w0b"), ("stop", None)]
    os.close(write)
    assert orders.doRead() is CONNECTION_DONE
    orders.connectionLost(Failure(CONNECTION_DONE))
    assert heard[-1] == "end"


def test_it_reports_that_it_lives(running: Running) -> None:
    running.worker.begin()
    assert running.reports == ["ready", "alive"]
    running.reactor.pump([2.0] * 3)
    assert running.reports == ["ready"] + ["alive"] * 4
    assert running.turns == 4


def test_it_drains_reports_that_and_waits(running: Running) -> None:
    running.worker.ordered("stop", None)
    assert running.service.told == ["drain"]
    assert running.reports == []
    running.service.drained.callback(None)
    assert running.reports == ["drained"]
    assert running.reactor.stops == 0
    with Log() as log:
        running.worker.orders_ended()
    assert running.reactor.stops == 1
    assert log.lines == []
    assert running.slots == []


def test_it_retires_and_ends(running: Running) -> None:
    running.worker.ordered("retire", "w0b")
    assert running.service.told == ["retire w0b"]
    assert running.reactor.stops == 0
    running.service.drained.callback(None)
    assert running.reactor.stops == 1
    running.worker.orders_ended()
    assert running.reactor.stops == 1


def test_it_ends_though_it_could_not_retire(
    running: Running, flush_logged_errors: FlushLoggedErrors
) -> None:
    running.worker.ordered("retire", "w0b")
    running.service.drained.errback(ValueError("broken"))
    assert running.reactor.stops == 1
    assert len(flush_logged_errors(ValueError)) == 1


def test_it_drops_everything(running: Running) -> None:
    running.worker.ordered("stop", None)
    running.worker.ordered("abort", None)
    assert running.service.told == ["drain", "abort"]
    assert running.reactor.stops == 1


def test_it_ends_without_a_supervisor(running: Running) -> None:
    with Log() as log:
        running.worker.orders_ended()
    assert log.lines == ["The supervisor is gone"]
    # Nobody follows those that end now: whoever is left accepts for all.
    assert running.slots == [0, 1]
    # The reactor's end stops the service, which drains.
    assert running.reactor.stops == 1


def test_restarts_are_kept_up_to_date(running: Running) -> None:
    restarts = running.assignment.settings.restarts
    running.worker.ordered("restarts", [0, 3])
    assert restarts == [0, 3]
    assert json.dumps(running.assignment.to_value()["settings"]["restarts"]) == "[0, 3]"


def test_it_stands_in_as_it_is_told(running: Running) -> None:
    running.worker.ordered("stand_in", [1])
    assert running.slots == [1]
    running.worker.ordered("stand_in", [])
    assert running.slots == []


class Options(dict[str, Any]):
    """A command line that makes no sense."""

    def parseOptions(self, arguments: list[str]) -> None:  # noqa: N802
        raise SystemExit(f"cannot read {arguments} for slot {self['inheritance']}")


class Broken(Options):
    """A command line that is broken by its application."""

    @override
    def parseOptions(self, arguments: list[str]) -> None:
        raise ValueError("broken")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Where orders are written, and reports read, of a worker in this process."""
    orders, reports = os.pipe(), os.pipe()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGHUP)}
    monkeypatch.setattr(worker, "ORDERS", orders[0])
    monkeypatch.setattr(worker, "REPORTS", reports[1])
    monkeypatch.setattr(worker, "Inheritance", lambda _reactor, _sockets, slot: slot)
    monkeypatch.setattr(worker, "globalLogBeginner", LogBeginner())
    yield orders[1], reports[0]
    for each, handler in before.items():
        signal.signal(each, handler)
    for descriptor in (*orders, *reports):
        with suppress(OSError):
            os.close(descriptor)


class LogBeginner:
    """Leaves the log of the tests as it is."""

    def beginLoggingTo(self, observers: object) -> None:  # noqa: N802
        """Do nothing."""


def begins(started: tuple[int, int], command: type[Options]) -> list[bytes]:
    """Let a worker of a command begin; return what it reports before it ends."""
    orders, reports = started
    told = assignment()
    told.command = f"{__name__}:{command.__name__}"
    told.reactor = f"{__name__}"
    told.path = list(sys.path)
    os.write(orders, line_of(Order.ASSIGNMENT, told.to_value()) + b"rest")
    with pytest.raises(SystemExit) as raised:
        worker.main()
    assert raised.value.code == 1
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return os.read(reports, 10_000).splitlines()


def install() -> None:
    """Be the module of a reactor."""


def test_what_makes_no_sense_is_reported(started: tuple[int, int]) -> None:
    assert begins(started, Options) == [
        b"failed \"cannot read ['--workers', '2'] for slot 0\""
    ]


def test_a_fault_of_the_application_is_reported(
    started: tuple[int, int], flush_logged_errors: FlushLoggedErrors
) -> None:
    assert begins(started, Broken) == [b'failed "ValueError: broken"']
    assert len(flush_logged_errors(ValueError)) == 1


def test_nothing_begins_without_a_supervisor(started: tuple[int, int]) -> None:
    os.close(started[0])
    with pytest.raises(SystemExit, match="there is no supervisor"):
        worker.main()


def test_drained_at_once(running: Running) -> None:
    running.service.drained = succeed(None)
    running.worker.ordered("stop", None)
    assert running.reports == ["drained"]
