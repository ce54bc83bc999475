"""Questions to other nodes, and how long they wait."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.doubles import has_fired
from txengineio.cluster.interfaces import IPeer, Load
from txengineio.cluster.messages import Answer, Question
from txengineio.cluster.questions import Questions
from txengineio.session.timers import TimerWheel


@implementer(IPeer)
class Asked:
    """A node that keeps what it is told."""

    load = Load("w1")
    heard_at = 0.0
    is_near = True

    def __init__(self, name: str = "n1", takes: bool = True) -> None:
        self.name = name
        self.takes = takes
        self.questions: list[Question] = []

    def hand_over(self, channel: object, received: bytes) -> bool:
        return False

    def forward(self, request: object) -> None:
        raise AssertionError

    abandon = forward

    def tell(self, kind: bytes, payload: bytes) -> bool:
        assert kind == b"q"
        if self.takes:
            self.questions.append(Question.decode(payload))
        return self.takes


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def questions(clock: Clock) -> Questions:
    return Questions(TimerWheel(clock, 0.05, "a question"))


def outcome(deferred: Deferred[bytes | None]) -> bytes | None:
    found: list[bytes | None] = []
    deferred.addCallback(found.append)
    (only,) = found
    return only


def test_an_answer_ends_the_waiting(clock: Clock, questions: Questions) -> None:
    peer = Asked()
    answered = [questions.ask(peer, "c", b"%d" % each, 1.0) for each in range(2)]
    one, two = peer.questions
    assert (one.channel, one.data, two.data) == ("c", b"0", b"1")
    assert questions.answered("n1", Answer(two.number, b"second"))
    assert not has_fired(answered[0])
    assert outcome(answered[1]) == b"second"
    assert questions.answered("n1", Answer(one.number, None))
    assert outcome(answered[0]) is None
    assert len(questions) == 0
    clock.advance(1)
    assert clock.getDelayedCalls() == []


def test_nobody_waits_for_ever(clock: Clock, questions: Questions) -> None:
    peer = Asked()
    answered = questions.ask(peer, "c", b"", 1.0)
    clock.pump([0.1] * 9)
    assert not has_fired(answered)
    clock.pump([0.1] * 3)
    assert outcome(answered) is None
    assert not questions.answered("n1", Answer(peer.questions[0].number, b"late"))


def test_nobody_answers_for_another(questions: Questions) -> None:
    peer = Asked()
    answered = questions.ask(peer, "c", b"", 1.0)
    assert not questions.answered("n2", Answer(peer.questions[0].number, b"wrong"))
    assert not has_fired(answered)
    questions.stop()
    assert outcome(answered) is None


def test_who_takes_nothing_or_has_gone_does_not_answer(
    clock: Clock, questions: Questions
) -> None:
    assert outcome(questions.ask(Asked(takes=False), "c", b"", 1.0)) is None
    one, two = Asked("n1"), Asked("n2")
    answered = [questions.ask(each, "c", b"", 1.0) for each in (one, two)]
    questions.gone("n1")
    assert outcome(answered[0]) is None
    assert not has_fired(answered[1])
    questions.stop()
    assert outcome(answered[1]) is None
    assert len(questions) == 0
    clock.advance(1)
    assert clock.getDelayedCalls() == []
