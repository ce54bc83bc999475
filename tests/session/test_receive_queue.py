"""Received messages: one at a time, in order, whenever the application is ready."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from txengineio.session.receive_queue import MAX_PENDING_MESSAGES, ReceiveQueue


class Reader:
    """Takes messages; those that start with "slow" take until the test says so."""

    def __init__(self) -> None:
        self.events: list[str | bytes] = []
        self.waiting: Deferred[None] | None = None

    def deliver(self, message: str | bytes) -> Deferred[None] | None:
        self.events.append(message)
        self.waiting = Deferred() if message == "slow" else None
        return self.waiting

    def receive_queue_full(self) -> None:
        self.events.append("(full)")

    def receive_queue_emptied(self) -> None:
        self.events.append("(emptied)")


def test_messages_wait_for_the_first_and_then_come_at_once() -> None:
    reader, first = Reader(), Deferred[None]()
    queue = ReceiveQueue(reader, first)
    queue.append("a")
    queue.append(b"b")
    assert reader.events == []
    first.callback(None)
    assert reader.events == ["a", b"b", "(emptied)"]


def test_each_slow_message_makes_the_next_wait() -> None:
    reader, first = Reader(), Deferred[None]()
    queue = ReceiveQueue(reader, first)
    for message in ("slow", "a", "slow"):
        queue.append(message)
    first.callback(None)
    assert reader.events == ["slow"]
    queue.append("b")
    assert reader.waiting is not None
    reader.waiting.callback(None)
    assert reader.events == ["slow", "a", "slow"]
    assert reader.waiting is not None
    reader.waiting.callback(None)
    assert reader.events == ["slow", "a", "slow", "b", "(emptied)"]


def test_it_says_once_that_it_is_full() -> None:
    reader, first = Reader(), Deferred[None]()
    queue = ReceiveQueue(reader, first)
    for _ in range(MAX_PENDING_MESSAGES - 1):
        queue.append("a")
    assert reader.events == []
    queue.append("a")
    queue.append("a")
    assert reader.events == ["(full)"]
    first.callback(None)
    assert reader.events[-1] == "(emptied)"


def test_what_was_cleared_is_never_delivered() -> None:
    reader, first = Reader(), Deferred[None]()
    queue = ReceiveQueue(reader, first)
    queue.append("a")
    queue.clear()
    first.callback(None)
    assert reader.events == ["(emptied)"]


def test_a_crowd_of_messages_needs_no_deep_stack() -> None:
    reader, first = Reader(), Deferred[None]()
    queue = ReceiveQueue(reader, first)
    for _ in range(10_000):
        queue.append("a")
    first.callback(None)
    assert reader.events.count("a") == 10_000
