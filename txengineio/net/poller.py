"""Reading from many connections without asking their reactor about each of them.

A reactor does more for an event (a context for the log, half a dozen calls) than all
that is done for a short message. So it is told of one descriptor, an epoll that holds
the connections: when that is readable, the `Poller` goes round those that something has
come for, and as far as reading and writing go it is their reactor.

That works in every reactor that watches descriptors. Where the system has no epoll,
connections stay with their reactor: nothing is different but the time that it takes,
and that a line in Twisted's old log names the connection that was read from.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakValueDictionary

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableDescriptor,
    IReactorFDSet,
    IReactorTime,
    IReadDescriptor,
    IWriteDescriptor,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python import log
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.net._twisted import is_aborting
from txengineio.net.direct_writes import has_unsent_bytes
from txengineio.net.read_size import prepare_reads
from txengineio.net.turns import TURN
from txengineio.reactor import steady_seconds

__all__ = ["Poller", "poller_of"]

# Not every system has them.
_epoll: Final[Any] = getattr(select, "epoll", None)
_IN: Final[int] = getattr(select, "EPOLLIN", 1)
_OUT: Final[int] = getattr(select, "EPOLLOUT", 4)
_ERR: Final[int] = getattr(select, "EPOLLERR", 8)
_HUP: Final[int] = getattr(select, "EPOLLHUP", 16)

_AT_ONCE: Final = 64
"""Connections that are asked for at a time."""

_ROUNDS: Final = 64
"""Times that the epoll is asked in a turn of the reactor, however short each round is.

To ask once more is cheaper than to go back to the reactor and be called again.
"""

_LONG: Final = 0.0001
"""Reads that take longer than this, in seconds, are charged to their connection.

Nearly all take less; a round of such connections is over soon enough.
"""

_CREDIT: Final = 2048
"""Bytes that are read after a quick read before the clock is looked at again.

To look takes 2 % of what an echo does.
"""

_READ_COST: Final = 448
"""Bytes that each read counts for beside its own: a fifth small one is timed."""

_QUICK: Final = _LONG / 2
"""Seconds within which a read is quick."""

_FEW: Final = 8
"""With fewer connections, the poller checks whether a test has removed it."""

_MEMORY: Final = 1.0
"""Seconds of work after which what was taken before counts for half."""

_FAILURES: Final[Mapping[BaseException, Failure]] = {
    reason: Failure(reason) for reason in (CONNECTION_DONE, CONNECTION_LOST)
}
"""How connections usually end: as Twisted's reactors, which make these once, too."""

_pollers: Final[WeakValueDictionary[Any, Poller]] = WeakValueDictionary()
"""The pollers in use, by reactor; they live as long as a connection refers to them."""


def poller_of(reactor: Any) -> Poller | None:
    """Return what watches the connections of a reactor, if that is possible."""
    if isinstance(reactor, Poller):
        return reactor
    poller = _pollers.get(reactor)
    if (
        poller is None
        and _epoll is not None
        and IReactorFDSet.providedBy(reactor)
        and IReactorTime.providedBy(reactor)
    ):
        # There may be no descriptor left.
        with suppress(OSError):
            poller = _pollers[reactor] = Poller(reactor)
    return poller


@implementer(IReactorFDSet, IReadDescriptor)
class Poller:
    """Watches connections of one reactor, from the first one to the last one.

    To a stream transport it is a reactor: it has all that
    ``twisted.internet.tcp.Server`` and its like ask theirs for, which is to watch and
    to call later.

    Args:
        reactor: Their reactor.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._epoll: Any = _epoll()
        self._descriptor: int = self._epoll.fileno()
        self._reads: set[int] = set()
        self._writes: set[int] = set()
        self._transports: dict[int, Any] = {}
        self._is_going_round = False
        self._leaving: list[Any] = []
        self._seconds = steady_seconds(reactor)
        self._read_size = prepare_reads()
        # Seconds that connections have taken, as long as more comes than can be read.
        self._taken: dict[int, float] = {}
        self._total = 0.0
        # Whether the last turn has ended before all had what they wanted.
        self._is_saturated = False
        # Whether the last turn was for a single read.
        self._is_quiet = False

    @override
    def __repr__(self) -> str:
        """Name the connections: the reactor's reports know only of the poller."""
        return f"<{type(self).__name__} of {list(self._transports.values())}>"

    # --- a descriptor of the reactor --------------------------------------------------

    def fileno(self) -> int:
        """Return the epoll's descriptor."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name the connections, for the log."""
        return "Engine.IO connections"

    def doRead(self) -> None:
        """Read from the connections that something has come for."""
        self._is_going_round = True
        try:
            ready = self._epoll.poll(0, _AT_ONCE)
            if self._is_quiet and len(ready) == 1:
                # Hardly ever has more come; if it has, the reactor finds it soon.
                self._read_one(*ready[0])
            else:
                self._read_all(ready)
        finally:
            self._is_going_round = False

    def deliver(self, transport: Any, data: bytes) -> None:
        """Give a connection what was read of it before it was one."""
        self._is_going_round = True
        try:
            self._hand_over(transport, data)
        finally:
            self._is_going_round = False
        while self._leaving:
            self._let_go(self._leaving.pop())

    def _read_one(self, descriptor: int, event: int) -> None:
        """Read from the only connection that something has come for.

        As `_go_round` does it, but without timing it, as no other connection waits: at
        low load that saves 7 % of a short message.
        """
        transport = self._transports.get(descriptor)
        if event != _IN or transport is None:
            self._act(transport, descriptor, event)
        else:
            try:
                data = transport.socket.recv(self._read_size)
            except OSError as problem:
                self._not_read(transport, problem)
            else:
                self._hand_over(transport, data)
        while self._leaving:
            self._let_go(self._leaving.pop())

    def _hand_over(self, transport: Any, data: bytes) -> None:
        if not data:
            self._drop(transport, CONNECTION_DONE)
            return
        try:
            transport.protocol.dataReceived(data)
        except BaseException as problem:
            self._log.failure("{transport} is dropped", transport=transport)
            self._drop(transport, problem)

    def _read_all(self, ready: list[tuple[int, int]]) -> None:
        """Read from these connections, and look for others, for a while."""
        began = now = self._seconds()
        end = began + TURN
        count = rounds = 0
        while ready:
            if self._is_saturated and self._taken:
                # Those that ask for little come before those that ask for much. At all
                # other times the order is that in which they have come.
                ready.sort(key=self._time_taken)
            now = self._go_round(ready, now, end)
            if self._leaving:
                while self._leaving:
                    self._let_go(self._leaving.pop())
                now = self._seconds()
            count += len(ready)
            rounds += 1
            if rounds == _ROUNDS or not (began <= now < end and self._transports):
                self._is_quiet = False
                self._is_saturated = bool(self._transports)
                self._grow_old(now - began)
                return
            # epoll is round-robin: descriptors already reported come after those not
            # yet reported.
            ready = self._epoll.poll(0, _AT_ONCE)
        self._rest(count)

    def _rest(self, count: int) -> None:
        """Go back to the reactor: all have had what they wanted, in so many reads."""
        self._is_quiet = count <= 1
        self._is_saturated = False
        self._taken.clear()

    def _time_taken(self, event: tuple[int, int]) -> float:
        return self._taken.get(event[0], 0.0)

    def _charge(self, descriptor: int, transport: Any, seconds: float) -> None:
        # Not if it has ended meanwhile: the next connection may have its number.
        if self._transports.get(descriptor) is transport:
            self._taken[descriptor] = self._taken.get(descriptor, 0.0) + seconds

    def _grow_old(self, seconds: float) -> None:
        """Count time that connections have taken, and let older time count for less."""
        self._total += seconds
        if self._total > _MEMORY:
            self._total = 0.0
            self._taken = {key: value / 2 for key, value in self._taken.items()}

    def _go_round(  # noqa: C901  # each message comes here
        self, ready: list[tuple[int, int]], now: float, end: float
    ) -> float:
        """Read from connections as long as it is their turn; return the time."""
        transports, seconds, size = self._transports, self._seconds, self._read_size
        began = before = now
        # Bytes to read before the clock is looked at; whether some were since `before`.
        credit, is_stale = 0, False
        for descriptor, event in ready:
            transport = transports.get(descriptor)
            if event != _IN or transport is None:
                self._act(transport, descriptor, event)
                continue
            try:
                data = transport.socket.recv(size)
            except OSError as problem:
                self._not_read(transport, problem)
                continue
            if not data:
                self._drop(transport, CONNECTION_DONE)
                continue
            credit -= len(data) + _READ_COST
            if credit < 0 and is_stale:
                # Do not charge it for the time that others took.
                before = seconds()
            try:
                transport.protocol.dataReceived(data)
            except BaseException as problem:
                self._log.failure("{transport} is dropped", transport=transport)
                self._drop(transport, problem)
            if credit >= 0:
                is_stale = True
                continue
            now, is_stale = seconds(), False
            took = now - before
            before = now
            if took <= _QUICK:
                credit = _CREDIT
            elif took > _LONG:
                # It is served later next time, so those after it are not skipped.
                self._charge(descriptor, transport, took)
                if not began <= now < end:
                    break
        return seconds() if is_stale else now

    def _act(self, transport: Any, descriptor: int, event: int) -> None:
        """Do all else that there may be to do for a connection, as reactors do it."""
        if transport is not None:
            log.callWithLogger(transport, self._do, transport, descriptor, event)

    def _do(self, transport: Any, descriptor: int, event: int) -> None:
        is_reading = bool(event & _IN)
        reason: Any = None
        if event & (_HUP | _ERR) and not is_reading:
            # All that has come is read. If nothing was, it is no end but a failure.
            is_reading = descriptor in self._reads
            reason = CONNECTION_DONE if is_reading else CONNECTION_LOST
        else:
            try:
                if is_reading:
                    reason = transport.doRead()
                if reason is None and event & _OUT:
                    is_reading = False
                    reason = transport.doWrite()
            except BaseException as problem:
                self._log.failure("{transport} is dropped", transport=transport)
                reason = problem
        if reason is not None:
            self._drop(transport, reason, is_reading)

    def _not_read(self, transport: Any, problem: OSError) -> None:
        if not isinstance(problem, BlockingIOError):
            self._drop(transport, CONNECTION_LOST)

    def _drop(
        self, transport: Any, reason: BaseException, is_reading: bool = True
    ) -> None:
        try:
            self._disconnect(transport, reason, is_reading)
        except BaseException:
            # One protocol's failure must not affect the others.
            self._log.failure("closing {transport} failed", transport=transport)

    def _disconnect(
        self, transport: Any, reason: BaseException, is_reading: bool
    ) -> None:
        failure = _FAILURES.get(reason) or Failure(reason)
        self.removeReader(transport)
        if (
            is_reading
            and isinstance(reason, ConnectionDone)
            and IHalfCloseableDescriptor.providedBy(transport)
        ):
            # The other half may go on.
            transport.readConnectionLost(failure)
        else:
            self.removeWriter(transport)
            transport.connectionLost(failure)

    def lets_go(self, transport: Any) -> bool:
        """Close a connection to which nothing more will be written.

        Returns:
            Whether that will be done in this turn; if not, its transport has to do it.
        """
        if self._is_going_round:
            self._leaving.append(transport)
        return self._is_going_round

    def _let_go(self, transport: Any) -> None:
        # By now it may be lost or aborted, or something may have been written to it
        # after all.
        if (
            transport.connected
            and not is_aborting(transport)
            and not has_unsent_bytes(transport)
        ):
            try:
                # It stops being watched by that.
                transport.connectionLost(_FAILURES[CONNECTION_DONE])
            except BaseException:
                self._log.failure("closing {transport} failed", transport=transport)

    def connectionLost(self, reason: Failure) -> None:
        """Tell all connections: the reactor is about to end."""
        for transport in self.removeAll():
            log.callWithLogger(transport, transport.connectionLost, reason)

    # --- the reactor of the connections -----------------------------------------------

    def callLater(  # as `IReactorTime` has it
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """Have the reactor call a function later: transports that are aborted do."""
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kw)
        return call

    def addReader(self, reader: IReadDescriptor) -> None:
        """Watch a connection for what comes in."""
        # Twisted reads no more from one that was aborted, even if it is resumed.
        if not is_aborting(reader):
            self._add(reader, self._reads, _IN)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Watch a connection for when it takes more."""
        self._add(writer, self._writes, _OUT)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Watch a connection no more for what comes in."""
        self._remove(reader, self._reads)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Watch a connection no more for when it takes more."""
        self._remove(writer, self._writes)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Watch nothing any more; return what was watched."""
        transports = list(self._transports.values())
        for transport in transports:
            self.removeReader(transport)
            self.removeWriter(transport)
        return transports

    def getReaders(self) -> list[IReadDescriptor]:
        """Return what is watched for what comes in."""
        return [self._transports[descriptor] for descriptor in self._reads]

    def getWriters(self) -> list[IWriteDescriptor]:
        """Return what is watched for when it takes more."""
        return [self._transports[descriptor] for descriptor in self._writes]

    def _add(self, transport: Any, ours: set[int], mask: int) -> None:
        descriptor = transport.fileno()
        if descriptor in ours:
            return
        if descriptor in self._transports:
            self._epoll.modify(descriptor, _IN | _OUT)
        else:
            self._see_that_it_is_watched()
            self._epoll.register(descriptor, mask)
            self._transports[descriptor] = transport
        ours.add(descriptor)

    def _see_that_it_is_watched(self) -> None:
        """Have the reactor watch it; forget what the reactor has forgotten.

        A reactor tells nobody of its `removeAll`, which trial calls after each test.
        With many connections this is no test, and asking would cost too much.
        """
        if not self._transports:
            self._reactor.addReader(self)
        elif len(self._transports) < _FEW and self not in self._reactor.getReaders():
            self.removeAll()
            self._reactor.addReader(self)

    def _remove(self, transport: Any, ours: set[int]) -> None:
        descriptor = transport.fileno()
        if descriptor < 0:
            self._forget(transport)
        if descriptor not in ours:
            return
        ours.discard(descriptor)
        if descriptor in self._reads:
            self._epoll.modify(descriptor, _IN)
        elif descriptor in self._writes:
            self._epoll.modify(descriptor, _OUT)
        else:
            self._epoll.unregister(descriptor)
            self._end(descriptor)

    def _forget(self, transport: Any) -> None:
        """Forget a connection whose socket is closed: the kernel has done so before."""
        for descriptor, known in self._transports.items():
            if known is transport:
                self._reads.discard(descriptor)
                self._writes.discard(descriptor)
                self._end(descriptor)
                break

    def _end(self, descriptor: int) -> None:
        del self._transports[descriptor]
        # The next connection may have its number.
        self._taken.pop(descriptor, None)
        if not self._transports:
            self._reactor.removeReader(self)
