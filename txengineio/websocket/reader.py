"""Reading WebSocket frames: bytes in; text, binary, control and close frames out.

A `FrameReader` belongs to one connection of either side. It finds out where frames
begin and end, and what is in nearly all of them. Each frame that it does not understand
(compressed ones, a close frame with a reason in words) goes as a whole to a parser that
understands everything, and so does the head of each frame that breaks a rule, as that
parser knows best what to say about it. Without the short path all frames go there.

The limits are enforced here, whichever parser reads the content of a frame.

Spec: RFC 6455, section 5 "Data Framing".
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from txengineio.websocket.close_search import close_code, pass_frames
from txengineio.websocket.frames import lone_masked_text
from txengineio.websocket.heads import (
    BINARY,
    CLOSE,
    COMPRESSED,
    FINAL,
    LENGTH_16,
    LENGTH_64,
    LONGEST_KEY,
    MASK_WIDTH,
    MASKED,
    PING,
    PONG,
    TEXT,
    TEXT_OPCODE,
    fragment_head,
    long_length,
)
from txengineio.websocket.interfaces import IFrameReceiver, IMessageReceiver
from txengineio.websocket.limits import MAX_PIECES, TINY, Excess, FrameLimits
from txengineio.websocket.masking import apply_mask, from_bytes
from txengineio.websocket.partial_message import PartialMessage

__all__ = ["FRAMES", "SHORT", "End", "FrameReader"]

_CODE_WIDTH: Final = 2
_CONTROLS: Final = frozenset((CLOSE, PING, PONG))
_FIRST: Final = frozenset((TEXT, BINARY, 0x01, 0x02))
_FIRST_COMPRESSED: Final = frozenset(first | COMPRESSED for first in _FIRST)
_CONTINUATIONS: Final = frozenset((0x80, 0x00))

SHORT: Final = 2048
"""Bytes that are read at once, whatever frames they are."""

_LONG_AGO: Final = float("-inf")

FRAMES: Final = 256
"""Frames of one kind that are read before others may have their turn."""


@unique
class End(Enum):
    """Why a reader reads no messages any more."""

    FAILED = "failed"
    """A rule or a limit was broken: only the peer's close frame is of interest."""

    CLOSED = "closed"
    """The peer has sent its close frame, or no longer can: nothing more is read."""


class FrameReader:
    """Reads the frames of one connection.

    Args:
        messages: Told the messages.
        frames: Told everything else.
        limits: What the peer may send.
        is_masked: Whether the peer masks its frames, as clients do.
        short_path: Whether what is in a frame may be read here.

    Attributes:
        ended: Set from outside to end the reading.
        is_compressed: Whether frames may be compressed.
    """

    __slots__ = (
        "_frames",
        "_limits",
        "_lone_limit",
        "_mask_width",
        "_max_size",
        "_message",
        "_messages",
        "_missing",
        "_pieces",
        "_short_path",
        "_since",
        "_start",
        "_tiny_frames",
        "_unread",
        "ended",
        "is_compressed",
    )

    def __init__(
        self,
        messages: IMessageReceiver,
        frames: IFrameReceiver,
        limits: FrameLimits,
        *,
        is_masked: bool,
        short_path: bool,
    ) -> None:
        self.ended: End | None = None
        self.is_compressed = False
        self._messages = messages
        self._frames = frames
        self._limits = limits
        self._max_size = limits.max_size
        self._mask_width = MASK_WIDTH if is_masked else 0
        self._short_path = short_path
        # The limit for `lone_masked_text`; 0 if no such text is looked for.
        self._lone_limit = limits.max_size if is_masked and short_path else 0
        self._message: PartialMessage | None = None
        # Bytes that are missing of a frame, and the pieces that have come of it: None
        # if nothing in it is wanted.
        self._missing = 0
        self._pieces: list[bytes] | None = None
        # Tiny frames that have come since some time.
        self._tiny_frames = 0
        self._since = _LONG_AGO
        # What `go_on` reads, and how far it has come in it.
        self._unread = b""
        self._start = 0

    @property
    def is_between_messages(self) -> bool:
        """Whether no message, and no frame, has come in part."""
        return not self._missing and self._message is None

    def has_unread(self) -> bool:
        """Whether `go_on` has something to read."""
        return bool(self._unread)

    def receive(self, data: bytes) -> bool:  # noqa: C901  # each read comes here
        """Take what was received, and read it if that takes no time to speak of.

        Returns:
            False if the caller must call `go_on` until it returns True. True if
            everything is read, or is queued after earlier unread data.
        """
        if self._unread:
            # Reading is paused, but TLS had decrypted this.
            self._unread = self._unread[self._start :] + data
            self._start = 0
            return True
        if self._missing:
            data = self._complete(data)
        elif self._lone_limit and not (self._message or self.ended):
            text = lone_masked_text(data, self._lone_limit)
            if text is not None:
                self._messages.text_received(text)
                return True
        size = len(data)
        if size > SHORT:
            self._unread = data
            return False
        start = 0
        if self._short_path and self._message is None and self.ended is None:
            # As `_read_some` does it; nearly always this is all.
            start = self._read_messages(data, 0)
            if start < size and self.ended is None:
                start = self._read_frames(data, start)
        while start < size:
            start = self._read_some(data, start)
        return True

    def go_on(self) -> bool:
        """Read some hundred frames of what has been received.

        Returns:
            Whether nothing is left.
        """
        self._start = self._read_some(self._unread, self._start)
        if self._start < len(self._unread):
            return False
        self._unread, self._start = b"", 0
        return True

    def _read_some(self, data: bytes, start: int) -> int:
        """Read some frames; return where the next one begins."""
        if self.ended is not None:
            return self._look_for_close(data, start)
        if self._message is None and self._short_path:
            start = self._read_messages(data, start)
            if start >= len(data) or self.ended is not None:
                return start
        return self._read_frames(data, start)

    # --- a frame that has not come as a whole -----------------------------------------

    def _complete(self, data: bytes) -> bytes:
        """Return what can be read now, from the beginning of a frame on."""
        missing, self._missing = self._missing, max(self._missing - len(data), 0)
        if self._pieces is None or self.ended is End.CLOSED:
            self._pieces = None
            return data[missing:]
        self._pieces.append(data)
        if self._missing:
            if len(self._pieces) == MAX_PIECES:
                self._pieces = [b"".join(self._pieces)]
            return b""
        data, self._pieces = b"".join(self._pieces), None
        return data

    def _keep(self, data: bytes, start: int, end: int) -> int:
        """Keep the frame that begins at ``start`` until it is there up to ``end``."""
        self._missing = end - len(data)
        self._pieces = [data[start:]]
        return len(data)

    # --- the short path ---------------------------------------------------------------

    def _read_messages(  # noqa: C901  # a call for each step would cost more
        self, data: bytes, start: int
    ) -> int:
        """Read messages of one frame each; return where the first other frame is.

        Nearly all frames are of this kind. Nothing of another is read.
        """
        size, limit, messages = len(data), self._max_size, self._messages
        masked = MASKED if self._mask_width else 0
        shortest = 6 if masked else 2
        last = size - shortest
        for _ in range(FRAMES):
            if start > last:
                break
            opcode = data[start]
            if opcode != TEXT and opcode != BINARY:  # noqa: PLR1714  # twice as fast
                break
            length = data[start + 1] - masked
            if 0 <= length < LENGTH_16:
                content = start + shortest
                end = content + length
                if end > size or length > limit:
                    break
                payload = data[content:end]
                if masked:
                    # As in `apply_mask`: a call more would cost as much as the rest.
                    key = (data[start + 2 : content] * LONGEST_KEY)[:length]
                    number = from_bytes(payload, "little")
                    number ^= from_bytes(key, "little")
                    payload = number.to_bytes(length, "little")
            else:
                content, end = self._long_payload(data, start, length)
                if not content:
                    break
                payload = self._payload(data, content, end)
            if opcode == BINARY:
                messages.binary_received(payload)
            else:
                try:
                    text = payload.decode()
                except UnicodeDecodeError:
                    break
                messages.text_received(text)
            start = end
            if self.ended is not None:
                break
        return start

    def _long_payload(self, data: bytes, start: int, code: int) -> tuple[int, int]:
        """Return where a long payload begins and ends.

        It begins at 0 if this is not a frame of the simple kind: it is not complete,
        too large, or breaks another rule.
        """
        if code < 0:
            return 0, 0
        length, width = long_length(data, start + 2, code)
        content = start + 2 + width + self._mask_width
        if length < 0 or content + length > len(data) or length > self._max_size:
            return 0, 0
        return content, content + length

    def _read_frames(self, data: bytes, start: int) -> int:
        """Read frames of all kinds, up to the next message of one frame."""
        size = len(data)
        start = self._read_frame(data, start)
        for _ in range(FRAMES):
            if start >= size or self.ended is not None:
                break
            if (
                self._message is None
                and self._short_path
                and data[start] in (TEXT, BINARY)
            ):
                break
            start = self._read_frame(data, start)
        return start

    # --- frames of all kinds ----------------------------------------------------------

    def _read_frame(self, data: bytes, start: int) -> int:  # noqa: C901  # as above
        """Read one frame, whatever it is; return where to go on."""
        size, content = len(data), start + 2 + self._mask_width
        if size - start < 2:  # noqa: PLR2004
            return self._keep(data, start, start + 2)
        first, length = data[start], data[start + 1]
        if self._mask_width:
            length -= MASKED
        if not self._is_allowed(first, length):
            self._refuse(data, start, start + 2)
            return start
        if length >= LENGTH_16:
            content += 2 if length == LENGTH_16 else 8
        if size < content:
            return self._keep(data, start, content)
        if length >= LENGTH_16:
            length, _ = long_length(data, start + 2, length)
        is_control = first in _CONTROLS
        if not (is_control or self._has_room(data, start, content, length)):
            return start
        end = content + length
        if size < end:
            return self._keep(data, start, end)
        if is_control:
            self._take_control(data, start, content, end)
        else:
            self._take_data(data, start, content, end)
        return end

    def _is_allowed(self, first: int, length: int) -> bool:
        """Whether a frame may begin with these two bytes.

        Args:
            first: The first one.
            length: The second one, without the bit that says that there is a mask.
        """
        if first in _CONTROLS:
            return 0 <= length < LENGTH_16 and not (first == CLOSE and length == 1)
        if not 0 <= length <= LENGTH_64:
            return False
        if self._message is not None:
            return first in _CONTINUATIONS
        return first in _FIRST or (self.is_compressed and first in _FIRST_COMPRESSED)

    def _has_room(self, data: bytes, start: int, content: int, length: int) -> bool:
        """Whether a message may go on with a frame of so many bytes.

        All of it may not have come: what is too much is refused before it is kept.
        """
        message, limits = self._message, self._limits
        size = length if message is None else message.size + length
        if length < 0 or size > limits.max_size:
            # Autobahn reads the head, and closes with 1009 if the message is too large,
            # with 1002 otherwise.
            self._refuse(data, start, content)
        elif message is not None and message.count >= limits.max_fragments:
            self._exceed(Excess.FRAGMENTS, limits.max_fragments)
        else:
            return True
        return False

    def _take_control(self, data: bytes, start: int, content: int, end: int) -> None:
        first = data[start]
        if first == CLOSE:
            if self._short_path and end - content in (0, _CODE_WIDTH):
                self._frames.close_received(close_code(data, start))
            else:
                self._frames.frame_received(data[start:end])
        elif self._is_too_fast():
            return
        elif not self._short_path:
            self._frames.frame_received(data[start:end])
        elif first == PING:
            self._frames.ping_received(self._payload(data, content, end))

    def _take_data(  # noqa: C901  # as above
        self, data: bytes, start: int, content: int, end: int
    ) -> None:
        first, length = data[start], end - content
        is_last = first >= FINAL
        message = self._message
        if message is None:
            is_ours = self._short_path and not first & COMPRESSED
            message = self._message = PartialMessage(first & ~FINAL, is_ours)
        elif length < TINY and not is_last and self._is_too_fast():
            return
        if message.is_ours:
            try:
                message.add(self._payload(data, content, end), is_last)
            except UnicodeDecodeError:
                self._refuse(data, start, end)
                return
        message.count += 1
        if not message.opcode & COMPRESSED:
            message.size += length
        if is_last:
            self._message = None
        if not message.is_ours:
            self._frames.frame_received(data[start:end])
        elif is_last and message.opcode == TEXT_OPCODE:
            self._messages.text_received(message.content().decode())
        elif is_last:
            self._messages.binary_received(message.content())

    def _payload(self, data: bytes, content: int, end: int) -> bytes:
        payload = data[content:end]
        if payload and self._mask_width:
            mask = data[content - MASK_WIDTH : content]
            return apply_mask(payload, mask, end - content)
        return payload

    # --- what must not be -------------------------------------------------------------

    def _refuse(self, data: bytes, start: int, end: int) -> None:
        """Tell of a frame that breaks a rule; up to ``end`` it shows which."""
        message, self._message = self._message, None
        if message is not None and message.is_ours and message.count:
            # The other parser has to know what came before.
            content = message.content()
            head = fragment_head(message.opcode, len(content), self._mask_width)
            self._frames.frame_received(head + content)
        self._frames.violation_received(data[start:end])

    def _exceed(self, excess: Excess, limit: int) -> None:
        # The connection closes with 1008.
        self._message = None
        self._frames.limit_exceeded(excess, limit)

    def _is_too_fast(self) -> bool:
        """Count a tiny frame; tell if it is one too many."""
        limit = self._limits.max_tiny_frames
        self._tiny_frames += 1
        if limit is None or self._tiny_frames <= limit:
            return False
        # Only here is the clock looked at, once in so many frames.
        now = self._limits.seconds()
        if now - self._since < 1:
            self._exceed(Excess.TINY_FRAMES, limit)
            return True
        self._since = now
        self._tiny_frames = 1
        return False

    def _look_for_close(self, data: bytes, start: int) -> int:
        """Read nothing but a close frame; return where to go on."""
        size = len(data)
        if self.ended is End.CLOSED:
            return size
        start, needed, is_wanted = pass_frames(data, start)
        if size < needed:
            if is_wanted:
                return self._keep(data, start, needed)
            self._missing = needed - size
        elif is_wanted:
            self.ended = End.CLOSED
            self._frames.close_received(close_code(data, start))
        return size
