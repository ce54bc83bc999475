"""One message to many sessions."""

from __future__ import annotations

from typing import Any

from txengineio.protocol.packets import PacketType, message_data
from txengineio.protocol.revisions import codec_for
from txengineio.protocol.states import ReadyState
from txengineio.server.session import Session
from txengineio.websocket.frames import encode_frame

__all__ = ["EncodedMessage"]

_OPEN = ReadyState.OPEN


class EncodedMessage:
    """A message whose WebSocket frame is made once for each kind of session.

    Args:
        message: As for `Session.send`.

    Attributes:
        data: The message, as text or bytes.
    """

    __slots__ = ("_frames", "data")

    def __init__(self, message: Any) -> None:
        self.data = message_data(message)
        # By revision, and by whether binary frames are taken.
        self._frames: dict[tuple[int, bool], bytes] = {}

    def send_to(self, session: Session, compress: bool = True) -> bool:
        """Send the message to a session; returns what `Session.send` returns."""
        frame = None
        if session.transport.name == "websocket":
            kind = session.protocol_revision, session.transport.supports_binary
            frame = self._frames.get(kind)
            if frame is None:
                frame = self._frames[kind] = self._frame(*kind)
            # Tried here, not only by `send`, to save the call.
            if session.ready_state is _OPEN and session.send_queue.pass_frame(
                self.data, frame
            ):
                return True
        return session.send(self.data, compress=compress, pre_encoded_frame=frame)

    def _frame(self, revision: int, supports_binary: bool) -> bytes:
        codec = codec_for(revision)
        return encode_frame(
            codec.encode_frame(PacketType.MESSAGE, self.data, supports_binary)
        )
