"""The sending half of a session: what waits for the transport, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from txengineio.errors import SessionClosed
from txengineio.events import EventEmitter
from txengineio.protocol.packets import (
    Packet,
    PacketData,
    PacketType,
    message_data,
)
from txengineio.protocol.states import ReadyState
from txengineio.protocol.text import encode_utf8
from txengineio.session.flushing import FlushCallbacks
from txengineio.session.interfaces import (
    IPacketTransport,
    ISessionOwner,
    OutgoingPacket,
)
from txengineio.session.traffic import Traffic

__all__ = ["Outgoing"]

_OPEN = ReadyState.OPEN


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
        "_corked",
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

    @property
    def write_buffer(self) -> Sequence[Packet]:
        """The packets that wait for the transport, as (type, data)."""
        return [packet[:2] for packet in self._write_buffer]

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the packets that wait for the transport, without their framing."""
        return sum(_size(packet[1]) for packet in self._write_buffer)

    def send(
        self,
        message: Any,
        *,
        compress: bool = True,
        on_flushed: Callable[[IPacketTransport], Any] | None = None,
        pre_encoded_frame: bytes | None = None,
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

        Returns:
            False if the session is closing or closed: the message is dropped then.

        Raises:
            TypeError: The message is neither text nor bytes-like.
        """
        if type(message) is not str and type(message) is not bytes:
            message = message_data(message)
        if self.ready_state is not _OPEN:
            return False
        if self.handlers is not None:
            self.emit("packet_create", PacketType.MESSAGE, message)
            if self.ready_state is not _OPEN:
                # Closed by one of the handlers.
                return False
        self._write_buffer.append(
            (PacketType.MESSAGE, message, compress, pre_encoded_frame)
        )
        if on_flushed is not None:
            self._callbacks().add(on_flushed)
        if not self._corked:
            self.flush()
        return True

    def send_control(self, packet_type: PacketType, data: PacketData = None) -> None:
        """Send a packet that is no message, unless the session is closing."""
        if self.ready_state is not _OPEN:
            return
        if self.handlers is not None:
            self.emit("packet_create", packet_type, data)
            if self.ready_state is not _OPEN:
                return
        self._write_buffer.append((packet_type, data, True, None))
        if self.traffic is not None:
            self.traffic.controls_waiting += 1
        if not self._corked:
            self.flush()

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
            callbacks.add(deferred)
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

    def flush(self) -> None:
        """Give the transport what waits for it, if it can take it."""
        if not self._write_buffer or not self.transport.writable:
            return
        listening = self.handlers is not None or self.engine.handlers is not None
        if listening and self._flushed_by_handlers():
            return
        packets, self._write_buffer = self._write_buffer, []
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_taken()
        self._in_flight = True
        traffic = self.traffic
        if traffic is not None:
            # For each batch: cheaper than for each message.
            traffic.messages_out += len(packets) - traffic.controls_waiting
            traffic.controls_waiting = 0
        if self.transport.send_packets(packets):
            self.batch_flushed()
        if self.handlers is not None or self.engine.handlers is not None:
            self._emit_both("drain")
        if self.ready_state is ReadyState.CLOSING and not self._write_buffer:
            self.drained_for_close()

    def _flushed_by_handlers(self) -> bool:
        """Tell handlers; say whether one has sent something, or closed the session."""
        self._emit_both("flush", self.write_buffer)
        return not self._write_buffer or not self.transport.writable

    def batch_flushed(self) -> None:
        """Learn that the transport has handed on all that it was given."""
        self._in_flight = False
        if self._flush_callbacks is not None:
            self._flush_callbacks.batch_flushed(self.transport)

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


def _size(data: PacketData) -> int:
    if data is None:
        return 0
    if isinstance(data, str) and not data.isascii():
        return len(encode_utf8(data))
    return len(data)
