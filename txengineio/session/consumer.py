"""A session as its application sends to it: messages, and the ``IConsumer`` they make.

The session's `SendQueue` handles each message from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IConsumer, IProducer
from typing_extensions import Buffer
from zope.interface import implementer

from txengineio.errors import SessionClosed
from txengineio.protocol.packets import (
    Packet,
    PacketData,
    PacketType,
    message_data,
)
from txengineio.protocol.states import ReadyState
from txengineio.session.events import EventEmitter
from txengineio.session.interfaces import IPacketTransport
from txengineio.session.send_queue import SendQueue

__all__ = ["Consumer"]

_OPEN = ReadyState.OPEN
_MESSAGE = PacketType.MESSAGE


@implementer(IConsumer)
class Consumer(EventEmitter):
    """What an application may send, and when; it holds nothing of its own.

    Attributes:
        ready_state: Where the session is in its life.
        closed: Why the session is over; None as long as it is not.
        send_queue: What was sent and has not left yet. Transports cork and flush it.
    """

    __slots__ = ()

    ready_state: ReadyState
    closed: SessionClosed | None
    send_queue: SendQueue

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up, so that more should be sent now.

        Messages that are sent at other times are kept, up to the limits, and
        ``when_drained`` tells when that is over. Between two polls a session is
        writable as long as little waits for the next one.
        """
        return self.ready_state is _OPEN and self.send_queue.has_room

    @property
    def buffered_bytes(self) -> int:
        """The memory that waits for the peer: here, and in a congested transport."""
        return self.send_queue.size

    @property
    def write_buffer(self) -> Sequence[Packet]:
        """The packets that wait for the transport, as (type, data)."""
        return [packet[:2] for packet in self.send_queue.waiting or ()]

    def send(
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
        together with whatever else is sent then. Messages that the transport cannot
        take yet are kept.

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
        if self.handlers is not None and self._closed_on_creation(_MESSAGE, message):
            return False
        queue = self.send_queue
        if (
            pre_encoded_frame is not None
            and on_flushed is None
            and queue.pass_frame(message, pre_encoded_frame)
        ):
            return True
        return queue.put((_MESSAGE, message, compress, pre_encoded_frame), on_flushed)

    def send_control(self, packet_type: PacketType) -> None:
        """Send a packet that is no message, unless the session is closing."""
        if self.ready_state is not _OPEN:
            return
        if self.handlers is not None and self._closed_on_creation(packet_type, None):
            return
        self.send_queue.put((packet_type, None, True, None))

    def _closed_on_creation(self, packet_type: PacketType, data: PacketData) -> bool:
        """Emit ``packet_create``; say whether a handler has closed the session."""
        self.emit("packet_create", packet_type, data)
        return self.ready_state is not _OPEN

    def when_flushed(self) -> Deferred[None]:
        """Return a Deferred that fires when all messages so far have been handed on.

        It fails with `SessionClosed` if the session closes before.
        """
        if self.closed is not None:
            return fail(self.closed)
        return self.send_queue.when_flushed()

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires once the session is ``writable``, perhaps now.

        It fails with `SessionClosed` if the session closes before.
        """
        if self.closed is not None:
            return fail(self.closed)
        return self.send_queue.when_drained()

    def write(self, data: str | Buffer) -> None:
        """Send a message, as ``send`` does; producers call this."""
        self.send(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let a producer produce as long as the session is ``writable``.

        Args:
            producer: Told to stop when the session ends.
            streaming: Whether it is an ``IPushProducer``, which is told to pause and to
                go on; an ``IPullProducer`` is asked again and again.

        Raises:
            RuntimeError: There is another producer.
        """
        if self.closed is None:
            self.send_queue.register_producer(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.send_queue.unregister_producer()
