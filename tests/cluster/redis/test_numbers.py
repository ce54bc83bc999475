"""Numbers: each gap is found, and nothing else is taken for one."""

from __future__ import annotations

from txengineio.cluster.redis.frames import Frame, Own
from txengineio.cluster.redis.numbers import Numbers

FIRST, SECOND = b"first   ", b"second  "


def message(number: int, incarnation: bytes = FIRST) -> Frame:
    return Frame(
        kind=b"b", sender="n1", incarnation=incarnation, number=number, payload=b""
    )


def own(number: int) -> Frame:
    return Frame(
        kind=Own.HERE.value,
        sender="n1",
        incarnation=FIRST,
        number=number,
        payload=b"",
    )


def test_numbers_for_each_receiver_begin_at_one() -> None:
    numbers = Numbers()
    assert [numbers.next_to_all(), numbers.next_to_all()] == [1, 2]
    assert numbers.to_one("n1", FIRST) == 0
    assert [numbers.next_to_one("n1", FIRST) for _ in range(2)] == [1, 2]
    assert numbers.next_to_one("n2", FIRST) == 1
    assert numbers.to_one("n1", FIRST) == 2
    assert numbers.next_to_one("n1", SECOND) == 1


def test_gap_is_counted() -> None:
    numbers = Numbers()
    heard = [message(5), message(6), message(9), message(10)]
    assert [numbers.lost_before(each, True) for each in heard] == [0, 0, 2, 0]


def test_first_message_to_this_node_is_number_one() -> None:
    numbers = Numbers()
    assert numbers.lost_before(message(3), False) == 2
    assert numbers.lost_before(message(1, SECOND), False) == 0


def test_what_comes_again_is_found_out() -> None:
    numbers = Numbers()
    heard = [message(5), message(5), message(4), own(4), own(5), message(6)]
    assert [numbers.lost_before(each, True) for each in heard] == [
        *(0, None, None, None, 0, 0),
    ]


def test_frames_of_the_membership_tell_of_the_last_message() -> None:
    numbers = Numbers()
    heard = [own(5), own(5), own(7), message(8), own(8)]
    assert [numbers.lost_before(each, True) for each in heard] == [0, 0, 2, 0, 0]


def test_another_start_of_a_node_begins_anew() -> None:
    numbers = Numbers()
    assert numbers.lost_before(message(50), True) == 0
    assert numbers.lost_before(message(3, SECOND), True) == 0
    assert numbers.lost_before(message(5, SECOND), True) == 1


def test_a_node_that_has_left_is_forgotten() -> None:
    numbers = Numbers()
    numbers.next_to_one("n1", FIRST)
    numbers.lost_before(message(5), True)
    numbers.lost_before(message(1), False)
    numbers.forget("n1")
    assert numbers._to_one == {}
    assert numbers._heard == {}
