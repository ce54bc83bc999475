"""An engine that drains: what was sent arrives, and the wait for it has an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.doubles import ended_with, has_fired
from tests.wiring import Server
from txengineio.errors import CloseReason, InvalidOption
from txengineio.protocol.states import ReadyState
from txengineio.server.engine import Engine
from txengineio.testing import RecordingApplication, RecordingProtocol


def test_a_client_that_polls_gets_what_was_sent_to_it_and_then_the_goodbye() -> None:
    server = Server.new()
    client = server.open_polling()
    client.session.send("the last words")
    draining = server.engine.drain(5.0)

    assert client.poll().answer.packets == ["4the last words"]
    assert not has_fired(draining)
    assert client.poll().answer.packets == ["6", "1"]
    assert has_fired(draining)
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_a_parked_poll_is_answered_with_the_goodbye_at_once() -> None:
    server = Server.new()
    poll = server.open_polling().poll()
    draining = server.engine.drain(5.0)

    assert poll.answer.packets == ["1"]
    assert has_fired(draining)


def test_a_websocket_that_does_not_read_gets_its_messages_when_it_does() -> None:
    server = Server.new()
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    websocket.connection.transport.stop_reading()
    messages = ["x" * 70_000, "the last words"]
    for message in messages:
        session.send(message)
    draining = server.engine.drain(5.0)
    assert server.session(session.id) is session

    websocket.connection.transport.start_reading()

    assert websocket.packets() == [f"4{message}" for message in messages]
    assert websocket.close_code() == 1005
    assert not has_fired(draining)
    websocket.close()
    server.settle()
    assert has_fired(draining)


class Crowd:
    """Sessions the end of each of which is told to all others.

    Attributes:
        told: How many took the message, each time.
        websockets: The clients of those that are on WebSocket.
    """

    def __init__(self) -> None:
        self.told: list[int] = []
        self.server = Server.new(RecordingApplication(on_lost=self._tell))
        self.websockets = [self.server.open_websocket() for _ in range(10)]
        assert all(client.sid for client in self.websockets)
        for _ in range(10):
            self.server.open_polling().poll()
        self.sessions = list(self.server.engine.sessions.values())

    def _tell(self, _protocol: RecordingProtocol) -> None:
        each_one = [session.send("it left") for session in self.sessions]
        self.told.append(self.server.engine.broadcast("it left") + sum(each_one))


@pytest.mark.parametrize(
    "end",
    [
        lambda engine: engine.drain(5.0),
        lambda engine: engine.drain(0.0),
        lambda engine: engine.close(),
    ],
    ids=["drain", "drain at once", "close"],
)
def test_those_that_all_leave_are_not_told_of_each_other(
    end: Callable[[Engine], object],
) -> None:
    crowd = Crowd()
    end(crowd.server.engine)
    crowd.server.settle()
    assert crowd.told == [0] * 20
    for client in crowd.websockets:
        assert client.packets() == []
        assert client.close_code() == 1005


def test_those_whose_turn_comes_later_are_told_of_those_that_leave() -> None:
    crowd = Crowd()
    crowd.server.engine.drain(50.0, spread=1)
    assert crowd.told == [2 * 19]
    crowd.server.advance(1.0)
    assert crowd.told == [2 * 19, 2 * 18]
    # But nobody is, of those that are dropped together at the end.
    crowd.server.engine.close()
    assert crowd.told == [2 * 19, 2 * 18] + [0] * 18


def test_an_engine_that_opens_again_broadcasts_again() -> None:
    server = Server.new()
    server.engine.close()
    server.engine.reopen()
    server.open_websocket()
    assert server.engine.broadcast("hello") == 1


def test_no_new_session_is_let_in() -> None:
    server = Server.new()
    server.open_polling()
    server.engine.drain(5.0)

    assert not server.engine.is_open
    assert server.request().answer.status == 503


def test_who_takes_too_long_is_dropped() -> None:
    server = Server.new()
    silent = server.open_polling()
    slow = server.open_websocket()
    session = server.session(slow.sid)
    slow.connection.transport.stop_reading()
    for _ in range(2):
        session.send("x" * 70_000)
    draining = server.engine.drain(5.0)
    server.advance(4.9)
    assert not has_fired(draining)

    server.advance(0.1)

    assert has_fired(draining)
    assert slow.connection.was_reset
    assert ended_with(silent.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_abort_cuts_it_short() -> None:
    server = Server.new()
    server.open_polling()
    websocket = server.open_websocket()
    assert websocket.sid
    draining = server.engine.drain(5.0)

    server.engine.close()
    server.engine.abort_connections()
    server.settle()

    assert has_fired(draining)
    server.assert_nothing_left()


@pytest.mark.parametrize("spread", [2, 100])
def test_so_many_sessions_are_ended_in_a_second(spread: int) -> None:
    server = Server.new()
    for _ in range(3 * spread):
        server.open_polling()
    sessions = list(server.engine.sessions.values())
    draining = server.engine.drain(60.0, spread=spread)

    def closing() -> int:
        return sum(each.ready_state is not ReadyState.OPEN for each in sessions)

    for second in range(3):
        assert closing() == second * spread + 1
        server.advance(0.5)
        assert closing() == (2 * second + 1) * spread // 2 + 1
        server.advance(0.5)
    assert closing() == len(sessions)
    # The oldest first.
    assert not has_fired(draining)
    for each in sessions:
        each.close(discard=True)
    assert has_fired(draining)
    server.assert_nothing_left()


def test_the_others_go_on_while_it_is_not_their_turn() -> None:
    server = Server.new()
    first, last = server.open_polling(), server.open_polling()
    draining = server.engine.drain(60.0, spread=0.5)

    assert last.post("4hello").answer.text == "ok"
    assert last.protocol.messages == ["hello"]
    assert first.session.ready_state is ReadyState.CLOSING
    server.advance(2.0)
    assert last.session.ready_state is ReadyState.CLOSING
    assert not has_fired(draining)


def test_what_is_left_at_the_end_is_dropped_however_many_wait_for_their_turn() -> None:
    server = Server.new()
    for _ in range(10):
        server.open_polling()
    draining = server.engine.drain(5.0, spread=1)
    server.advance(5.0)

    assert has_fired(draining)
    server.assert_nothing_left()


@pytest.mark.parametrize("spread", [0, -1, True, "10", float("nan"), float("inf")])
def test_a_spread_that_makes_no_sense_is_refused(spread: Any) -> None:
    server = Server.new()
    with pytest.raises(InvalidOption, match="spread must be a number of sessions a"):
        server.engine.drain(5.0, spread=spread)
    assert server.engine.is_open


@pytest.mark.parametrize("timeout", [None, "20", -1, True, float("nan"), float("inf")])
def test_a_time_that_makes_no_sense_is_refused(timeout: Any) -> None:
    server = Server.new()
    with pytest.raises(InvalidOption, match="timeout must be a number of seconds, 0"):
        server.engine.drain(timeout)
    assert server.engine.is_open


def test_an_engine_without_sessions_is_drained_at_once() -> None:
    server = Server.new()

    assert has_fired(server.engine.drain(5.0))
    server.assert_nothing_left()
