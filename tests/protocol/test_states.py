from collections.abc import Sequence
from itertools import product

import pytest

from txengineio.errors import LocalProtocolError
from txengineio.protocol.packets import PROBE, PacketData, PacketType
from txengineio.protocol.revisions import CODECS
from txengineio.protocol.states import (
    PACKET_ACTIONS,
    PROBE_ACTIONS,
    READY_TRANSITIONS,
    PacketAction,
    ProbeAction,
    ProbeInput,
    ProbeState,
    ReadyState,
    Role,
    SessionInput,
    next_ready_state,
    probe_input,
    probe_step,
)

PING, PONG = PacketType.PING, PacketType.PONG


def states_of(*events: SessionInput) -> list[ReadyState]:
    state = ReadyState.OPENING
    states = [state]
    for event in events:
        state = next_ready_state(state, event)
        states.append(state)
    return states


def actions_of(
    role: Role, events: Sequence[ProbeInput]
) -> tuple[list[ProbeAction], ProbeState]:
    state = ProbeState.OPENED
    actions = []
    for event in events:
        action, state = probe_step(role, state, event)
        actions.append(action)
    return actions, state


@pytest.mark.parametrize(("state", "event"), list(product(ReadyState, SessionInput)))
def test_every_input_is_a_transition_or_an_error(
    state: ReadyState, event: SessionInput
) -> None:
    expected = READY_TRANSITIONS[state].get(event)
    if expected is None:
        with pytest.raises(LocalProtocolError, match=f"{state.value} cannot take"):
            next_ready_state(state, event)
    else:
        assert next_ready_state(state, event) is expected


def test_session_opens_closes_and_ends() -> None:
    assert states_of(
        SessionInput.OPENED, SessionInput.CLOSE_CALLED, SessionInput.ENDED
    ) == [ReadyState.OPENING, ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED]


@pytest.mark.parametrize("state", [ReadyState.CLOSING, ReadyState.CLOSED])
def test_closing_again_changes_nothing(state: ReadyState) -> None:
    assert next_ready_state(state, SessionInput.CLOSE_CALLED) is state


@pytest.mark.parametrize(
    "state", [state for state in ReadyState if state is not ReadyState.CLOSED]
)
def test_session_can_end_at_any_time_but_only_once(state: ReadyState) -> None:
    assert next_ready_state(state, SessionInput.ENDED) is ReadyState.CLOSED
    with pytest.raises(LocalProtocolError):
        next_ready_state(ReadyState.CLOSED, SessionInput.ENDED)


def test_session_opens_only_once() -> None:
    for state in (ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED):
        with pytest.raises(LocalProtocolError, match="cannot take 'opened'"):
            next_ready_state(state, SessionInput.OPENED)


def test_each_role_and_revision_has_an_action_for_each_packet() -> None:
    assert set(PACKET_ACTIONS) == set(product(Role, CODECS))
    for actions in PACKET_ACTIONS.values():
        assert list(actions) == list(PacketType)


@pytest.mark.parametrize(
    ("role", "revision", "ping", "pong"),
    [
        (Role.SERVER, 4, PacketAction.WRONG_DIRECTION, PacketAction.HEARTBEAT),
        (Role.CLIENT, 4, PacketAction.ANSWER_PING, PacketAction.WRONG_DIRECTION),
        (Role.SERVER, 3, PacketAction.ANSWER_PING, PacketAction.WRONG_DIRECTION),
        (Role.CLIENT, 3, PacketAction.WRONG_DIRECTION, PacketAction.HEARTBEAT),
    ],
)
def test_heartbeats_have_one_direction(
    role: Role, revision: int, ping: PacketAction, pong: PacketAction
) -> None:
    assert PACKET_ACTIONS[role, revision][PING] is ping
    assert PACKET_ACTIONS[role, revision][PONG] is pong


@pytest.mark.parametrize("row", PACKET_ACTIONS)
def test_other_packets_mean_the_same_to_everybody(row: tuple[Role, int]) -> None:
    actions = {
        kind: action
        for kind, action in PACKET_ACTIONS[row].items()
        if kind not in (PING, PONG)
    }

    assert actions == {
        PacketType.OPEN: PacketAction.IGNORE,
        PacketType.CLOSE: PacketAction.PEER_CLOSED,
        PacketType.MESSAGE: PacketAction.DELIVER,
        PacketType.UPGRADE: PacketAction.IGNORE,
        PacketType.NOOP: PacketAction.IGNORE,
    }


@pytest.mark.parametrize(
    ("packet_type", "data", "expected"),
    [
        (PING, PROBE, ProbeInput.PROBE_PING),
        (PONG, PROBE, ProbeInput.PROBE_PONG),
        (PacketType.UPGRADE, None, ProbeInput.UPGRADE),
        (PacketType.UPGRADE, "x", ProbeInput.UPGRADE),
        (PING, None, ProbeInput.OTHER_PACKET),
        (PING, "prob", ProbeInput.OTHER_PACKET),
        (PING, b"probe", ProbeInput.OTHER_PACKET),
        (PONG, None, ProbeInput.OTHER_PACKET),
        (PacketType.MESSAGE, PROBE, ProbeInput.OTHER_PACKET),
        (PacketType.CLOSE, None, ProbeInput.OTHER_PACKET),
        (PacketType.NOOP, None, ProbeInput.OTHER_PACKET),
        (PacketType.OPEN, "{}", ProbeInput.OTHER_PACKET),
    ],
)
def test_packets_of_an_upgrade_are_recognised(
    packet_type: PacketType, data: PacketData, expected: ProbeInput
) -> None:
    assert probe_input(packet_type, data) is expected


@pytest.mark.parametrize(
    ("role", "state", "event"), list(product(Role, ProbeState, ProbeInput))
)
def test_every_input_of_an_upgrade_is_listed_cancels_or_is_an_error(
    role: Role, state: ProbeState, event: ProbeInput
) -> None:
    row = PROBE_ACTIONS[role].get(state)
    if row is None:
        with pytest.raises(LocalProtocolError, match="done cannot take"):
            probe_step(role, state, event)
    else:
        cancelled = (ProbeAction.CANCEL, ProbeState.FAILED)
        assert probe_step(role, state, event) == row.get(event, cancelled)


@pytest.mark.parametrize("role", Role)
def test_only_a_finished_upgrade_has_no_row(role: Role) -> None:
    assert set(ProbeState) - set(PROBE_ACTIONS[role]) == {ProbeState.DONE}


def test_server_answers_the_probe_and_then_switches() -> None:
    assert actions_of(Role.SERVER, [ProbeInput.PROBE_PING, ProbeInput.UPGRADE]) == (
        [ProbeAction.ANSWER_PROBE, ProbeAction.COMPLETE],
        ProbeState.DONE,
    )


def test_server_answers_every_probe() -> None:
    assert actions_of(Role.SERVER, [ProbeInput.PROBE_PING] * 2) == (
        [ProbeAction.ANSWER_PROBE] * 2,
        ProbeState.PROBED,
    )


def test_server_switches_without_a_probe() -> None:
    assert actions_of(Role.SERVER, [ProbeInput.UPGRADE]) == (
        [ProbeAction.COMPLETE],
        ProbeState.DONE,
    )


def test_client_pauses_polling_before_it_switches() -> None:
    assert actions_of(
        Role.CLIENT, [ProbeInput.PROBE_PONG, ProbeInput.POLLING_PAUSED]
    ) == ([ProbeAction.PAUSE_POLLING, ProbeAction.COMPLETE], ProbeState.DONE)


@pytest.mark.parametrize(
    ("role", "first", "event"),
    [
        (role, first, event)
        for role, first in [
            (Role.SERVER, []),
            (Role.SERVER, [ProbeInput.PROBE_PING]),
            (Role.CLIENT, []),
            (Role.CLIENT, [ProbeInput.PROBE_PONG]),
        ]
        for event in (ProbeInput.OTHER_PACKET, ProbeInput.ABORTED)
    ],
)
def test_anything_else_cancels_and_what_follows_is_ignored(
    role: Role, first: list[ProbeInput], event: ProbeInput
) -> None:
    actions, state = actions_of(role, [*first, event, *ProbeInput])

    assert actions[len(first)] is ProbeAction.CANCEL
    assert set(actions[len(first) + 1 :]) == {ProbeAction.IGNORE}
    assert state is ProbeState.FAILED
