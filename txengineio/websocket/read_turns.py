"""The reading of one connection: in turns with others, and not while it is paused.

A read may bring more than can be handled at once. Then nothing more is read from the
peer until the rest is handled, a share each time it is this connection's turn.
"""

from __future__ import annotations

from typing import Any

from txengineio.net.turns import Turns
from txengineio.websocket.interfaces import IWebSocketOwner
from txengineio.websocket.reader import End, FrameReader
from txengineio.websocket.writer import Writer

__all__ = ["ReadTurns"]


class ReadTurns:
    """Decides when a connection reads.

    Args:
        owner: The connection's.
        reader: Has what was received and is not read yet.
        writer: Flushed after what is read later.
        transport: Paused meanwhile.
        turns: The queue of the connections that have more to do.
    """

    __slots__ = ("_is_paused", "_owner", "_reader", "_transport", "_turns", "_writer")

    def __init__(
        self,
        owner: IWebSocketOwner,
        reader: FrameReader,
        writer: Writer,
        transport: Any,
        turns: Turns,
    ) -> None:
        self._owner = owner
        self._reader = reader
        self._writer = writer
        self._transport = transport
        self._turns = turns
        self._is_paused = False

    def read(self) -> None:
        """Read for a while; the rest waits until others have had their turn."""
        turns = self._turns
        began = turns.seconds()
        while not self._reader.go_on():
            if turns.is_over(began):
                self._transport.pauseProducing()
                turns.wait(self._go_on)
                break

    def _go_on(self) -> None:
        # It may be paused by now: then the rest is read when it is resumed.
        if not self._is_paused and self._has_more():
            self._owner.read_on(self.read)
            self._writer.flush()
            if not self._has_more():
                # Not at once: it has had its share of this turn.
                self._turns.wait(self._read_more)

    def _read_more(self) -> None:
        # TLS had decrypted something, perhaps, which has been kept meanwhile.
        if not (self._is_paused or self._has_more()):
            self._transport.resumeProducing()

    def pause(self) -> None:
        """Read nothing more."""
        self._is_paused = True
        self._transport.pauseProducing()

    def resume(self) -> None:
        """Go on reading, with what is here already."""
        self._is_paused = False
        if self._reader.has_unread():
            self._turns.wait(self._go_on)
        else:
            self._transport.resumeProducing()

    def _has_more(self) -> bool:
        """Whether something is to be read; after the end, nothing is."""
        return self._reader.has_unread() and self._reader.ended is not End.CLOSED
