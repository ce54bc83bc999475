"""The packets that a session sends: how they wait, and in which batches they leave.

A packet passes through three states; the method on each arrow moves it:

    put --> waiting --flush--> in flight --batch_flushed--> handed on

It is *waiting* while the queue is corked or the transport cannot take it. It is *in
flight* until the transport has handed it on, which usually happens within the same
call. The objects that keep account are told at each step; most sessions have none:

==================  ==================================================================
a packet waits      `Backlog` counts it, `FlushCallbacks` adds its callback, `Flow`
                    may pause
a batch is taken    `Backlog` deducts it, `FlushCallbacks` moves its callbacks,
                    `Traffic` counts its messages
it stays in flight  `Backlog` counts it again, `Flow` pauses
it is handed on     `Backlog` deducts it, `FlushCallbacks` calls them, `Flow` may resume
the session ends    `Backlog` forgets all, `FlushCallbacks` and `Flow` fail Deferreds
==================  ==================================================================

`SendQueue.pass_frame` takes a broadcast's frame through all of this at once where that
makes no difference; it makes a broadcast a third cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProducer

from txengineio.errors import BufferOverflow, SessionClosed
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.states import ReadyState
from txengineio.session.backlog import BATCH_SIZE, HIGH_WATER_MARK, Backlog, Flow
from txengineio.session.flush_callbacks import FlushCallback, FlushCallbacks
from txengineio.session.interfaces import (
    IPacketTransport,
    ISessionOwner,
    OutgoingPacket,
)
from txengineio.session.traffic import Traffic

__all__ = ["SendQueue", "Sender"]

_OPEN = ReadyState.OPEN
_CLOSING = ReadyState.CLOSING
_CLOSED = ReadyState.CLOSED
_MESSAGE = PacketType.MESSAGE

# While packets are collected, they are counted each time that so many have come, and
# with each large one.
_STOCK_TAKING = 64
_LARGE = 16384


class Sender(Protocol):
    """The owner of the queue: a session, which decides whether a packet is put."""

    @property
    def engine(self) -> ISessionOwner:
        """Knows the limits and the time, and may have handlers of its own."""

    @property
    def transport(self) -> IPacketTransport:
        """The transport that takes the packets now."""

    @property
    def ready_state(self) -> ReadyState:
        """Where the session is in its life."""

    @property
    def writable(self) -> bool:
        """Whether producers may go on: the session is open, and the queue has room."""

    @property
    def traffic(self) -> Traffic | None:
        """The session's counts; None where none are kept."""

    @property
    def handlers(self) -> Mapping[str, list[Callable[..., object]]] | None:
        """The handlers of ``flush`` and ``drain``; None while there are none."""

    def emit(self, event: str, *arguments: object) -> None:
        """Call the handlers of an event."""

    def overflowed(self, problem: BufferOverflow) -> None:
        """End the session: too much waits for its peer."""

    def drained_for_close(self) -> None:
        """Go on with closing: nothing waits any more."""


class SendQueue:
    """Keeps packets until the transport takes them.

    While input from the peer is handled, packets are collected (`cork`) and then given
    to the transport together: one write, or one payload for the parked GET.

    Args:
        session: Whose packets these are.

    Attributes:
        waiting: The packets that wait for the transport; None while there are none.
        corked: Whether packets are collected.
        in_flight: Whether the transport has not handed on yet what it was given.
    """

    __slots__ = (
        "_backlog",
        "_flow",
        "_flush_callbacks",
        "_session",
        "corked",
        "in_flight",
        "waiting",
    )

    def __init__(self, session: Sender) -> None:
        self._session = session
        # None rather than an empty list, which each idle session would have to keep.
        self.waiting: list[OutgoingPacket] | None = None
        self.corked = False
        self.in_flight = False
        # These exist only for a peer that is slow, or an application that asks.
        self._backlog: Backlog | None = None
        self._flow: Flow | None = None
        self._flush_callbacks: FlushCallbacks | None = None

    # --- waiting ----------------------------------------------------------------------

    def put(
        self, packet: OutgoingPacket, on_flushed: FlushCallback | None = None
    ) -> bool:
        """Take a packet of a session that is open, and send it, unless corked.

        Args:
            packet: What to send.
            on_flushed: Called with the transport once that has handed the packet on.

        Returns:
            Whether the session has survived that: too much may wait now.
        """
        waiting = self.waiting
        if waiting is None:
            self.waiting = waiting = [packet]
        else:
            waiting.append(packet)
        if on_flushed is not None:
            self._callbacks().add(on_flushed, len(waiting))
        if not self.corked:
            if not self.flush():
                return False
            if self.waiting is None:
                return True
        elif len(waiting) % _STOCK_TAKING:
            data = packet[1]
            if data is None or len(data) < _LARGE:
                return True
        return self._count_waiting()

    def begin(self, packets: Sequence[Packet]) -> None:
        """Send the session's first packets, in one batch."""
        if packets:
            self.waiting = [(kind, data, True, None) for kind, data in packets]
            self.flush()

    def pass_frame(self, message: str | bytes, frame: bytes) -> bool:
        """Send a message's frame past the queue, if that makes no difference.

        The session must be open.

        Args:
            message: The message.
            frame: A complete WebSocket frame of it.

        Returns:
            Whether it was sent. If not, the message has to be `put`.
        """
        session = self._session
        if (
            self.waiting is not None
            or self.corked
            or self.in_flight
            or self._flush_callbacks is not None
            or session.handlers is not None
            or session.engine.handlers is not None
            or not session.transport.send_frame(frame)
        ):
            return False
        if session.traffic is not None:
            session.traffic.messages_out += 1
        if not session.transport.writable:
            self.in_flight = True
            self._count_in_flight([(_MESSAGE, message, False, frame)])
        return True

    def cork(self) -> None:
        """Collect what is put until `uncork`; a piece of input is being handled."""
        self.corked = True

    def uncork(self) -> None:
        """Send what was collected."""
        self.corked = False
        if self.waiting is not None:
            self.flush()
            if self.waiting is not None:
                self._count_waiting()

    def _count_waiting(self) -> bool:
        """Count what waits; say whether the session has survived that."""
        session, backlog = self._session, self._ensure_backlog()
        backlog.count(self.waiting or ())
        if self.corked and backlog.queued >= BATCH_SIZE:
            # Only what the transport does not take counts against the limits.
            self.flush()
        backlog.enforce()
        if self._flow is not None and not session.writable:
            self._flow.pause()
        return session.ready_state is _OPEN

    # --- in flight --------------------------------------------------------------------

    def flush(self) -> bool:
        """Give the transport what waits, in batches, as long as it takes more.

        Returns:
            False if the session has ended meanwhile, and what waited was dropped.
        """
        while self.waiting is not None:
            session = self._session
            if (
                not session.transport.writable
                # What was left when a session ended can still be read, but not sent.
                or session.ready_state is _CLOSED
                or (
                    (session.handlers or session.engine.handlers)
                    and self._settled_by_handlers(session)
                )
            ):
                return session.ready_state is not _CLOSED
            if self._backlog is None and self._flush_callbacks is None:
                batch, self.waiting = self.waiting, None
            else:
                batch = self._take_batch()
            if session.traffic is not None:
                session.traffic.batch_taken(batch)
            self.in_flight = True
            if not session.transport.send_packets(batch):
                self._count_in_flight(batch)
            elif (
                self._backlog is None
                and self._flush_callbacks is None
                and self._flow is None
            ):
                # As `_handed_on`, without the call.
                self.in_flight = False
            else:
                self._handed_on(session)
            if (
                session.handlers
                or session.engine.handlers
                or session.ready_state is _CLOSING
            ):
                self._drained(session)
        return True

    def _settled_by_handlers(self, session: Sender) -> bool:
        """Tell handlers; say whether one has sent something, or closed the session."""
        waiting = [packet[:2] for packet in self.waiting or ()]
        session.emit("flush", waiting)
        session.engine.emit("flush", session, waiting)
        return self.waiting is None or not session.transport.writable

    def _drained(self, session: Sender) -> None:
        """Tell handlers; let a session that is closing go on if nothing waits."""
        session.emit("drain")
        session.engine.emit("drain", session)
        if session.ready_state is _CLOSING and self.waiting is None:
            session.drained_for_close()

    def _take_batch(self) -> list[OutgoingPacket]:
        """Take what the transport is given now: all that waits, or a part of it.

        Handing packets over takes memory, so a backlog leaves in pieces.
        """
        batch, self.waiting = self.waiting or [], None
        backlog = self._backlog
        if backlog is not None and backlog.queued:
            count = backlog.next_batch(batch)
            if count < len(batch):
                batch, self.waiting = batch[:count], batch[count:]
            backlog.taken(batch, self.waiting is None)
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_taken(len(batch))
        return batch

    def _count_in_flight(self, batch: Sequence[OutgoingPacket]) -> None:
        # The session may have ended while the transport was given the batch.
        if self.in_flight:
            self._ensure_backlog().stuck(batch)
            if self._flow is not None:
                self._flow.pause()

    # --- handed on --------------------------------------------------------------------

    def batch_flushed(self) -> None:
        """Note that the transport has handed on all that it was given."""
        if not self.in_flight:
            return
        session = self._session
        self._handed_on(session)
        if session.ready_state is _CLOSING and self.waiting is None:
            session.drained_for_close()

    def _handed_on(self, session: Sender) -> None:
        self.in_flight = False
        # Before the callbacks: these may send messages that get stuck again.
        if self._backlog is not None:
            self._backlog.flushed()
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_flushed(session.transport)
        if self._flow is not None and session.writable:
            self._flow.resume()

    def end(self, closed: SessionClosed) -> None:
        """Drop what is queued; tell everyone who waits for it that the session is over.

        A transport that has not noticed may still `uncork` and `flush`: nothing is left
        to send.
        """
        self.waiting = None
        self.in_flight = False
        callbacks, self._flush_callbacks = self._flush_callbacks, None
        if callbacks is not None:
            callbacks.session_closed(closed)
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.clear()
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.end(closed)
        # It refers to this: the cycle would wait for the garbage collector.
        del self._session

    # --- waiting until messages have left ---------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether the peer keeps up, so that more should be put now."""
        if self.in_flight:
            return False
        return self._backlog is None or self._backlog.queued < HIGH_WATER_MARK

    @property
    def size(self) -> int:
        """Bytes that wait for the peer: here, and in a congested transport."""
        return 0 if self._backlog is None else self._backlog.size

    def when_flushed(self) -> Deferred[None]:
        """Return a Deferred that fires when all that was put so far is gone.

        It fails with `SessionClosed` if the session ends before.
        """
        if self.waiting is None and not self.in_flight:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        if self.waiting is not None:
            self._callbacks().add(deferred, len(self.waiting))
        else:
            self._callbacks().add_sent(deferred)
        return deferred

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires once the session is writable.

        It fails with `SessionClosed` if the session ends before.
        """
        return succeed(None) if self._session.writable else self._flowing().wait()

    def register_producer(self, producer: IProducer, streaming: bool) -> None:
        """Let a producer know from now on when to produce; see `Flow.register`."""
        self._flowing().register(producer, streaming)

    def unregister_producer(self) -> None:
        """Forget the producer."""
        if self._flow is not None:
            self._flow.unregister()

    def _callbacks(self) -> FlushCallbacks:
        if self._flush_callbacks is None:
            self._flush_callbacks = FlushCallbacks()
        return self._flush_callbacks

    def _flowing(self) -> Flow:
        if self._flow is None:
            session = self._session
            self._flow = Flow(lambda: session.writable, session.engine.clock)
        return self._flow

    def _ensure_backlog(self) -> Backlog:
        if self._backlog is None:
            session = self._session
            self._backlog = Backlog(session.engine.buffers, session.overflowed)
        return self._backlog
