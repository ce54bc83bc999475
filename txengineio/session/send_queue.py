"""The sending half of a session: what waits for the transport, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from typing_extensions import Buffer

from txengineio.errors import BufferOverflow, CloseReason, SessionClosed
from txengineio.protocol.packets import (
    Packet,
    PacketData,
    PacketType,
    message_data,
)
from txengineio.protocol.states import ReadyState, SessionInput, next_ready_state
from txengineio.session.backlog import BATCH_SIZE, HIGH_WATER_MARK, Backlog, Flow
from txengineio.session.events import EventEmitter
from txengineio.session.flush_callbacks import FlushCallbacks
from txengineio.session.interfaces import (
    IPacketTransport,
    ISessionOwner,
    OutgoingPacket,
)
from txengineio.session.traffic import Traffic

__all__ = ["Outgoing"]

_OPEN = ReadyState.OPEN
_CLOSING = ReadyState.CLOSING
_MESSAGE = PacketType.MESSAGE

# While packets are collected, they are counted each time that so many have come, and
# with each large one.
_STOCK_TAKING = 64
_LARGE = 16384


class Outgoing(EventEmitter):
    """Keeps packets until the transport takes them.

    While input from the peer is handled, packets are collected (`cork`) and then given
    to the transport together: one write, or one payload for the parked GET.

    Attributes:
        engine: Who the session belongs to.
        transport: The current transport.
        ready_state: Where the session is in its life.
        closed: Why the session is over; None as long as it is not.
        traffic: What the session has carried; None where nobody counts.
    """

    __slots__ = (
        "_backlog",
        "_corked",
        "_flow",
        "_flush_callbacks",
        "_in_flight",
        "_write_buffer",
        "closed",
        "engine",
        "ready_state",
        "traffic",
        "transport",
    )

    def __init__(self, engine: ISessionOwner, transport: IPacketTransport) -> None:
        super().__init__()
        self.engine = engine
        self.transport = transport
        self.ready_state = ReadyState.OPENING
        self.closed: SessionClosed | None = None
        self.traffic: Traffic | None = None
        self._corked = False
        # Whether the transport has not handed on yet what it was given.
        self._in_flight = False
        self._write_buffer: list[OutgoingPacket] = []
        self._flush_callbacks: FlushCallbacks | None = None
        # These exist only for a peer that is slow, or an application that asks.
        self._backlog: Backlog | None = None
        self._flow: Flow | None = None

    def _enter(self, event: SessionInput) -> None:
        self.ready_state = next_ready_state(self.ready_state, event)

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up, so that more should be sent now.

        What is sent at other times is kept, up to the limits, and ``when_drained``
        tells when that is over. Between two polls a session is writable as long as
        little waits for the next one.
        """
        if self.ready_state is not _OPEN or self._in_flight:
            return False
        return self._backlog is None or self._backlog.queued < HIGH_WATER_MARK

    @property
    def buffered_bytes(self) -> int:
        """The memory that waits for the peer: here, and in a congested transport."""
        return 0 if self._backlog is None else self._backlog.size

    @property
    def write_buffer(self) -> Sequence[Packet]:
        """The packets that wait for the transport, as (type, data)."""
        return [packet[:2] for packet in self._write_buffer]

    def send(  # noqa: C901  # a call for each step would cost more than the step
        self,
        message: str | Buffer,
        *,
        compress: bool = True,
        on_flushed: Callable[[IPacketTransport], object] | None = None,
        pre_encoded_frame: bytes | None = None,
        volatile: bool = False,
    ) -> bool:
        """Send a message.

        It goes out at once, or, while something received from this peer is handled,
        together with whatever else is sent then. What the transport cannot take yet is
        kept.

        Args:
            message: ``str`` is text; ``bytes`` or anything bytes-like is binary.
            compress: Whether compressing it pays, where compression is on.
            on_flushed: Called once with the transport that carried the message, when
                that has handed it on; never if the session closes before.
            pre_encoded_frame: A complete WebSocket frame of the message, to be used
                where the session is on WebSocket without compression.
            volatile: Drop the message if the session is not `writable`.

        Returns:
            False if the message was dropped: the session is closing or closed, or has
            just ended because too much waits for the peer; or it was volatile.

        Raises:
            TypeError: The message is neither text nor bytes-like.
        """
        if type(message) is not str and type(message) is not bytes:
            message = message_data(message)
        if self.ready_state is not _OPEN or (volatile and not self.writable):
            return False
        if self.handlers is not None and self._closed_on_creation(
            PacketType.MESSAGE, message
        ):
            return False
        if (
            pre_encoded_frame is not None
            and on_flushed is None
            and self._send_frame_directly(message, pre_encoded_frame)
        ):
            return True
        packets = self._write_buffer
        packets.append((_MESSAGE, message, compress, pre_encoded_frame))
        if on_flushed is not None:
            self._callbacks().add(on_flushed, len(packets))
        if self._corked:
            if len(packets) % _STOCK_TAKING and len(message) < _LARGE:
                return True
        else:
            self.flush()
            if not self._write_buffer:
                return True
        return self._count_what_waits()

    def _send_frame_directly(self, message: str | bytes, frame: bytes) -> bool:
        """Send a frame past the write buffer, unless something is before it, or asks.

        Most of what is broadcast goes this way: it saves a third.
        """
        if (
            self._write_buffer
            or self._corked
            or self._in_flight
            or self._flush_callbacks is not None
            or self.traffic is not None
            or self.handlers is not None
            or self.engine.handlers is not None
            or not self.transport.send_frame(frame)
        ):
            return False
        if not self.transport.writable:
            self._in_flight = True
            self._count_in_flight([(_MESSAGE, message, False, frame)])
        return True

    def send_control(self, packet_type: PacketType, data: PacketData = None) -> None:
        """Send a packet that is no message, unless the session is closing."""
        if self.ready_state is not _OPEN:
            return
        if self.handlers is not None and self._closed_on_creation(packet_type, data):
            return
        self._write_buffer.append((packet_type, data, True, None))
        if self.traffic is not None:
            self.traffic.controls_waiting += 1
        if not self._corked:
            self.flush()
        if self._write_buffer and (
            not self._corked or not len(self._write_buffer) % _STOCK_TAKING
        ):
            self._count_what_waits()

    def _closed_on_creation(self, packet_type: PacketType, data: PacketData) -> bool:
        """Tell of a packet that is to be sent; say whether a handler has closed."""
        self.emit("packet_create", packet_type, data)
        return self.ready_state is not _OPEN

    def when_flushed(self) -> Deferred[None]:
        """Return a Deferred that fires when all that was sent so far was handed on.

        It fails with `SessionClosed` if the session closes before.
        """
        if self.closed is not None:
            return fail(self.closed)
        callbacks = self._callbacks()
        if not self._write_buffer and not self._in_flight:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        if self._write_buffer:
            callbacks.add(deferred, len(self._write_buffer))
        else:
            callbacks.add_sent(deferred)
        return deferred

    def _callbacks(self) -> FlushCallbacks:
        if self._flush_callbacks is None:
            self._flush_callbacks = FlushCallbacks()
        return self._flush_callbacks

    def cork(self) -> None:
        """Collect what is sent until `uncork`; a piece of input is being handled."""
        self._corked = True

    def uncork(self) -> None:
        """Send what was collected."""
        self._corked = False
        if self._write_buffer:
            self.flush()
            if self._write_buffer:
                self._count_what_waits()

    def flush(self) -> None:
        """Give the transport what waits for it, if it can take it."""
        # What was left when a session ended can still be read, but not sent.
        while self._write_buffer and self.transport.writable and self.closed is None:
            listening = self.handlers is not None or self.engine.handlers is not None
            if listening and self._settled_by_handlers():
                return
            if (
                self._backlog is None
                and self._flush_callbacks is None
                and self.traffic is None
            ):
                packets, self._write_buffer = self._write_buffer, []
            else:
                packets = self._take_batch()
            self._in_flight = True
            if self.transport.send_packets(packets):
                self.batch_flushed()
            elif self.closed is None:
                self._count_in_flight(packets)
            if self.handlers is not None or self.engine.handlers is not None:
                self._emit_both("drain")
            if self.ready_state is _CLOSING and not self._write_buffer:
                self.drained_for_close()

    def _take_batch(self) -> list[OutgoingPacket]:
        """Take from the write buffer what the transport is given now: all, or a part.

        As it takes memory to give it away, a backlog leaves in pieces.
        """
        packets, self._write_buffer = self._write_buffer, []
        backlog = self._backlog
        # Without a word about a backlog that is no more.
        if backlog is not None and backlog.queued:
            count = backlog.next_batch(packets)
            if count < len(packets):
                packets, self._write_buffer = packets[:count], packets[count:]
            backlog.taken(packets, not self._write_buffer)
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_taken(len(packets))
        traffic = self.traffic
        if traffic is not None:
            # For each batch: cheaper than for each message.
            controls = traffic.controls_waiting
            if controls:
                if self._write_buffer:
                    # Some of them are behind this batch.
                    controls = sum(
                        each[0] is not PacketType.MESSAGE for each in packets
                    )
                traffic.controls_waiting -= controls
            traffic.messages_out += len(packets) - controls
        return packets

    def _settled_by_handlers(self) -> bool:
        """Tell handlers; say whether one has sent something, or closed the session."""
        self._emit_both("flush", self.write_buffer)
        return not self._write_buffer or not self.transport.writable

    def batch_flushed(self) -> None:
        """Learn that the transport has handed on all that it was given."""
        self._in_flight = False
        # Before the callbacks: they may send what gets stuck again.
        if self._backlog is not None:
            self._backlog.flushed()
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_flushed(self.transport)
        if self._flow is not None and self.writable:
            self._flow.resume()

    # --- a peer that is slow ----------------------------------------------------------

    def _count_what_waits(self) -> bool:
        """Count what waits; say whether the session has survived that."""
        backlog = self._ensure_backlog()
        backlog.count(self._write_buffer)
        if self._corked and backlog.queued >= BATCH_SIZE:
            # Enough collected: the transport has to show how much of it goes away.
            self.flush()
        backlog.enforce()
        if self._flow is not None and not self.writable:
            self._flow.pause()
        return self.ready_state is _OPEN

    def _count_in_flight(self, packets: Sequence[OutgoingPacket]) -> None:
        self._ensure_backlog().stuck(packets)
        if self._flow is not None:
            self._flow.pause()

    def _ensure_backlog(self) -> Backlog:
        if self._backlog is None:
            self._backlog = Backlog(self.engine.buffers, self._overflowed)
        return self._backlog

    def _overflowed(self, problem: BufferOverflow) -> None:
        self.end(CloseReason.BUFFER_OVERFLOW, problem)

    def end(self, reason: CloseReason, description: Exception | None = None) -> None:
        """End the session now."""
        raise NotImplementedError

    def drained_for_close(self) -> None:
        """Go on with closing: nothing is left to send."""
        raise NotImplementedError

    def _emit_both(self, event: str, *arguments: object) -> None:
        self.emit(event, *arguments)
        self.engine.emit(event, self, *arguments)

    def _forget_outgoing(self, closed: SessionClosed) -> None:
        self._write_buffer = []
        if self._flush_callbacks is not None:
            self._flush_callbacks.session_closed(closed)
            self._flush_callbacks = None
        if self._backlog is not None:
            self._backlog.clear()
        if self._flow is not None:
            flow, self._flow = self._flow, None
            flow.end(closed)
