"""Writing to the connection of a WebSocket, in the right order."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from txengineio.net.direct_writes import can_write_directly, write_directly

__all__ = ["Writer"]


class Writer:
    """Writes to one connection.

    Args:
        transport: The connection's.
        short_path: Whether writing may go around the transport, where it can.

    Attributes:
        ahead: What leaves before anything else; None if there is nothing.
    """

    __slots__ = ("_call", "_delay", "_is_direct", "_transport", "ahead")

    def __init__(self, transport: Any, *, short_path: bool) -> None:
        self._transport = transport
        self._is_direct = short_path and can_write_directly(transport)
        self.ahead: list[bytes] | None = None
        # How long the first data must wait, and the call that ends the wait.
        self._delay: tuple[float, IReactorTime] | None = None
        self._call: IDelayedCall | None = None

    def write(self, data: bytes) -> None:
        """Write, after what has to come before."""
        if self.ahead is not None:
            data = self._in_order(self.ahead, data)
            if not data:
                return
        if self._is_direct:
            write_directly(self._transport, data)
        else:
            self._transport.write(data)

    def put_ahead(self, data: bytes) -> None:
        """Let something leave with what is written next, before that; or by `flush`."""
        if self.ahead is None:
            self.ahead = []
        self.ahead.append(data)

    def flush(self) -> None:
        """Write what was put ahead, unless it has left already."""
        if self.ahead is not None:
            self.write(b"")

    def delay_data(self, seconds: float, clock: IReactorTime) -> None:
        """Send what was put ahead at least this long before what is written next.

        If it is flushed before anything is written, nothing waits.
        """
        self._delay = seconds, clock

    def release(self) -> None:
        """Write what waits; it has waited long enough."""
        if self._call is not None:
            self._stop_waiting(self._call)
            self.flush()

    def stop(self) -> None:
        """Forget what waits: the connection is lost."""
        if self._call is not None:
            self._stop_waiting(self._call)
            self.ahead = None

    def _stop_waiting(self, call: IDelayedCall) -> None:
        self._call = None
        if call.active():
            call.cancel()

    def _in_order(self, ahead: list[bytes], data: bytes) -> bytes:
        """Return what can be written now."""
        if self._call is not None:
            ahead.append(data)
            return b""
        self.ahead = None
        delay, self._delay = self._delay, None
        if delay is not None and data:
            seconds, clock = delay
            self.ahead = [data]
            self._call = clock.callLater(seconds, self.release)
            data = b""
        return b"".join((*ahead, data))
