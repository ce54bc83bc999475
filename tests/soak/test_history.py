"""The checker of histories finds what it is there for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.soak.history import (
    NEAR,
    Event,
    Failure,
    Fate,
    Ledger,
    Received,
    Session,
    bystanders,
    check,
    check_failures,
    returns,
)

SID = "w0a-xyz"
KILLED = {"w0a": Fate(Event.KILLED, 10.0, 10.0)}
ELSEWHERE = {"w1a": Fate(Event.KILLED, 10.0, 10.0)}


def numbered(*numbers: int, client: str = "c1") -> list[Received]:
    return [Received(client, number) for number in numbers]


def make_session(*numbers: int, sent: int = 5, **more: Any) -> Session:
    """Return a session that has sent five messages, and got some back."""
    session = Session(
        client="c1",
        sid=SID,
        opened=1.0,
        sent=sent,
        received=numbered(*numbers),
        ends=[10.5],
        is_complete=True,
    )
    for name, value in more.items():
        setattr(session, name, value)
    return session


def good_session(**more: Any) -> Session:
    return make_session(0, 1, 2, 3, 4, **more)


def good_ledger() -> Ledger:
    return Ledger(numbered(0, 1, 2, 3, 4), ["transport close"])


def problem_of(
    session: Session,
    ledger: Ledger | None = None,
    fates: dict[str, Fate] | None = None,
) -> str:
    """Return the only problem there is."""
    ledgers = {SID: ledger or good_ledger()}
    (problem,) = check([session], ledgers, fates or {})
    return problem


def test_a_good_history_has_no_problem() -> None:
    assert check([good_session(acknowledged=5)], {SID: good_ledger()}, {}) == []


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ((0, 1, 3, 4), "did not get messages between others: [2]"),
        ((1, 2, 3, 4), "did not get messages between others: [0]"),
        ((0, 1, 1, 2, 3, 4), "got messages more than once: [1]"),
        ((0, 1, 2, 3, 4, 0), "got messages more than once: [0]"),
        ((0, 2, 1, 3, 4), "got messages in another order: 1 after 2"),
        ((4, 3, 2, 1, 0), "got messages in another order: 3 after 4"),
    ],
)
def test_order_at_either_end(numbers: tuple[int, ...], problem: str) -> None:
    came_back = make_session(*numbers, sent=9, is_complete=False)
    arrived = Ledger(numbered(*numbers), ["ping timeout"])
    found = check([came_back], {SID: arrived}, KILLED)
    assert found == [
        f"c1 (w0a-xyz): the client {problem}",
        f"c1 (w0a-xyz): the application {problem}",
    ]


def test_the_last_messages_of_a_session_that_did_not_end_are_missed() -> None:
    assert "3 of 5 came back" in problem_of(make_session(0, 1, 2))


def test_what_a_killed_process_had_not_handled_may_be_lost() -> None:
    session = make_session(0, 1, 2, is_complete=False)
    ledger = Ledger(numbered(0, 1, 2, 3))
    assert check([session], {SID: ledger}, KILLED) == []


@pytest.mark.parametrize("event", [Event.KILLED, Event.RETIRED])
def test_but_nothing_that_was_acknowledged(event: Event) -> None:
    session = make_session(0, 1, is_complete=False, acknowledged=5)
    ledger = Ledger(numbered(0, 1, 2, 3), ["server shutdown"])
    found = problem_of(session, ledger, {"w0a": Fate(event, 10.0, 10.0)})
    assert "5 were acknowledged, 4 arrived" in found


def test_except_by_a_session_that_has_said_goodbye() -> None:
    session = make_session(0, 1, sent=10, is_complete=False, acknowledged=9)
    ledger = Ledger(numbered(0, 1, 2, 3), ["server shutdown"])
    left = {"w0a": Fate(Event.RETIRED, 10.0, has_left=True)}
    assert check([session], {SID: ledger}, left) == []
    session.acknowledged = 10
    assert "10 were acknowledged, 4 arrived" in problem_of(session, ledger, left)


def test_a_foreign_message_is_found_at_either_end() -> None:
    foreign = [*numbered(0, 1, 2, 3, 4), *numbered(5, client="c2")]
    at_client = check(
        [good_session(received=foreign, sent=6)],
        {SID: Ledger(foreign, ["transport close"])},
        {},
    )
    assert [each.partition(" (")[2] for each in at_client] == [
        f"w0a-xyz): {who} got a message of another client: {foreign[5]}"
        for who in ("the client", "the application")
    ]


def test_what_was_never_sent_is_found() -> None:
    session = make_session(*range(6))
    ledger = Ledger(numbered(*range(6)), ["transport close"])
    assert check([session], {SID: ledger}, {}) == [
        "c1 (w0a-xyz): 6 came back, 5 were sent",
        "c1 (w0a-xyz): 6 arrived, 5 were sent",
    ]
    assert "what nobody has sent" in problem_of(good_session(damaged=["?"]))


def test_what_came_back_had_arrived() -> None:
    ledger = Ledger(numbered(0, 1, 2, 3), ["transport close"])
    assert "5 came back, 4 arrived" in problem_of(good_session(), ledger)


@pytest.mark.parametrize("ends", [[], [9.0, 9.0]])
def test_the_client_is_told_once_that_it_is_over(ends: list[float]) -> None:
    found = problem_of(good_session(ends=ends))
    assert f"was told {len(ends)} times that it is over" in found


def test_the_application_is_told_once_that_it_is_over() -> None:
    twice = replace(good_ledger(), ends=["transport close", "server shutdown"])
    assert "told 2 times that it is over" in problem_of(good_session(), twice)
    assert "told 2 times" in problem_of(good_session(), twice, KILLED)
    never = replace(good_ledger(), ends=[])
    assert "never told that it is over" in problem_of(good_session(), never)
    # Who was killed tells nobody.
    assert check([good_session()], {SID: never}, KILLED) == []


def test_of_a_session_that_no_client_knows_the_end_is_told_as_well() -> None:
    assert check([], {SID: Ledger()}, {}) == [
        "w0a-xyz: the application was never told that it is over"
    ]


def test_a_session_is_known_to_the_application() -> None:
    assert check([good_session()], {}, {}) == [
        "c1 (w0a-xyz): the application has never heard of it"
    ]


@pytest.mark.parametrize(
    "fates",
    [
        {},
        {"w0a": Fate(Event.RETIRED, 11.0)},
        {"w0a": Fate(Event.KILLED, 11.0, 11.0)},
        {"w1a": Fate(Event.RETIRED, 10.0)},
        {"w1a": Fate(Event.KILLED, 10.5 - NEAR - 0.1, 10.5 - NEAR - 0.1)},
    ],
)
def test_no_session_ends_as_long_as_nothing_happens_to_its_node(
    fates: dict[str, Fate],
) -> None:
    session = good_session(is_complete=False, detail="reset")
    assert "nothing had happened to its node: reset" in problem_of(session, None, fates)


def test_a_request_can_be_lost_in_the_process_that_it_has_come_to() -> None:
    session = good_session(is_complete=False)
    assert check([session], {SID: good_ledger()}, ELSEWHERE) == []
    assert [*bystanders([session], ELSEWHERE)] == [session]
    # A WebSocket is with its own process.
    session.has_moved = True
    assert "nothing had happened" in problem_of(session, None, ELSEWHERE)
    assert [*bystanders([session], KILLED)] == []


def test_nobody_is_refused_but_by_a_process_that_dies() -> None:
    failures = [Failure(9.9, "refused"), Failure(10.1, "reset")]
    assert check_failures(failures, KILLED) == ["no session could be opened: refused"]


def test_how_long_clients_of_killed_nodes_were_without_a_session() -> None:
    lost = good_session(is_complete=False)
    after = good_session(opened=12.5, sid="w1a-abc")
    other = good_session(opened=11.0, place=2)
    assert [*returns([lost, other, after], KILLED, ())] == [(lost, 2.5)]
    # Nobody can be back while nobody serves.
    outages = [(9.0, 10.5), (11.0, 11.5), (12.0, 20.0), (30.0, 40.0)]
    assert [*returns([lost, after], KILLED, outages)] == [(lost, 1.0)]
    # One that had left by then has lost nothing.
    assert [*returns([good_session(), after], KILLED, ())] == []


def test_who_is_cut_off_may_end_and_must_be_told_once_all_the_same() -> None:
    session = make_session(0, 1, 2, is_complete=False)
    assert "nothing had happened" in problem_of(session)
    session.cut_off_by = "a stall"
    assert check([session], {SID: good_ledger()}, {}) == []
    session.acknowledged = 4
    session.ends.append(11.0)
    found = check([session], {SID: Ledger(numbered(0, 1, 2))}, {})
    assert [each.partition(": ")[2] for each in found] == [
        "the client was told 2 times that it is over",
        "4 were acknowledged, 3 arrived",
        "the application was never told that it is over",
    ]
