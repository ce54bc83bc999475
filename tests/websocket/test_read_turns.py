"""When a connection reads: in turns, and not while it is paused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from typing_extensions import override

from tests.frames import TEXT, make_frame
from tests.websocket.peer import Peer
from txengineio.net.turns import SHARE, Turns
from txengineio.websocket.read_turns import ReadTurns
from txengineio.websocket.reader import FRAMES, SHORT, End
from txengineio.websocket.writer import Writer

MESSAGE = make_frame(TEXT, b"a")
FLOOD = 5 * FRAMES


class Stepped(Turns):
    """Gives those that wait their turn when it is told to."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.waiting: list[Callable[[], None]] = []

    @override
    def wait(self, go_on: Callable[[], None]) -> None:
        self.waiting.append(go_on)

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for go_on in waiting:
            go_on()


class Slow(Peer):
    """A connection whose owner takes a whole share of time for each message.

    So it reads some hundred frames a turn: as many as are read before the time is
    looked at.

    Attributes:
        transport: Its transport.
        turns: The queue in which it waits.
        read_turns: What is tested.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transport: Any = StringTransport()
        self.turns = Stepped(self.clock)
        self.writer = Writer(self.transport, short_path=True)
        self.read_turns = ReadTurns(
            self,  # type: ignore[arg-type]  # all of an owner that is asked for
            self.reader,
            self.writer,
            self.transport,
            self.turns,
        )

    def is_reading(self) -> bool:
        return bool(self.transport.producerState == "producing")

    @override
    def text_received(self, text: str) -> None:
        super().text_received(text)
        self.clock.rightNow += SHARE

    def read_on(self, read: Callable[[], None]) -> None:
        self.writer.put_ahead(b"!")
        read()

    def flood(self) -> None:
        """Receive so much at once that some of it has to wait."""
        assert not self.reader.receive(MESSAGE * FLOOD)
        self.read_turns.read()
        assert 0 < len(self.messages) < FLOOD
        assert not self.is_reading()

    def finish(self) -> None:
        """Let it have turns until everything is read."""
        for _ in range(FLOOD):
            if len(self.messages) < FLOOD:
                assert not self.is_reading()
                self.turns.turn()
        assert self.messages == ["a"] * FLOOD


def test_what_takes_little_time_is_read_at_once() -> None:
    peer = Slow()
    assert not peer.reader.receive(make_frame(TEXT, b"a" * SHORT))
    peer.read_turns.read()
    assert peer.messages == ["a" * SHORT]
    assert peer.is_reading()
    assert peer.turns.waiting == []


def test_more_is_read_in_the_turn_after_that_in_which_the_rest_was_handled() -> None:
    peer = Slow()
    peer.flood()
    peer.finish()
    # What was written meanwhile has left.
    assert set(peer.transport.value()) == {ord("!")}
    # There may be as much to read again.
    assert not peer.is_reading()
    peer.turns.turn()
    assert peer.is_reading()
    assert peer.turns.waiting == []


def test_what_tls_had_decrypted_meanwhile_is_read_before_more_is() -> None:
    peer = Slow()
    peer.flood()
    peer.reader.receive(make_frame(TEXT, b"b"))
    while len(peer.messages) <= FLOOD:
        assert not peer.is_reading()
        peer.turns.turn()
    assert peer.messages[-1] == "b"
    peer.turns.turn()
    assert peer.is_reading()


def test_nothing_is_read_while_it_is_paused() -> None:
    peer = Slow()
    peer.flood()
    before = len(peer.messages)
    peer.read_turns.pause()
    peer.turns.turn()
    assert len(peer.messages) == before
    assert peer.turns.waiting == []
    peer.read_turns.resume()
    peer.finish()
    peer.turns.turn()
    assert peer.is_reading()


def test_nothing_more_is_read_for_an_owner_that_is_late() -> None:
    peer = Slow()
    peer.flood()
    peer.finish()
    peer.read_turns.pause()
    peer.turns.turn()
    assert not peer.is_reading()
    peer.read_turns.resume()
    assert peer.is_reading()


def test_after_the_end_nothing_that_waits_is_read() -> None:
    peer = Slow()
    peer.flood()
    before = len(peer.messages)
    peer.reader.ended = End.CLOSED
    peer.turns.turn()
    assert len(peer.messages) == before
    assert peer.turns.waiting == []
