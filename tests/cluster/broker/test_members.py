"""The other nodes that a node knows, and which it has not heard for too long."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.cluster.broker.recorder import Recorder
from txengineio.cluster.broker.members import SILENT_BEATS, Members
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member

FIRST, SECOND = b"first   ", b"second  "


def member(address: str = "a:1", sessions: int = 0) -> Member:
    return Member("n1", address, Load("n1", sessions))


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
def members(listener: Recorder) -> Members:
    members = Members(listener)
    members.here(member(), FIRST)
    return members


def test_a_node_joins_once_and_announces_often(
    members: Members, listener: Recorder
) -> None:
    members.here(member(sessions=5), FIRST)
    assert listener.changes == ["+n1"]
    assert listener.loads == {"n1": Load("n1", 5)}
    assert members.is_member("n1", FIRST)
    assert not members.is_member("n1", SECOND)
    assert not members.is_member("n2", FIRST)


def test_another_address_and_another_start_are_told(
    members: Members, listener: Recorder
) -> None:
    members.here(member("a:2"), FIRST)
    assert listener.changes == ["+n1", "+n1"]
    members.here(member("a:2"), SECOND)
    assert listener.changes == ["+n1", "+n1", "-n1", "+n1"]
    assert members.incarnation_of("n1") == SECOND


def test_who_is_gone_is_told_once(members: Members, listener: Recorder) -> None:
    members.remove("n1")
    members.remove("n1")
    assert listener.changes == ["+n1", "-n1"]
    assert members.incarnation_of("n1") is None


def test_silence_is_counted_in_beats(members: Members) -> None:
    for _ in range(SILENT_BEATS - 1):
        assert members.beat() == []
    members.heard("n1")
    for _ in range(SILENT_BEATS - 1):
        assert members.beat() == []
    assert members.beat() == ["n1"]
    assert members.is_silent("n1")
    members.listen_again()
    assert not members.is_silent("n1")
    assert not members.is_silent("n2")


def fall_silent(members: Members) -> Deferred[bool]:
    for _ in range(SILENT_BEATS):
        members.beat()
    return Deferred.fromCoroutine(members.is_gone("n1"))


def outcome_of(asked: Deferred[bool]) -> bool:
    outcomes: list[bool] = []
    asked.addCallback(outcomes.append)
    (outcome,) = outcomes
    return outcome


def test_a_silent_node_that_answers_is_not_gone(
    members: Members, listener: Recorder
) -> None:
    listener.answering["n1"] = succeed(True)
    assert not outcome_of(fall_silent(members))
    # It is asked again when it was silent for as long once more.
    assert not members.is_silent("n1")
    listener.answering["n1"] = succeed(False)
    assert outcome_of(fall_silent(members))
    assert listener.asked == ["n1", "n1"]
    assert listener.changes == ["+n1"]


@pytest.mark.parametrize("answers", [True, False])
def test_what_happens_while_a_node_is_asked(
    members: Members, listener: Recorder, answers: bool
) -> None:
    answer = listener.answering["n1"] = Deferred[bool]()
    asked = fall_silent(members)
    members.heard("n1")
    answer.callback(answers)
    assert not outcome_of(asked)
    answer = listener.answering["n1"] = Deferred[bool]()
    asked = fall_silent(members)
    members.remove("n1")
    answer.callback(answers)
    assert not outcome_of(asked)
    assert listener.changes == ["+n1", "-n1"]


def test_who_is_not_silent_is_not_asked(members: Members, listener: Recorder) -> None:
    assert not outcome_of(Deferred.fromCoroutine(members.is_gone("n1")))
    assert not outcome_of(Deferred.fromCoroutine(members.is_gone("n2")))
    assert listener.asked == []
