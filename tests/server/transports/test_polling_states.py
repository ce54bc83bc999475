"""The tables of polling's states: complete, and right step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pytest

from txengineio.server.transports.polling_states import (
    POLL_STEPS,
    POST_STEPS,
    PollAction,
    PollInput,
    PollState,
    PostAction,
    PostInput,
    PostState,
)


def walk(steps: Mapping[Any, Any], state: Any, events: Iterable[Any]) -> list[Any]:
    """Return the actions of a sequence of inputs, without those that are nothing."""
    actions = []
    for event in events:
        action, state = steps[state][event]
        if action.value != "nothing":
            actions.append(action)
    return actions


def reachable(steps: Mapping[Any, Any], start: Any) -> set[Any]:
    found, new = set(), {start}
    while new:
        found |= new
        new = {after for state in new for _, after in steps[state].values()} - found
    return found


def polls(*events: PollInput) -> list[PollAction]:
    return walk(POLL_STEPS, PollState.OPENING, events)


def posts(*events: PostInput) -> list[PostAction]:
    return walk(POST_STEPS, PostState.AWAY, events)


def test_each_input_has_a_step_in_each_state() -> None:
    for poll, event in product(PollState, PollInput):
        assert event in POLL_STEPS[poll]
    for post, begun in product(PostState, PostInput):
        assert begun in POST_STEPS[post]


def test_each_state_can_be_reached() -> None:
    assert reachable(POLL_STEPS, PollState.OPENING) == set(PollState)
    assert reachable(POST_STEPS, PostState.AWAY) == set(PostState)


def test_each_action_is_taken_somewhere() -> None:
    taken = {action for row in POLL_STEPS.values() for action, _ in row.values()}
    assert taken == set(PollAction)
    done = {action for row in POST_STEPS.values() for action, _ in row.values()}
    assert done == set(PostAction)


def test_what_has_ended_stays_so_whatever_comes() -> None:
    assert {after for _, after in POLL_STEPS[PollState.ENDED].values()} == {
        PollState.ENDED
    }
    assert {after for _, after in POST_STEPS[PostState.ENDED].values()} == {
        PostState.ENDED
    }


@pytest.mark.parametrize("state", list(PollState))
@pytest.mark.parametrize("end", [PollInput.SESSION_ENDED, PollInput.REPLACED])
def test_an_end_ends_each_state_of_the_gets(state: PollState, end: PollInput) -> None:
    assert POLL_STEPS[state][end][1] is PollState.ENDED


@pytest.mark.parametrize("state", list(PostState))
def test_an_end_ends_each_state_of_the_posts(state: PostState) -> None:
    assert POST_STEPS[state][PostInput.ENDED][1] is PostState.ENDED


HERE = {PollState.OPENING, PollState.PARKED}


@pytest.mark.parametrize("state", list(PollState))
def test_an_answer_needs_a_get_and_lets_it_go(state: PollState) -> None:
    action, after = POLL_STEPS[state][PollInput.ANSWER]
    answers = {PollAction.ANSWER, PollAction.ANSWER_FIRST}
    assert (action in answers) is (state in HERE)
    assert after not in HERE


def test_the_first_answer_is_another_one_than_those_after_it() -> None:
    answer = PollInput.ANSWER
    assert polls(answer, PollInput.GET, answer, answer) == [
        PollAction.ANSWER_FIRST,
        PollAction.PARK,
        PollAction.ANSWER,
    ]


def test_who_does_not_read_gets_no_second_answer() -> None:
    stuck = (PollInput.ANSWER, PollInput.STUCK)
    assert polls(*stuck, PollInput.GET)[-1] is PollAction.REFUSE_UNREAD
    assert polls(*stuck, PollInput.LEFT, PollInput.GET)[1:] == [
        PollAction.CONFIRM,
        PollAction.PARK,
    ]
    assert polls(*stuck, PollInput.REPLACED)[-1] is PollAction.CONFIRM


def test_a_second_get_overlaps_the_first() -> None:
    assert polls(PollInput.GET) == [PollAction.REFUSE_OVERLAP]
    again = (PollInput.ANSWER, PollInput.GET, PollInput.GET)
    assert polls(*again)[-1] is PollAction.REFUSE_OVERLAP


@pytest.mark.parametrize("unread", [False, True])
def test_a_session_that_closes_waits_for_a_get(unread: bool) -> None:
    slow = (PollInput.STUCK,) if unread else ()
    left = (PollInput.LEFT,) if unread else ()
    told = polls(PollInput.ANSWER, *slow, PollInput.CLOSE, *left, PollInput.GET)
    assert told[1] is PollAction.WAIT_TO_CLOSE
    assert told[-1] is PollAction.SAY_GOODBYE


def test_a_session_that_closes_does_not_wait_if_a_get_is_here() -> None:
    assert polls(PollInput.CLOSE, PollInput.SESSION_ENDED) == [PollAction.ANSWER_FIRST]


def test_a_get_that_is_lost_is_a_fault_only_while_it_is_here() -> None:
    assert polls(PollInput.LOST) == [PollAction.FAIL]
    assert polls(PollInput.ANSWER, PollInput.LOST) == [PollAction.ANSWER_FIRST]


def test_a_post_is_handled_and_acknowledged() -> None:
    both = [PostAction.HANDLE, PostAction.ACKNOWLEDGE]
    assert posts(PostInput.WHOLE, PostInput.HANDLED) == both
    begun = posts(PostInput.BEGUN, PostInput.COMPLETE, PostInput.HANDLED)
    assert begun == [PostAction.AWAIT, *both]


@pytest.mark.parametrize("second", [PostInput.BEGUN, PostInput.WHOLE])
@pytest.mark.parametrize(
    "first",
    [(PostInput.BEGUN,), (PostInput.WHOLE, PostInput.HANDLED_LATE)],
    ids=["arriving", "held"],
)
def test_a_second_post_overlaps_the_first(
    first: tuple[PostInput, ...], second: PostInput
) -> None:
    assert posts(*first, second)[-1] is PostAction.REFUSE_OVERLAP


def test_an_acknowledgement_is_held_back_until_the_application_takes_more() -> None:
    late = (PostInput.WHOLE, PostInput.HANDLED_LATE)
    assert posts(*late, PostInput.RESUMED, PostInput.WHOLE)[1:] == [
        PostAction.HOLD,
        PostAction.ACKNOWLEDGE,
        PostAction.HANDLE,
    ]
    assert posts(*late, PostInput.LOST)[-1] is PostAction.FAIL
    # The end of the session does not take it from the client.
    assert posts(*late, PostInput.ENDED)[-1] is PostAction.ACKNOWLEDGE


@pytest.mark.parametrize("handled", [PostInput.HANDLED, PostInput.HANDLED_LATE])
def test_a_post_that_ends_its_session_is_acknowledged(handled: PostInput) -> None:
    actions = posts(PostInput.WHOLE, PostInput.ENDED, handled)
    assert actions == [PostAction.HANDLE, PostAction.ACKNOWLEDGE]


def test_a_post_that_others_have_answered_may_be_followed_by_another() -> None:
    events = (PostInput.BEGUN, PostInput.ANSWERED, PostInput.WHOLE)
    assert posts(*events) == [PostAction.AWAIT, PostAction.HANDLE]


def test_a_post_that_still_arrives_is_dropped_at_the_end() -> None:
    assert posts(PostInput.BEGUN, PostInput.ENDED)[-1] is PostAction.ABORT
    assert posts(PostInput.BEGUN, PostInput.LOST)[-1] is PostAction.FAIL
