"""A worker: the process that serves, and does what its supervisor orders.

It is the service that runs without workers, with three differences: it accepts from
sockets that it has inherited, its log goes to the supervisor, and so does a sign of
life now and then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, globalLogBeginner
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny, namedModule
from zope.interface import implementer

from txengineio.twistd.supervisor.control import (
    ORDERS,
    REPORTS,
    Assignment,
    Lines,
    Order,
    Report,
    line_of,
    message_in,
)
from txengineio.twistd.supervisor.inheritance import Inheritance
from txengineio.twistd.supervisor.logs import EventReporter
from txengineio.twistd.supervisor.process import TICKS
from txengineio.twistd.supervisor.watchdog import Watchdog

__all__ = ["Orders", "Reports", "Worker", "main"]

_AT_ONCE: Final = 65536
"""Bytes of orders that are read at a time."""

_log = Logger()


def _keep_from_programs(descriptor: int) -> None:
    """Close a descriptor in programs that the application starts.

    This process has inherited it itself. In a program that outlives it, the pipe would
    not end with it.
    """
    os.set_inheritable(descriptor, False)


class Reports:
    """The pipe by which a worker reports.

    Reports are written at once: the last words of a process that ends matter most.

    Args:
        descriptor: The pipe.
    """

    def __init__(self, descriptor: int) -> None:
        _keep_from_programs(descriptor)
        self._descriptor = descriptor
        # Threads write to the log, too.
        self._lock = Lock()

    def tell(self, report: Report, value: Any = None) -> None:
        """Report something."""
        self._write(line_of(report, value))

    def log(self, event: str) -> None:
        """Report an event, as JSON."""
        self._write(f"{Report.LOG} {event}\n".encode())

    def _write(self, line: bytes) -> None:
        # Without a supervisor there is nothing to report to.
        with self._lock, suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._descriptor, line) :]


@implementer(IReadDescriptor)
class Orders:
    """Reads the orders while the reactor runs.

    Args:
        descriptor: The pipe.
        ordered: Called with each order, and its value.
        ended: Called when there will be no more.
    """

    def __init__(
        self,
        descriptor: int,
        ordered: Callable[[str, Any], object],
        ended: Callable[[], object],
    ) -> None:
        _keep_from_programs(descriptor)
        self._descriptor = descriptor
        self._lines = Lines()
        self._ordered = ordered
        self._ended = ended

    def fileno(self) -> int:
        """Return the pipe's descriptor."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name it, for the log."""
        return "supervisor"

    def doRead(self) -> Any:
        """Read what is there."""
        data = os.read(self._descriptor, _AT_ONCE)
        if not data:
            return CONNECTION_DONE
        for line in self._lines.received(data):
            word, value = message_in(line)
            self._ordered(word, json.loads(value) if value else None)
        return None

    def connectionLost(self, _reason: Failure) -> None:
        """Report that no more orders will come, or that the supervisor is gone."""
        self._ended()


class Worker:
    """Runs the service of a worker.

    Args:
        reactor: The reactor.
        service: The service, which has been started.
        inheritance: The sockets that the service listens on.
        assignment: What the worker is.
        reports: Where it reports.
        watchdog: Is told each time the reactor has turned.
    """

    def __init__(
        self,
        reactor: Any,
        service: Any,
        inheritance: Inheritance,
        assignment: Assignment,
        reports: Reports,
        watchdog: Watchdog,
    ) -> None:
        self._reactor = reactor
        self._service = service
        self._inheritance = inheritance
        self._settings = assignment.settings
        self._timeout = assignment.timeout
        self._reports = reports
        self._watchdog = watchdog
        self._is_ending = False
        self._has_drained = False
        self._orders: dict[str, Callable[[Any], object]] = {
            Order.RESTARTS: self._set_restarts,
            Order.STAND_IN: inheritance.stand_in,
            Order.RETIRE: self._retire,
            Order.STOP: self._stop,
            Order.ABORT: self._abort,
        }

    def begin(self) -> None:
        """Report that it serves, and go on doing so."""
        self._reports.tell(Report.READY)
        alive = LoopingCall(self._report_life)
        alive.clock = self._reactor
        alive.start(self._timeout / TICKS)

    def _report_life(self) -> None:
        self._reports.tell(Report.ALIVE)
        self._watchdog.turned()

    def ordered(self, order: str, value: Any) -> None:
        """Carry out an order."""
        self._orders[order](value)

    def orders_ended(self) -> None:
        """End: the supervisor is gone, or has nothing left for this process to do."""
        if not self._has_drained and not self._is_ending:
            _log.warn("The supervisor is gone")
            # The other workers end, too, and have no successors: accept for all slots.
            self._inheritance.stand_in(range(self._settings.workers))
        self._end()

    def _set_restarts(self, restarts: list[int]) -> None:
        self._settings.restarts[:] = restarts

    def _retire(self, successor: str) -> None:
        retired = Deferred.fromCoroutine(self._service.retire(successor))
        retired.addErrback(_failed, "a worker could not retire")
        retired.addCallback(lambda _: self._end())

    def _stop(self, _value: None) -> None:
        self._service.drain().addCallback(self._drained)

    def _drained(self, _result: None) -> None:
        self._has_drained = True
        self._reports.tell(Report.DRAINED)

    def _abort(self, _value: None) -> None:
        self._service.abort()
        self._end()

    def _end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            # Another program, such as systemd, may have sent this process a signal.
            with suppress(ReactorNotRunning):
                self._reactor.stop()


def _failed(why: Failure, text: str) -> None:
    _log.failure(text, why)


def main() -> None:
    """Run the worker that the first line of the orders describes."""
    # A signal to all processes of a terminal is meant for the supervisor.
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    reports = Reports(REPORTS)
    assignment = _assignment()
    sys.path[:] = assignment.path
    namedModule(assignment.reactor).install()
    from twisted.internet import reactor

    globalLogBeginner.beginLoggingTo([EventReporter(reports.log)])
    slot = assignment.settings.slot
    inheritance = Inheritance(reactor, assignment.sockets, slot)
    try:
        service = _service(assignment, inheritance)
    except SystemExit as problem:
        _cannot_start(reports, str(problem))
    except Exception as problem:
        _log.failure("the worker cannot start")
        _cannot_start(reports, f"{type(problem).__name__}: {problem}")
    watchdog = Watchdog(assignment.timeout)
    worker = Worker(reactor, service, inheritance, assignment, reports, watchdog)
    reactor.callWhenRunning(watchdog.start)
    reactor.callWhenRunning(worker.begin)
    reactor.addReader(Orders(ORDERS, worker.ordered, worker.orders_ended))
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    watchdog.stop()
    # If the supervisor was killed, its last worker removes the directory.
    with suppress(OSError):
        Path(assignment.settings.directory).rmdir()


def _assignment() -> Assignment:
    line = bytearray()
    # The reactor reads the lines after it.
    while not line.endswith(b"\n"):
        read = os.read(ORDERS, 1)
        if not read:
            raise SystemExit("there is no supervisor")
        line += read
    return Assignment.from_value(json.loads(message_in(bytes(line))[1]))


def _service(assignment: Assignment, inheritance: Inheritance) -> Any:
    """Make and start the service of the command line."""
    options = namedAny(assignment.command.replace(":", "."))()
    options["assignment"] = assignment
    options["inheritance"] = inheritance
    options.parseOptions(assignment.arguments)
    from txengineio.twistd.server_options import make_service

    service = make_service(options)
    os.chdir(assignment.folder)
    service.privilegedStartService()
    service.startService()
    return service


def _cannot_start(reports: Reports, why: str) -> None:
    reports.tell(Report.FAILED, why)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
