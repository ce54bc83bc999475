"""The end of a connection whose peer does not answer a close frame.

A peer that was told goodbye has some time to read what was sent before, and to answer.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from txengineio.net.direct_writes import unsent_bytes

__all__ = ["CLOSE_TIMEOUT", "SLOW_CLOSE_TIMEOUT", "CloseTimeout"]

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that a peer has to answer a close frame before its connection is dropped."""

SLOW_CLOSE_TIMEOUT: Final = 30.0
"""The same for a slow peer, which has not yet read what was sent before."""


class CloseTimeout:
    """Drops a connection, even if its peer takes nothing more.

    Args:
        transport: The connection's.
        clock: Where time comes from.
    """

    __slots__ = ("_call", "_clock", "_transport", "_unsent")

    def __init__(self, transport: Any, clock: IReactorTime) -> None:
        self._transport = transport
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._unsent = 0

    def start(self) -> None:
        """Begin to wait."""
        self._unsent = unsent_bytes(self._transport) or 0
        self._call = self._clock.callLater(
            SLOW_CLOSE_TIMEOUT if self._unsent else CLOSE_TIMEOUT, self._timed_out
        )

    def stop(self) -> None:
        """Wait no more: the connection is gone."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _timed_out(self) -> None:
        self._call = None
        left = unsent_bytes(self._transport) or 0
        if 0 < left < self._unsent:
            # It reads, if slowly: what was sent before the close is on its way.
            self.start()
        else:
            self._transport.abortConnection()
