"""Questions to other nodes, which wait for an answer, but not for long."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from txengineio.cluster.interfaces import IPeer
from txengineio.cluster.messages import Answer, Kind, Question
from txengineio.session.timers import Schedule

__all__ = ["Questions"]


class _Waiting:
    """A question that is not answered yet; an entry of a `TimerWheel`."""

    __slots__ = ("answered", "due_bucket", "give_up", "node")

    def __init__(self, node: str, give_up: Callable[[], None]) -> None:
        self.answered: Deferred[bytes | None] = Deferred()
        self.due_bucket: int | None = None
        self.give_up = give_up
        self.node = node

    def due(self) -> None:
        """Wait no longer."""
        self.give_up()


class Questions:
    """The questions of one node.

    Args:
        timers: Ends the waiting; best a wheel that turns anyway.
    """

    def __init__(self, timers: Schedule) -> None:
        self._timers = timers
        self._waiting: dict[int, _Waiting] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(
        self, peer: IPeer, channel: str, data: bytes, timeout: float
    ) -> Deferred[bytes | None]:
        """Ask a node.

        Returns:
            Fires with the answer; with None if there is none in time.

        Raises:
            ValueError: A channel cannot have that name.
        """
        self._last += 1
        number = self._last
        payload = Question(number, channel, data).encode()
        waiting = _Waiting(peer.name, lambda: self._settle(number, None))
        self._waiting[number] = waiting
        if not peer.tell(Kind.QUESTION.value, payload):
            self._waiting.pop(number, None)
            return succeed(None)
        # Unless it was found out meanwhile that the node has gone.
        if number in self._waiting:
            self._timers.schedule(waiting, timeout)
        return waiting.answered

    def answered(self, node: str, answer: Answer) -> bool:
        """Take an answer; say whether anybody waits for it."""
        waiting = self._waiting.get(answer.number)
        if waiting is None or waiting.node != node:
            return False
        self._settle(answer.number, answer.data)
        return True

    def gone(self, node: str) -> None:
        """Stop waiting for a node that is gone."""
        for number in [key for key, each in self._waiting.items() if each.node == node]:
            self._settle(number, None)

    def stop(self) -> None:
        """Stop waiting for answers."""
        for number in list(self._waiting):
            self._settle(number, None)

    def _settle(self, number: int, data: bytes | None) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._timers.cancel(waiting)
            waiting.answered.callback(data)
