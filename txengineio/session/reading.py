"""Autobahn's WebSocket protocol with a short path for what nearly every frame is.

A frame that is complete and simple is read here, by the functions of
`txengineio.websocket.frames`. Whatever else comes goes to Autobahn's parser, and what
is behind it need not.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Final, cast

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from typing_extensions import override

from txengineio.net.turns import Turns
from txengineio.session.base import BaseSession
from txengineio.session.frugal import MAX_PIECES
from txengineio.session.polite import PoliteWebSocketProtocol
from txengineio.websocket.frames import (
    MAX_HEADER,
    close_code,
    frame_size,
    is_simple_close,
    missing_bytes,
    read_messages,
)

__all__ = ["ReadingWebSocketProtocol"]

_OPEN: Final = WebSocketProtocol.STATE_OPEN
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED

_SLICE: Final = 2048
"""Bytes that are read before the time is looked at, unless one frame has more.

Where each is a fragment that Autobahn reads they take four milliseconds.
"""

_FRAMES: Final = 256
"""Simple frames that are read before the time is looked at."""


class ReadingWebSocketProtocol(  # type: ignore[misc]  # as Autobahn's own classes
    WebSocketAdapterProtocol, PoliteWebSocketProtocol
):
    """A WebSocket of either side.

    Attributes:
        mask_width: Bytes of the mask in the peer's frames.
        lone_text: Reads a short text of the peer that has come alone.
        session: The session, once the WebSocket carries one.
        short_path: Whether frames may go around Autobahn's parser.
        turns: Says when others have their turn; its factory knows.
    """

    mask_width: ClassVar[int]
    lone_text: ClassVar[staticmethod[[bytes, int], str | None]]

    session: BaseSession | None
    short_path = False
    turns: Turns

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

    # What has come and waits for its turn; nothing more is read meanwhile.
    _unread = b""

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
        if self._unread:
            # Reading is paused, but TLS had decrypted this, or somebody resumed it.
            self._unread += data
            self.transport.pauseProducing()
            return
        if session is not None:
            # What is sent meanwhile goes out together.
            session.cork()
        try:
            if self._missing or len(data) > _SLICE:
                self._read_in_turns(data)
            else:
                self.read_frames(data)
        finally:
            if session is not None:
                session.uncork()

    def _read_in_turns(self, data: bytes) -> None:
        """Read for a while; what is left then waits until others had their turn."""
        began = self.turns.seconds()
        while data := self._read_some(data):
            if self.turns.is_over(began):
                self._unread = data
                self.transport.pauseProducing()
                self.turns.wait(self._read_on)
                break

    def _read_some(self, data: bytes) -> bytes:
        """Read some frames; return the rest."""
        if self._missing:
            end = self._missing
            self._finish_simple_frame(data[:end])
            return data[end:]
        is_known = self._is_between_frames()
        if is_known and self.short_path:
            left = self._read_messages(data, _FRAMES)
            if len(left) < len(data):
                return left
        # A large frame is read in one piece: that takes no longer than to cut it.
        end = max(_SLICE, frame_size(data[:MAX_HEADER]) if is_known else 0)
        self.read_frames(data[:end])
        return data[end:]

    def _is_between_frames(self) -> bool:
        """Whether what comes next is the beginning of a frame."""
        return (
            self.state == _OPEN
            and not self.data
            and self.current_frame is None
            and not self.inside_message
        )

    def _finish_simple_frame(self, data: bytes) -> None:
        self._pieces.append(data)
        self._missing -= len(data)
        # Once the session is over Autobahn reads on, from the frame's beginning.
        if self._missing <= 0 or self.state != _OPEN:
            data, self._pieces, self._missing = b"".join(self._pieces), [], 0
            self.read_frames(data)
        elif len(self._pieces) == MAX_PIECES:
            self._pieces = [b"".join(self._pieces)]

    def _read_on(self) -> None:
        """Read what has waited; read from the connection again when that is done."""
        session = self.session
        if self._unread and (session is None or not session.reading_paused):
            data, self._unread = self._unread, b""
            if session is not None:
                session.cork()
            try:
                self._read_in_turns(data)
            finally:
                if session is not None:
                    session.uncork()
            if not self._unread and (session is None or not session.reading_paused):
                self.transport.resumeProducing()

    def pause_reading(self) -> None:
        """Read nothing more from the connection."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read from the connection again, once all that has come is read."""
        if self._unread:
            self.turns.wait(self._read_on)
        else:
            self.transport.resumeProducing()

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
        data = self._read_messages(data)
        if data:
            self._keep_or_parse(data)

    def _read_messages(self, data: bytes, at_most: int = sys.maxsize) -> bytes:
        return read_messages(
            data,
            self.maxMessagePayloadSize,
            self.mask_width,
            self.text_received,
            self.binary_received,
            at_most,
        )

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
