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
from typing import Any, ClassVar, Final, cast

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from typing_extensions import override
from zope.interface import implementer

from txengineio.advice import TOO_LARGE
from txengineio.errors import PacketDecodeError, TransportError
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import BARE_PACKETS, PacketType, encode_text_packet
from txengineio.session.base import BaseSession
from txengineio.session.frames import (
    close_code,
    is_simple_close,
    missing_bytes,
    read_messages,
)
from txengineio.session.frugal import MAX_PIECES
from txengineio.session.interfaces import (
    IDeflate,
    IPacketReceiver,
    IPacketTransport,
    OutgoingPacket,
)
from txengineio.session.polite import PoliteWebSocketProtocol
from txengineio.sockets.writing import can_write_directly, write_directly

__all__ = ["WebSocketTransport"]

_OPEN: Final = WebSocketProtocol.STATE_OPEN
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_MESSAGE: Final = PacketType.MESSAGE


@implementer(IPacketTransport, IPushProducer)
class WebSocketTransport(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketAdapterProtocol, PoliteWebSocketProtocol
):
    """One WebSocket; mixed into Autobahn's protocol of a server or a client.

    Attributes:
        mask_width: Bytes of the mask in the peer's frames.
        lone_text: Reads a short text of the peer that has come alone, see
            `txengineio.session.frames`.
        encode_frame: Makes a frame of this side.
        encode_message: Makes the frame of a message that is text.
        name: ``websocket``.
        session: The session, once the WebSocket carries one.
        writable: Whether more can be sent now.
        supports_binary: Whether binary data goes out in binary frames.
        deflate: Makes frames where compression was negotiated.
    """

    name = "websocket"

    mask_width: ClassVar[int]
    lone_text: ClassVar[staticmethod[[bytes, int], str | None]]
    encode_frame: ClassVar[staticmethod[[str | bytes], bytes]]
    encode_message: ClassVar[staticmethod[[str], bytes]]

    deflate: IDeflate | None = None

    # What leaves with the first frame: a server's answer to the opening request.
    before_first = b""

    # Its annotation leaves None out.
    current_frame: Any
    # What its factory says; Autobahn has no annotations for these.
    maxMessagePayloadSize: int  # noqa: N815
    factory: Any
    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    # Autobahn tells by these what is told to the session here.
    is_open = is_closed = property(lambda _: Deferred())

    def __init__(self, codec: Codec, supports_binary: bool) -> None:
        # Not Autobahn's, which only prepares for listeners that there are none of.
        self.supports_binary = supports_binary
        self.receiver: IPacketReceiver | None = None
        self.session: BaseSession | None = None
        self.writable = True
        self._codec = codec
        self.is_direct = self._short_path = False
        self._pieces: list[bytes] = []
        self._missing = 0

    def attach(self, session: BaseSession) -> None:
        """Carry a session from now on."""
        self.receiver = self.session = session

    # --- called by Twisted ------------------------------------------------------------

    def connected_to_peer(self) -> None:
        """Prepare to write; the connection is made."""
        self._short_path = self.factory.short_path
        self.is_direct = self._short_path and can_write_directly(self.transport)
        # What does not leave the process is kept by the session, not by the transport.
        self.transport.registerProducer(self, True)

    @override
    def dataReceived(self, data: bytes) -> None:
        session = self.session
        if session is not None and (traffic := session.traffic) is not None:
            traffic.bytes_in += len(data)
        if self._missing:
            self._pieces.append(data)
            self._missing -= len(data)
            # Once the session is over Autobahn reads on, from the frame's beginning.
            if self._missing > 0 and self.state == _OPEN:
                if len(self._pieces) == MAX_PIECES:
                    self._pieces = [b"".join(self._pieces)]
                return
            data, self._pieces, self._missing = b"".join(self._pieces), [], 0
        if session is None:
            self.read_frames(data)
            return
        session.cork()
        try:
            self.read_frames(data)
        finally:
            session.uncork()

    def read_frames(self, data: bytes) -> None:
        """Read what was received; Autobahn reads what it has to."""
        if self.state != _OPEN or not self._short_path:
            # Else it would keep what TLS delivers until the other side has closed, too.
            if self.state != _CLOSED:
                self._dataReceived(data)
        elif self.current_frame is not None or self.inside_message:
            self._finish_frame(data)
        else:
            if self.data:
                # The beginning of a frame, too short to tell of what kind it is.
                data, self.data = self.data + data, b""
            text = self.lone_text(data, self.maxMessagePayloadSize)
            if text is None:
                self._read_simple_frames(data)
            else:
                self._text_received(text)

    def _read_simple_frames(self, data: bytes) -> None:
        data = read_messages(
            data,
            self.maxMessagePayloadSize,
            self.mask_width,
            self._text_received,
            self._binary_received,
        )
        if data:
            self._keep_or_parse(data)

    def _finish_frame(self, data: bytes) -> None:
        """Let Autobahn finish what it has begun; what is behind need not be its."""
        if self.current_frame is not None:
            missing = self.current_frame.length - self.current_frame_masker.pointer()
            self._dataReceived(data[:missing])
            data = data[missing:]
        if self.current_frame is None and not self.inside_message:
            self.read_frames(data)
        else:
            self._dataReceived(data)

    def _keep_or_parse(self, data: bytes) -> None:
        """Keep the beginning of a simple frame; give anything else to Autobahn."""
        if self.state == _OPEN:
            if is_simple_close(data, self.mask_width):
                self.goodbye_received(close_code(data, self.mask_width))
                return
            self._missing = missing_bytes(
                data, self.maxMessagePayloadSize, self.mask_width
            )
        if self._missing:
            self._pieces = [data]
        else:
            self._dataReceived(data)

    def goodbye_received(self, code: int | None) -> None:
        """Take a close frame that gives no reason in words."""
        self.onCloseFrame(cast(int, code), cast(bytes, None))

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.stop_dropping()
        self._connectionLost(reason)

    def connection_gone(self) -> None:
        """Tell the session, if it does not know, that there is no connection."""
        self.stop_dropping()
        self.state = WebSocketProtocol.STATE_CLOSED
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
            self._binary_received(payload)
        else:
            self._text_received(payload.decode())

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
            message = "websocket error"
            if code == WebSocketProtocol.CLOSE_STATUS_CODE_MESSAGE_TOO_BIG:
                message = TOO_LARGE
            self.receiver.transport_failed(TransportError(message, reason))

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

    def _text_received(self, text: str) -> bool:
        if self.receiver is not None:
            if text[:1] == "4":
                self.receiver.message_received(text[1:])
            elif text in BARE_PACKETS:
                self.receiver.packet_received(BARE_PACKETS[text], None)
            else:
                self._frame_received(self.receiver, text)
        return self.state == _OPEN

    def _binary_received(self, data: bytes) -> bool:
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
            data, self.before_first = self.before_first + data, b""
        if self.is_direct:
            write_directly(self.transport, data)
        else:
            self.transport.write(data)

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

    def pause_reading(self) -> None:
        """Read nothing more from the connection."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read from the connection again."""
        self.transport.resumeProducing()
