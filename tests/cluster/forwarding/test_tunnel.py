"""Two connections that are joined."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from typing_extensions import override

from tests.cluster.forwarding.nodes import Pipe, connect
from txengineio.cluster.forwarding.tunnel import TunnelEnd, join


class Outside:
    """Two pipes, of which a tunnel joins the inner ends."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.received: list[list[bytes]] = [[], []]
        self.lost = [0, 0]
        self.pipes: list[Pipe] = []
        ends = []
        for number in range(2):
            end = TunnelEnd(self.clock)
            ends.append(end)
            outer, inner = connect(_Of(_Recorder(self, number)), _Of(end))
            self.pipes += [outer, inner]
        join(*ends)
        self.outer = self.pipes[::2]
        self.inner = self.pipes[1::2]

    def settle(self) -> None:
        while sum(pipe.settle() for pipe in self.pipes):
            pass


class _Of(Factory):
    def __init__(self, protocol: object) -> None:
        self._made = protocol

    @override
    def buildProtocol(self, addr: object) -> object:  # type: ignore[override]
        return self._made


class _Recorder(TunnelEnd):
    def __init__(self, outside: Outside, number: int) -> None:
        super().__init__(outside.clock)
        self._outside, self._number = outside, number

    @override
    def dataReceived(self, data: bytes) -> None:
        self._outside.received[self._number].append(data)

    @override
    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._outside.lost[self._number] += 1


@pytest.fixture
def outside() -> Outside:
    return Outside()


def test_what_comes_here_goes_out_there(outside: Outside) -> None:
    for number in range(2):
        outside.outer[number].write(b"from %d" % number)
    outside.settle()
    assert outside.received == [[b"from 1"], [b"from 0"]]


@pytest.mark.parametrize("number", [0, 1])
def test_neither_is_read_faster_than_the_other_takes(
    outside: Outside, number: int
) -> None:
    other = 1 - number
    outside.outer[other].pauseProducing()
    for _ in range(10):
        outside.outer[number].write(b"x" * 60_000)
        outside.settle()
    assert not outside.inner[number].is_read()
    outside.outer[other].resumeProducing()
    outside.settle()
    assert sum(map(len, outside.received[other])) == 600_000


@pytest.mark.parametrize("number", [0, 1])
def test_the_end_of_one_is_that_of_the_other(outside: Outside, number: int) -> None:
    outside.outer[number].write(b"last words")
    outside.outer[number].loseConnection()
    outside.settle()
    assert outside.received[1 - number] == [b"last words"]
    assert outside.lost == [1, 1]
    assert outside.clock.getDelayedCalls() == []


@pytest.mark.parametrize("number", [0, 1])
def test_who_takes_nothing_has_so_much_time(outside: Outside, number: int) -> None:
    other = 1 - number
    outside.outer[other].pauseProducing()
    outside.outer[number].write(b"last words")
    outside.settle()
    outside.outer[number].abortConnection()
    outside.settle()
    assert outside.lost[other] == 0
    outside.clock.advance(4.9)
    assert not outside.inner[other].was_aborted
    outside.clock.advance(0.2)
    assert outside.inner[other].was_aborted
