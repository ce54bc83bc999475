"""Autobahn's WebSocket protocol with a short path for what nearly every frame is.

A frame that is complete and simple is read here, by the functions of
`txengineio.websocket.frames`. Whatever else comes goes to Autobahn's parser, and what
is behind it need not.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, cast

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from typing_extensions import override

from txengineio.session.base import BaseSession
from txengineio.session.frugal import MAX_PIECES
from txengineio.session.polite import PoliteWebSocketProtocol
from txengineio.websocket.frames import (
    close_code,
    is_simple_close,
    missing_bytes,
    read_messages,
)

__all__ = ["ReadingWebSocketProtocol"]

_OPEN: Final = WebSocketProtocol.STATE_OPEN
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED


class ReadingWebSocketProtocol(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketAdapterProtocol, PoliteWebSocketProtocol
):
    """A WebSocket of either side.

    Attributes:
        mask_width: Bytes of the mask in the peer's frames.
        lone_text: Reads a short text of the peer that has come alone.
        session: The session, once the WebSocket carries one.
        short_path: Whether frames may go around Autobahn's parser.
    """

    mask_width: ClassVar[int]
    lone_text: ClassVar[staticmethod[[bytes, int], str | None]]

    session: BaseSession | None
    short_path = False

    # Its annotation leaves None out.
    current_frame: Any
    # What its factory says; Autobahn has no annotations for these.
    maxMessagePayloadSize: int  # noqa: N815
    factory: Any
    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    # How much is missing of a simple frame, and, if anything is, what has come of it.
    _missing = 0
    _pieces: list[bytes]

    def text_received(self, text: str) -> bool:
        """Take the content of a text frame; say whether to go on."""
        raise NotImplementedError

    def binary_received(self, data: bytes) -> bool:
        """Take the content of a binary frame; say whether to go on."""
        raise NotImplementedError

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
        if self.state != _OPEN or not self.short_path:
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
                self.text_received(text)

    def _read_simple_frames(self, data: bytes) -> None:
        data = read_messages(
            data,
            self.maxMessagePayloadSize,
            self.mask_width,
            self.text_received,
            self.binary_received,
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
