"""Look-ups: few, whoever asks for how many."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from txengineio.cluster.redis.look_ups import LOOK_UP_TIMEOUT, MAX_LOOK_UPS, LookUps


class Asked:
    """What is asked, and the answers that are still to come."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.answers: list[Deferred[bool]] = []
        self.clock = Clock()
        self.look_ups = LookUps(self.ask, self.clock)

    async def ask(self, name: str) -> bool:
        self.names.append(name)
        self.answers.append(Deferred())
        return await self.answers[-1]

    def look_up(self, name: str) -> list[bool]:
        found: list[bool] = []
        self.look_ups.look_up(name).addCallback(found.append)
        return found


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.mark.parametrize("answer", [True, False])
def test_all_who_ask_meanwhile_get_the_same_answer(asked: Asked, answer: bool) -> None:
    found = [asked.look_up("n1"), asked.look_up("n1")]
    assert found == [[], []]
    asked.answers[0].callback(answer)
    assert found == [[answer], [answer]]
    assert asked.names == ["n1"]
    assert asked.clock.getDelayedCalls() == []


def test_a_name_is_asked_for_once_a_beat(asked: Asked) -> None:
    asked.look_up("n1")
    asked.answers[0].callback(False)
    assert asked.look_up("n1") == [False]
    asked.look_ups.beat()
    assert asked.look_up("n1") == []
    assert asked.names == ["n1", "n1"]


def test_no_more_than_so_many_are_asked_for(asked: Asked) -> None:
    found = [asked.look_up(f"n{number}") for number in range(MAX_LOOK_UPS + 1)]
    assert found[-1] == [False]
    assert len(asked.names) == MAX_LOOK_UPS


def test_who_is_not_found_in_time_is_not_there(asked: Asked) -> None:
    found = asked.look_up("n1")
    asked.clock.advance(LOOK_UP_TIMEOUT)
    assert found == [False]
