"""The WebSocket transport of both sides: a WebSocket that carries packets.

What comes in, one packet in each message:

    <- text   "4hello"     a packet, its type in front
    <- binary 01 02 03     a binary message (revision 3: the type as a byte in front)

and what goes out looks the same. Ping and pong frames are the connection's affair and
have nothing to do with the heartbeat.

Spec: Engine.IO v4, "WebSocket".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from txengineio.errors import PacketDecodeError, PayloadTooLarge, TransportError
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import BARE_PACKETS, PacketType
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import (
    IPacketReceiver,
    IPacketTransport,
    OutgoingPacket,
)
from txengineio.websocket._autobahn import OPEN, TOO_BIG, Connection
from txengineio.websocket.deflate import Deflater
from txengineio.websocket.interfaces import IWebSocketOwner
from txengineio.websocket.limits import Excess

__all__ = ["WebSocketTransport"]

_MESSAGE: Final = PacketType.MESSAGE

_EXCESSES: Final = {
    Excess.FRAGMENTS: (
        "too many fragments in a message",
        "at most {} are allowed",
        "to allow more, raise max_message_fragments (--max-message-fragments)",
    ),
    Excess.TINY_FRAMES: (
        "too many control frames and tiny fragments",
        "at most {} in a second are allowed",
        "to allow more, raise max_tiny_frames_per_second "
        "(--max-tiny-frames-per-second)",
    ),
}
"""The texts of a `TransportError` for what a peer does too often."""


@implementer(IPacketTransport, IWebSocketOwner, IPushProducer)
class WebSocketTransport:
    """One WebSocket.

    Args:
        connection: The connection, which has no owner yet.
        codec: Of the session's revision.
        supports_binary: Whether binary data goes out in binary frames.

    Attributes:
        connection: As given.
        deflate: Makes frames where compression was agreed on.
        name: ``websocket``.
        receiver: The receiver of the input: a session, or an attempt to upgrade one.
        session: The session, once the WebSocket carries one.
        supports_binary: As given.
        writable: Whether more can be sent now.
    """

    __slots__ = (
        "_codec",
        "connection",
        "deflate",
        "receiver",
        "session",
        "supports_binary",
        "writable",
    )

    name = "websocket"

    def __init__(
        self, connection: Connection, codec: Codec, supports_binary: bool
    ) -> None:
        self.connection = connection
        self.deflate: Deflater | None = None
        self.receiver: IPacketReceiver | None = None
        self.session: BaseSession | None = None
        self.supports_binary = supports_binary
        self.writable = True
        self._codec = codec
        connection.belong_to(self)

    def attach(self, session: BaseSession) -> None:
        """Carry a session from now on."""
        self.receiver = self.session = session

    # --- IPushProducer: called by Twisted ---------------------------------------------

    def pauseProducing(self) -> None:
        """Keep messages back; the peer does not read as fast as they come."""
        self.writable = False

    def resumeProducing(self) -> None:
        """Send what was kept back."""
        self.writable = True
        self.connection.answer_last_ping()
        session = self.session
        if session is not None:
            # A callback that has waited for this may end the session.
            session.send_queue.batch_flushed()
            session.send_queue.flush()

    def stopProducing(self) -> None:
        """Send nothing more; the connection is lost."""
        self.writable = False

    # --- IWebSocketOwner: packets in --------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read the input; replies to it go out together."""
        connection, session = self.connection, self.session
        if session is None:
            if not connection.reader.receive(data):
                connection.read_turns.read()
            return
        if (traffic := session.traffic) is not None:
            traffic.bytes_in += len(data)
        queue = session.send_queue
        queue.cork()
        try:
            if not connection.reader.receive(data):
                connection.read_turns.read()
        finally:
            queue.uncork()

    def read_on(self, read: Callable[[], None]) -> None:
        """Read what has come before, as `data_received` does."""
        session = self.session
        if session is None:
            read()
            return
        session.send_queue.cork()
        try:
            read()
        finally:
            session.send_queue.uncork()

    def text_received(self, text: str) -> None:
        """Take a packet."""
        if self.receiver is not None:
            if text[:1] == "4":
                self.receiver.message_received(text[1:])
            elif text in BARE_PACKETS:
                self.receiver.packet_received(BARE_PACKETS[text], None)
            else:
                self._frame_received(self.receiver, text)

    def binary_received(self, data: bytes) -> None:
        """Take a packet."""
        if self.receiver is not None:
            self._frame_received(self.receiver, data)

    def _frame_received(self, receiver: IPacketReceiver, frame: str | bytes) -> None:
        try:
            packet_type, data = self._codec.decode_frame(frame)
        except PacketDecodeError as problem:
            receiver.decode_failed(problem)
            return
        if packet_type is PacketType.MESSAGE and data is not None:
            receiver.message_received(data)
        else:
            receiver.packet_received(packet_type, data)

    # --- IWebSocketOwner: the end -----------------------------------------------------

    def before_close(self) -> None:
        """Send the replies to earlier messages."""
        if self.session is not None:
            self.session.send_queue.uncork()

    def websocket_closed(self, is_clean: bool) -> None:
        """Tell the session, if it does not know."""
        if self.receiver is not None:
            self.receiver.transport_closed()

    def websocket_failed(self, code: int, reason: str) -> None:
        """Tell the session."""
        if self.receiver is not None:
            error = TransportError("websocket error", reason)
            if code == TOO_BIG:
                hint = PayloadTooLarge.hint
                error = TransportError("Max payload size exceeded", reason, hint=hint)
            self.receiver.transport_failed(error)

    def limit_exceeded(self, excess: Excess, limit: int) -> None:
        """Tell the session."""
        if self.receiver is not None:
            message, allowed, hint = _EXCESSES[excess]
            error = TransportError(message, allowed.format(limit), hint=hint)
            self.receiver.transport_failed(error)

    # --- IPacketTransport -------------------------------------------------------------

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """Send each packet in a frame of its own, all in one write."""
        connection, session = self.connection, self.session
        packet_type, message, _, frame = packets[0]
        if len(packets) > 1 or self.deflate is not None:
            data = self._frames(packets)
        elif type(message) is str and packet_type is _MESSAGE:
            # Without building a list: in a dialogue, most messages go out one at a
            # time.
            data = frame or connection.encode_frame("4" + message)
        else:
            packet = self._codec.encode_frame(
                packet_type, message, self.supports_binary
            )
            data = frame or connection.encode_frame(packet)
        if connection.state == OPEN:
            if session is not None and (traffic := session.traffic) is not None:
                traffic.bytes_out += len(data)
            connection.writer.write(data)
        return self.writable

    def _frames(self, packets: Sequence[OutgoingPacket]) -> bytes:
        """Return the frames of some packets."""
        deflate = self.deflate
        encode = self._codec.encode_frame
        binary = self.supports_binary
        if deflate is None:
            encode_frame = self.connection.encode_frame
            frames = [
                frame
                or (
                    encode_frame("4" + data)
                    if type(data) is str and packet_type is _MESSAGE
                    else encode_frame(encode(packet_type, data, binary))
                )
                for packet_type, data, _, frame in packets
            ]
        else:
            # A frame that was made before is not compressed.
            frames = [
                deflate.encode_frame(encode(packet_type, data, binary), compress)
                for packet_type, data, compress, _ in packets
            ]
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def send_frame(self, frame: bytes) -> bool:
        """Send a frame that is complete, if that is possible now; say whether."""
        connection, session = self.connection, self.session
        if self.deflate is not None or not self.writable or connection.state != OPEN:
            return False
        if session is not None and (traffic := session.traffic) is not None:
            traffic.bytes_out += len(frame)
        connection.writer.write(frame)
        return True

    def close(self) -> bool:
        """Let `session_ended` send a close frame; the session need not wait."""
        return True

    def session_ended(self) -> None:
        """Send a close frame, unless that is done; forget the session."""
        session, self.receiver, self.session = self.session, None, None
        if session is not None and session.reading_paused:
            # So that the peer's goodbye is still received.
            self.resume_reading()
        self.connection.close()

    def replaced(self) -> None:
        """Close: another transport has taken the session over."""
        self.session_ended()

    def pause_reading(self) -> None:
        """Read nothing more from the connection."""
        self.connection.read_turns.pause()

    def resume_reading(self) -> None:
        """Read from the connection again."""
        self.connection.read_turns.resume()
