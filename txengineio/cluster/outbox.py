"""Messages to another node: as many as it takes, and a bounded number that wait.

They have a link of their own, beside that for connections: a client whose connection
moves need not wait until the other node has read the messages before it.
"""

from __future__ import annotations

import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import IWriteDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.cluster.links import TAKES_NOTHING, OwnLink
from txengineio.cluster.packets import MAX_MESSAGE, hello_packet, pieces_of, send
from txengineio.net.turns import turns_of
from txengineio.observing.seldom import SeldomLog

__all__ = ["MAX_QUEUED", "Outbox"]

MAX_QUEUED: Final = 8 << 20
"""Bytes that may wait for a node."""

_OVERHEAD: Final = 256
"""Bytes that a message costs while it waits, beside its own, at most."""

Packets = Iterator[Sequence[bytes | memoryview]]


@implementer(IWriteDescriptor)
class Outbox(OwnLink):
    """Sends messages to another node, in order; keeps a bounded number of them.

    Args:
        reactor: The reactor.
        link: A link that was opened to the node; the outbox says hello.
        names: The name of this node, and that of the other one.
        counts: Where messages are counted: ``sent``, and those that are dropped:
            ``full``, as too many wait; ``large``; ``gone``, as the node ended before.
        ended: Called when the link has ended, once.

    Attributes:
        waiting: Bytes that wait.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        link: socket.socket,
        names: tuple[str, str],
        counts: Counter[str],
        ended: Callable[[], object],
    ) -> None:
        self.waiting = 0
        self._node = names[1]
        self._counts = counts
        self._turns = turns_of(reactor)
        self._queue: deque[tuple[bytes, bytes]] = deque()
        # The packets of the first message, and the next one of them.
        self._packets: Packets = iter(())
        self._next: Sequence[bytes | memoryview] | None = None
        self._seldom = SeldomLog(self._log, self._turns.seconds)
        super().__init__(reactor, link, ended)
        with suppress(OSError):
            # If the other node is gone, the reactor says so.
            link.send(hello_packet(names[0]))

    def tell(self, kind: bytes, payload: bytes) -> bool:
        """Send a message, or keep it, if there is room; see `IPeer.tell`."""
        size = len(payload)
        if size > MAX_MESSAGE:
            return self._drop("large", size)
        if self.waiting and self.waiting + size + _OVERHEAD > MAX_QUEUED:
            return self._drop("full", size)
        if self.fileno() < 0:
            return self._drop("gone", size)
        self.waiting += size + _OVERHEAD
        self._queue.append((kind, payload))
        if len(self._queue) == 1:
            self.doWrite()
        return True

    def doWrite(self) -> None:
        """Send as much as the other node takes, but leave time for others."""
        began = self._turns.seconds()
        try:
            while self._send_next():
                if self._turns.is_over(began):
                    self._reactor.addWriter(self)
                    return
            self._reactor.removeWriter(self)
        except OSError as problem:
            if problem.errno in TAKES_NOTHING:
                self._reactor.addWriter(self)
            else:
                self.connectionLost(Failure(CONNECTION_LOST))

    def _send_next(self) -> bool:
        """Send a packet; say whether there was one."""
        if self._next is None:
            if not self._queue:
                return False
            self._packets = pieces_of(*self._queue[0])
            self._next = next(self._packets)
        send(self._link, self._next, None)
        self._next = next(self._packets, None)
        if self._next is None:
            _, payload = self._queue.popleft()
            self.waiting -= len(payload) + _OVERHEAD
            self._counts["sent"] += 1
        return True

    @override
    def close(self) -> None:
        """Drop what waits."""
        super().close()
        self._counts["gone"] += len(self._queue)
        self._queue.clear()
        self._packets, self._next = iter(()), None
        self.waiting = 0

    def _drop(self, reason: str, size: int) -> bool:
        self._counts[reason] += 1
        self._seldom.warn(
            "dropped",
            "a message of {size} bytes to node {node} is dropped ({reason}): {waiting} "
            "bytes wait for it",
            size=size,
            node=self._node,
            reason=reason,
            waiting=self.waiting,
        )
        return False
