"""The other nodes that a node knows, and which it has not heard for too long."""

from __future__ import annotations

import pytest

from tests.cluster.redis.memory import Recorder
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import Member
from txengineio.cluster.redis.members import SILENT_BEATS, Members

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
