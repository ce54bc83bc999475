"""Events whose handlers are not done yet."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from txengineio.integrations.socketio.events import EventQueue


def test_an_event_that_is_done_holds_nothing_up() -> None:
    assert EventQueue(1).run_in_order("a", lambda: None) is None


def test_side_by_side_until_the_limit() -> None:
    queue = EventQueue(2)
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()

    assert queue.begun("a", first) is None
    waited = queue.begun("a", second)
    assert waited is not None
    assert queue.begun("b", Deferred()) is None
    fired: list[None] = []
    waited.addCallback(fired.append)
    assert not fired
    second.callback(None)
    assert fired
    first.callback(None)
    assert queue.begun("a", Deferred()) is None


def test_in_order_each_waits_for_the_one_before() -> None:
    queue = EventQueue(10)
    first: Deferred[None] = Deferred()
    ran: list[str] = []

    def begin(name: str, done: Deferred[None] | None) -> Deferred[None] | None:
        ran.append(name)
        return done

    queue.run_in_order("a", lambda: begin("1", first))
    queue.run_in_order("a", lambda: begin("2", None))
    queue.run_in_order("a", lambda: begin("3", None))
    queue.run_in_order("b", lambda: begin("other", None))
    assert ran == ["1", "other"]
    first.callback(None)
    assert ran == ["1", "other", "2", "3"]
    assert queue.run_in_order("a", lambda: begin("4", None)) is None
