"""Autobahn's WebSocket protocol, whose connections end, whatever the peer does.

Who has said goodbye has some time to read what was sent before, and to answer.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from txengineio.net.direct_writes import unsent_bytes
from txengineio.session.frugal import FrugalWebSocketProtocol

__all__ = ["CLOSE_TIMEOUT", "SLOW_CLOSE_TIMEOUT", "PoliteWebSocketProtocol"]

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that a peer has to answer a close frame before its connection is dropped."""

SLOW_CLOSE_TIMEOUT: Final = 30.0
"""The same if the peer has not even read what was sent before, and so is slow."""


class PoliteWebSocketProtocol(FrugalWebSocketProtocol):
    """A WebSocket of either side."""

    # What its factory says; Autobahn has no annotations for these.
    factory: Any
    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    _drop_call: IDelayedCall | None = None
    _unsent = 0

    def stop_dropping(self) -> None:
        """Wait no more: the connection is gone."""
        if self._drop_call is not None:
            self._drop_call.cancel()
            self._drop_call = None

    def drop_later(self) -> None:
        """See to it that the connection ends, even if the peer takes nothing more."""
        if self._drop_call is None:
            self._unsent = unsent_bytes(self.transport) or 0
            self._drop_call = self.factory.reactor.callLater(
                SLOW_CLOSE_TIMEOUT if self._unsent else CLOSE_TIMEOUT, self._drop_now
            )

    def _drop_now(self) -> None:
        self._drop_call = None
        left = unsent_bytes(self.transport) or 0
        if 0 < left < self._unsent:
            # It reads, if slowly: what was sent before the close is on its way.
            self.drop_later()
        else:
            self.transport.abortConnection()
