"""Tasks: each once at a time."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from txengineio.cluster.broker.tasks import Tasks


class Case:
    """Tasks that wait until they are told to go on."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.tasks = Tasks(self.failures.append)
        self.waiting: list[Deferred[None]] = []

    async def work(self) -> None:
        self.waiting.append(Deferred())
        await self.waiting[-1]

    async def start_another(self) -> None:
        self.tasks.start("one", self.work)


def test_each_is_under_way_once() -> None:
    case = Case()
    case.tasks.start("one", case.work)
    case.tasks.start("one", case.work)
    case.tasks.start("two", case.work)
    assert len(case.waiting) == 2
    case.waiting[0].callback(None)
    case.tasks.start("one", case.work)
    assert len(case.waiting) == 3
    assert case.failures == []


def test_one_does_not_start_itself() -> None:
    case = Case()
    case.tasks.start("one", case.start_another)
    assert case.waiting == []
    case.tasks.start("one", case.work)
    assert len(case.waiting) == 1


def test_failures_go_to_who_waits_or_to_who_takes_them() -> None:
    case = Case()
    case.tasks.start("one", case.work)
    problems: list[Failure] = []
    case.tasks.run("two", case.work).addErrback(problems.append)
    case.tasks.cancel()
    assert [each.type for each in case.failures] == [CancelledError]
    assert [each.type for each in problems] == [CancelledError]
    case.tasks.start("one", case.work)
    assert len(case.waiting) == 3
