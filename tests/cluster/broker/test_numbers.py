"""Numbers: each gap is found, and nothing counts twice."""

from __future__ import annotations

import pytest

from txengineio.cluster.broker import numbers
from txengineio.cluster.broker.frames import Frame, Own, Seal
from txengineio.cluster.broker.numbers import REMEMBERED, Heard, Said

FIRST, SECOND = b"start  1", b"start  2"
SEAL = Seal(b"secret", "chat")


class Sender:
    """A node whose frames follow each other."""

    def __init__(self, name: str = "n1", incarnation: bytes = FIRST) -> None:
        self.name = name
        self.incarnation = incarnation
        self.serial = 0

    def message(self, number: int, kind: bytes = b"b") -> Frame:
        self.serial += 1
        return Frame(
            kind=kind,
            sender=self.name,
            incarnation=self.incarnation,
            serial=self.serial,
            number=number,
            payload=b"",
        )

    def own(self, number: int) -> Frame:
        return self.message(number, Own.HERE.value)


def said() -> Said:
    return Said(SEAL, "n0")


def test_numbers_for_each_receiver_begin_at_one() -> None:
    numbers = said()
    assert [numbers.next_to_all(), numbers.next_to_all()] == [1, 2]
    assert numbers.to_one("n1", FIRST) == 0
    assert [numbers.next_to_one("n1", FIRST) for _ in range(2)] == [1, 2]
    assert numbers.next_to_one("n2", FIRST) == 1
    assert numbers.to_one("n1", FIRST) == 2
    assert numbers.next_to_one("n1", SECOND) == 1
    numbers.forget("n2")
    assert numbers.to_one("n2", FIRST) == 0


def test_serial_numbers_grow_over_all_channels_and_starts() -> None:
    numbers = said()
    encoded = [numbers.encode(b"c1", b"b", 7, b"x")]
    numbers.begin(FIRST)
    encoded.append(numbers.encode(b"c2", b"b", 7, b"x"))
    numbers.end()
    numbers.begin(SECOND)
    encoded.append(numbers.encode(b"c1", b"b", 7, b"x"))
    frames = [
        SEAL.decode(channel, each)
        for channel, each in zip((b"c1", b"c2", b"c1"), encoded, strict=True)
    ]
    assert [each.serial for each in frames] == [1, 2, 3]
    assert [each.incarnation for each in frames] == [bytes(8), FIRST, SECOND]
    assert {(each.sender, each.number, each.payload) for each in frames} == {
        ("n0", 7, b"x")
    }


def test_another_start_tells_nothing_of_the_one_before() -> None:
    numbers = said()
    numbers.begin(FIRST)
    numbers.next_to_all()
    numbers.next_to_one("n1", FIRST)
    numbers.begin(SECOND)
    assert numbers.to_all == 0
    assert numbers.to_one("n1", FIRST) == 0


def test_gap_is_counted() -> None:
    heard, sender = Heard(), Sender()
    frames = [sender.message(number) for number in (5, 6, 9, 10)]
    assert [heard.lost_before(each, True) for each in frames] == [0, 0, 2, 0]


def test_first_message_to_this_node_is_number_one() -> None:
    heard = Heard()
    assert heard.lost_before(Sender().message(3), False) == 2
    assert heard.lost_before(Sender(incarnation=SECOND).message(1), False) == 0


def test_what_comes_again_is_found_out() -> None:
    heard, sender = Heard(), Sender()
    first, second, third = sender.message(5), sender.own(5), sender.message(6)
    told = [first, first, second, first, second, third, second, third]
    assert [heard.lost_before(each, True) for each in told] == [
        *(0, None, 0, None, None, 0, None, None),
    ]


def test_the_key_of_a_node_says_what_was_said_before() -> None:
    heard, sender = Heard(), Sender()
    before, key, after = sender.message(5), sender.own(0), sender.message(6)
    assert heard.is_new(key)
    assert not heard.is_new(key)
    assert heard.lost_before(before, True) is None
    assert heard.lost_before(after, True) == 0


def test_frames_of_the_membership_tell_of_the_last_message() -> None:
    heard, sender = Heard(), Sender()
    frames = [sender.own(5), sender.own(5), sender.own(7), sender.message(8)]
    assert [heard.lost_before(each, True) for each in frames] == [0, 0, 2, 0]
    assert heard.lost_before(sender.own(8), True) == 0


def test_another_start_of_a_node_begins_anew_and_ends_the_one_before() -> None:
    heard, first, second = Heard(), Sender(), Sender(incarnation=SECOND)
    assert heard.lost_before(first.message(50), True) == 0
    assert heard.lost_before(second.message(3), True) == 0
    assert heard.lost_before(second.message(5), True) == 1
    assert heard.lost_before(first.message(51), True) is None
    assert not heard.is_new(first.own(51))


def test_those_who_are_gone_are_remembered_for_an_hour() -> None:
    heard = Heard()
    frames = [Sender(name).own(0) for name in ("n1", "n2")]
    assert all(map(heard.is_new, frames))
    for _ in range(REMEMBERED // 5 - 1):
        assert heard.forget({"n1"}, 5) == []
    assert not any(map(heard.is_new, frames))
    # One that is back is no longer gone.
    assert heard.forget({"n1", "n2"}, 5) == []
    for _ in range(REMEMBERED // 5 - 1):
        assert heard.forget({"n1"}, 5) == []
    assert heard.forget({"n1"}, 5) == ["n2"]
    assert [heard.is_new(each) for each in frames] == [False, True]


def test_a_bounded_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MAX_REMEMBERED", 2)
    heard = Heard()
    for name in ("n1", "n2", "n3"):
        assert heard.is_new(Sender(name).own(0))
        assert heard.forget({"n0"}, 5) == ([] if name != "n3" else ["n1"])
