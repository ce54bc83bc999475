"""Which node is to have a new session."""

from __future__ import annotations

import pytest
from zope.interface import implementer

from txengineio.cluster.interfaces import IPeer, Load
from txengineio.cluster.placement import better_place, has_come
from txengineio.server.web.incoming_request import IncomingRequest


@implementer(IPeer)
class Placed:
    """A node of which only the load counts."""

    def __init__(self, sessions: int, draining: bool = False) -> None:
        self.name = str(sessions)
        self.load = Load("w", sessions, draining)
        self.heard_at = 0.0
        self.is_near = True

    def hand_over(self, channel: object, received: bytes) -> bool:
        raise AssertionError

    def forward(self, request: IncomingRequest) -> None:
        raise AssertionError

    abandon = forward

    def tell(self, kind: bytes, payload: bytes) -> bool:
        raise AssertionError


@pytest.mark.parametrize(
    ("own", "others", "place"),
    [
        (1000, [], None),
        (50, [0, 0], None),
        # 1.25 times the mean, and 50 more.
        (85, [0, 0], None),
        (86, [0, 0], "0"),
        (1000, [1000, 900], None),
        (1442, [1000, 900], None),
        (1443, [1000, 900], "900"),
        (0, [1000, 1000], None),
    ],
)
def test_who_has_many_more_than_others_gives_away(
    own: int, others: list[int], place: str | None
) -> None:
    peers = [Placed(each) for each in others]
    found = better_place(own, True, None, peers)
    assert (found and found.name) == place


def test_who_drains_gets_none_and_keeps_none() -> None:
    drains = Placed(0, draining=True)
    assert better_place(1000, True, None, [drains]) is None
    assert better_place(1000, False, None, [drains]) is None
    assert better_place(0, False, None, [drains, Placed(7), Placed(8)]) is not None


def test_who_is_full_gives_to_those_who_are_not() -> None:
    peers = [Placed(10), Placed(9)]
    assert better_place(9, True, 10, peers) is None
    found = better_place(10, True, 10, peers)
    assert found is not None
    assert found.name == "9"
    has_come(found)
    # Until it says how many it has.
    assert better_place(10, True, 10, peers) is None
