"""What one node tells another: bounded, in order, and what is dropped is counted."""

from __future__ import annotations

import select
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from twisted.logger import LogLevel, capturedLogs

from tests.cluster.nodes import LinkReactor, linked
from tests.conftest import FlushLoggedErrors
from txengineio.cluster.links import Receiver
from txengineio.cluster.outbox import MAX_QUEUED, Outbox
from txengineio.cluster.packets import (
    MAX_MESSAGE,
    PIECE,
    Hello,
    Packet,
    pieces_of,
)
from txengineio.cluster.pieces import Message
from txengineio.observing.seldom import LOG_INTERVAL


@dataclass
class Way:
    """From an outbox to a receiver."""

    sending: socket.socket
    receiving: socket.socket
    reactor: LinkReactor = field(default_factory=LinkReactor)
    counts: Counter[str] = field(default_factory=Counter)
    received: list[Packet | Message] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = Outbox(
            self.reactor,
            self.sending,
            ("n0", "n1"),
            self.counts,
            lambda: self.ended.append("outbox"),
        )
        self.receiver = Receiver(
            self.reactor,
            self.receiving,
            lambda _, packet: self.received.append(packet),
            lambda _: self.ended.append("receiver"),
        )

    def turn(self) -> None:
        """Do what a reactor does."""
        watched = list(self.reactor.readers), list(self.reactor.writers)
        readable, writable, _ = select.select(*watched, [], 0)
        for reader in readable:
            reason = reader.doRead()
            if reason is not None:
                reader.connectionLost(reason)
        for writer in writable:
            writer.doWrite()

    def settle(self) -> None:
        while self.reactor.writers:
            self.turn()
        self.turn()

    @property
    def payloads(self) -> list[bytes]:
        return [each.payload for each in self.received if isinstance(each, Message)]


@pytest.fixture
def way() -> Iterator[Way]:
    with linked() as (sending, receiving):
        yield Way(sending, receiving)


def test_messages_come_in_order_after_hello(way: Way) -> None:
    sent = [b"%d" % number for number in range(2000)]
    sent[1000:1000] = [b"x" * (3 * PIECE + 5), b"", b"y" * PIECE]
    for payload in sent:
        assert way.outbox.tell(b"k", payload)
    way.settle()
    assert way.received[0] == Hello("n0")
    assert way.payloads == sent
    assert {each.kind for each in way.received[1:] if isinstance(each, Message)} == {
        b"k"
    }
    assert way.counts == {"sent": len(sent)}
    assert way.outbox.waiting == 0


def test_what_waits_is_bounded_and_the_rest_is_counted(way: Way) -> None:
    payload = b"x" * 1_000_000
    with capturedLogs() as logged:
        taken = sum(way.outbox.tell(b"k", payload) for _ in range(100))
    # Some is in the kernel.
    assert way.outbox.waiting <= MAX_QUEUED
    assert 8 <= taken <= 9
    assert way.counts["full"] == 100 - taken
    assert [each["log_level"] for each in logged] == [LogLevel.warn]
    # It goes on as soon as the other one reads.
    way.settle()
    assert way.payloads == [payload] * taken
    assert way.outbox.tell(b"k", b"again")
    way.settle()
    assert way.payloads[-1] == b"again"


def test_many_short_messages_are_bounded_too(way: Way) -> None:
    while way.outbox.tell(b"k", b"short"):
        pass
    assert way.outbox.waiting <= MAX_QUEUED
    assert way.counts["sent"] + len(way.outbox._queue) < 40_000


def test_there_is_one_line_a_minute(way: Way) -> None:
    payload = b"x" * MAX_MESSAGE
    assert way.outbox.tell(b"k", payload)
    with capturedLogs() as logged:
        for _ in range(3 * int(LOG_INTERVAL)):
            assert not way.outbox.tell(b"k", payload)
            way.reactor.advance(1)
    assert [each["others"] for each in logged] == [0, 59, 59]


def test_a_message_that_is_too_long_is_dropped(way: Way) -> None:
    assert not way.outbox.tell(b"k", bytes(MAX_MESSAGE + 1))
    assert way.counts == {"large": 1}
    assert way.outbox.tell(b"k", bytes(MAX_MESSAGE))
    way.settle()
    assert [len(payload) for payload in way.payloads] == [MAX_MESSAGE]


def test_what_waits_for_a_node_that_ends_is_counted(way: Way) -> None:
    for _ in range(3):
        assert way.outbox.tell(b"k", b"x" * 1_000_000)
    way.receiver.close()
    way.turn()
    assert way.ended == ["outbox"]
    assert way.counts == {"gone": 3}
    assert not way.outbox.tell(b"k", b"")
    assert way.counts == {"gone": 4}
    assert way.outbox.waiting == 0
    assert way.reactor.readers == way.reactor.writers == set()


def test_a_message_whose_node_ends_in_the_middle_is_no_message(way: Way) -> None:
    assert way.outbox.tell(b"k", b"x" * MAX_MESSAGE)
    way.outbox.close()
    assert way.counts == {"gone": 1}
    way.turn()
    assert way.payloads == []
    assert way.receiver.is_within_message
    assert way.ended == ["receiver"]


def test_both_ends_let_others_have_their_turn(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time passes while a message is handled.
    monkeypatch.setattr(
        way.receiver, "_received", lambda *_: way.reactor.advance(0.001)
    )
    for _ in range(100):
        way.outbox.tell(b"k", b"short")
    turns = 0
    while way.reactor.seconds() < 0.1:
        before = way.reactor.seconds()
        way.turn()
        turns += 1
        assert way.reactor.seconds() - before <= 0.004
    assert turns >= 25


def test_what_is_no_packet_ends_the_link(
    way: Way, flush_logged_errors: FlushLoggedErrors
) -> None:
    way.sending.send(b"m too short")
    way.turn()
    assert len(flush_logged_errors(ValueError)) == 1
    assert way.ended == ["receiver"]


def test_what_belongs_nowhere_ends_the_link(
    way: Way, flush_logged_errors: FlushLoggedErrors
) -> None:
    first, second, *_ = pieces_of(b"k", b"x" * MAX_MESSAGE)
    way.sending.sendmsg(second)
    way.sending.sendmsg(first)
    way.turn()
    assert way.ended == ["receiver"]
    assert way.payloads == []
    assert len(flush_logged_errors(ValueError)) == 1
