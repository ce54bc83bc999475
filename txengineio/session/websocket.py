"""The WebSocket transport of both sides: Autobahn protocols that carry packets.

What comes in, one packet in each message:

    <- text   "4hello"     a packet, its type in front
    <- binary 01 02 03     a binary message (revision 3: the type as a byte in front)

and what goes out looks the same. Ping and pong frames are Autobahn's affair and have
nothing to do with the heartbeat.

Server and client differ in how a connection opens, in whose frames are masked, and in
how it closes. Spec: Engine.IO v4, "WebSocket"; RFC 6455.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from typing_extensions import override
from zope.interface import implementer

from txengineio.errors import PacketDecodeError, PayloadTooLarge, TransportError
from txengineio.net.direct_writes import can_write_directly, write_directly
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import BARE_PACKETS, PacketType, encode_text_packet
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import (
    IDeflate,
    IPacketReceiver,
    IPacketTransport,
    OutgoingPacket,
)
from txengineio.session.reading import ReadingWebSocketProtocol

__all__ = ["WebSocketTransport"]

_OPEN: Final = WebSocketProtocol.STATE_OPEN
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_MESSAGE: Final = PacketType.MESSAGE


@implementer(IPacketTransport, IPushProducer)
class WebSocketTransport(ReadingWebSocketProtocol):
    """One WebSocket; mixed into Autobahn's protocol of a server or a client.

    Attributes:
        encode_frame: Makes a frame of this side.
        encode_message: Makes the frame of a message that is text.
        name: ``websocket``.
        writable: Whether more can be sent now.
        supports_binary: Whether binary data goes out in binary frames.
        deflate: Makes frames where compression was negotiated.
    """

    name = "websocket"

    encode_frame: ClassVar[staticmethod[[str | bytes], bytes]]
    encode_message: ClassVar[staticmethod[[str], bytes]]

    deflate: IDeflate | None = None

    # What leaves with the first frame: a server's answer to the opening request.
    before_first = b""

    # Autobahn tells by these what is told to the session here.
    is_open = is_closed = property(lambda _: Deferred())

    def __init__(self, codec: Codec, supports_binary: bool) -> None:
        # Not Autobahn's, which only prepares for listeners that there are none of.
        self.supports_binary = supports_binary
        self.receiver: IPacketReceiver | None = None
        self.session = None
        self.writable = True
        self._codec = codec
        self.is_direct = False

    def attach(self, session: BaseSession) -> None:
        """Carry a session from now on."""
        self.receiver = self.session = session

    # --- called by Twisted ------------------------------------------------------------

    def connected_to_peer(self) -> None:
        """Prepare to write; the connection is made."""
        self.short_path = self.factory.short_path
        self.turns = self.factory.turns
        self.is_direct = self.short_path and can_write_directly(self.transport)
        # What does not leave the process is kept by the session, not by the transport.
        self.transport.registerProducer(self, True)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.stop_dropping()
        self._connectionLost(reason)

    def connection_gone(self) -> None:
        """Tell the session, if it does not know, that there is no connection."""
        self.stop_dropping()
        self.state = WebSocketProtocol.STATE_CLOSED
        self._unread = b""
        if self.receiver is not None:
            self.receiver.transport_closed()

    def pauseProducing(self) -> None:
        """Keep back what is sent; the peer does not read as fast."""
        self.writable = False

    def resumeProducing(self) -> None:
        """Send what was kept back."""
        self.writable = True
        self.answer_last_ping()
        if self.session is not None:
            self.session.batch_flushed()
            self.session.flush()

    def stopProducing(self) -> None:
        """Send nothing more; the connection is lost."""
        self.writable = False

    # --- called by Autobahn -----------------------------------------------------------

    @override
    def sendData(
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        # Not Autobahn's: that counts octets, and describes itself for a log.
        self.send_data(data)

    @override
    def _onOpen(self) -> None:
        # Not Autobahn's: that looks at the certificate of a peer over TLS again.
        pass

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            self.binary_received(payload)
        else:
            self.text_received(payload.decode())

    @override
    def _onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self.receiver is not None:
            self.receiver.transport_closed()

    @override
    def _fail_connection(
        self,
        code: int = WebSocketProtocol.CLOSE_STATUS_CODE_GOING_AWAY,
        reason: str = "going away",
    ) -> None:
        super()._fail_connection(code, reason)
        if self.receiver is not None:
            error = TransportError("websocket error", reason)
            if code == WebSocketProtocol.CLOSE_STATUS_CODE_MESSAGE_TOO_BIG:
                hint = PayloadTooLarge.hint
                error = TransportError("Max payload size exceeded", reason, hint=hint)
            self.receiver.transport_failed(error)

    @override
    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: bytes | None = None,
        isReply: bool = False,
    ) -> None:
        if self.session is not None:
            # What answers earlier messages goes out before.
            self.session.uncork()
        # Without a text: it would tell strangers about the server, and cost bytes.
        super().sendCloseFrame(code, None, isReply)
        self.drop_later()

    @override
    def _closeConnection(self, abort: bool = False) -> None:
        # Autobahn resets a connection even when both sides have said goodbye.
        super()._closeConnection(abort and not self.wasClean)
        self.drop_later()

    # --- packets in -------------------------------------------------------------------

    @override
    def text_received(self, text: str) -> bool:
        if self.receiver is not None:
            if text[:1] == "4":
                self.receiver.message_received(text[1:])
            elif text in BARE_PACKETS:
                self.receiver.packet_received(BARE_PACKETS[text], None)
            else:
                self._frame_received(self.receiver, text)
        return self.state == _OPEN

    @override
    def binary_received(self, data: bytes) -> bool:
        if self.receiver is not None:
            self._frame_received(self.receiver, data)
        return self.state == _OPEN

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

    # --- IPacketTransport -------------------------------------------------------------

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """Send each packet in a frame of its own, all in one write."""
        deflate = self.deflate
        if len(packets) == 1 and deflate is None:
            # Without a list: of two that talk, most messages go alone.
            packet_type, data, _, frame = packets[0]
            if type(data) is str and packet_type is _MESSAGE:
                self._write(frame or self.encode_message(data))
                return self.writable
            if data is None:
                # Heartbeats, in either revision.
                self._write(self.encode_frame(encode_text_packet(packet_type, None)))
                return self.writable
        encode = self._codec.encode_frame
        binary = self.supports_binary
        if deflate is None:
            encode_frame, encode_message = self.encode_frame, self.encode_message
            frames = [
                frame
                or (
                    encode_message(data)
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
        self._write(frames[0] if len(frames) == 1 else b"".join(frames))
        return self.writable

    def send_frame(self, frame: bytes) -> bool:
        """Send a frame that is complete, if that is possible now; say whether."""
        if self.deflate is not None or not self.writable or self.state != _OPEN:
            return False
        self.send_data(frame)
        return True

    def _write(self, data: bytes) -> None:
        if self.state != _OPEN:
            return
        session = self.session
        if session is not None and (traffic := session.traffic) is not None:
            traffic.bytes_out += len(data)
        if self.is_direct and not self.before_first:
            write_directly(self.transport, data)
        else:
            self.send_data(data)

    def send_data(self, data: bytes) -> None:
        """Write to the connection, behind what has to come before."""
        if self.before_first:
            self.send_first(data)
        elif self.is_direct:
            write_directly(self.transport, data)
        else:
            self.transport.write(data)

    def send_first(self, data: bytes) -> None:
        """Write what has to come before, and some data, in one piece."""
        data, self.before_first = self.before_first + data, b""
        self.send_data(data)

    def close(self) -> bool:
        """Send a close frame; whether the session need not wait for the peer's."""
        return True

    def session_ended(self) -> None:
        """Send a close frame, unless that is done; forget the session."""
        session, self.receiver, self.session = self.session, None, None
        if session is not None and session.reading_paused:
            # To hear the peer's goodbye.
            self.resume_reading()
        if self.state == _OPEN:
            self.sendCloseFrame()

    def replaced(self) -> None:
        """Close: another transport has taken the session over."""
        self.session_ended()
