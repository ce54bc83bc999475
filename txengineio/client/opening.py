"""Waiting for the open packet on a WebSocket that carries no session yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.client.failures import connect_failed, not_engine_io
from txengineio.errors import ConnectCause, ConnectFailed, PacketDecodeError
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.packets import Packet, PacketData, PacketType
from txengineio.session.interfaces import IPacketReceiver

__all__ = ["Opening", "read_handshake"]


def read_handshake(packet: Packet | None) -> Handshake:
    """Return what the first packet of a session says.

    Raises:
        PacketDecodeError: It is no open packet, or there is something wrong with it.
    """
    if packet is None or packet[0] is not PacketType.OPEN:
        raise PacketDecodeError("the session does not begin with an open packet")
    data = packet[1]
    return Handshake.parse(data if isinstance(data, str) else "")


@implementer(IPacketReceiver)
class Opening:
    """Receives the first packet of a WebSocket; the session receives the others.

    Args:
        start_session: Called with the handshake.

    Attributes:
        opened: Fires with what ``start_session`` returns, or fails.
    """

    def __init__(self, start_session: Callable[[Handshake], Any]) -> None:
        self.opened: Deferred[Any] = Deferred()
        self._start_session = start_session

    def packet_received(self, packet_type: PacketType, data: PacketData) -> None:
        """Begin the session, if it is the open packet."""
        if self.opened.called:
            return
        try:
            handshake = read_handshake((packet_type, data))
        except PacketDecodeError as problem:
            self.decode_failed(problem)
            return
        try:
            session = self._start_session(handshake)
        except Exception:
            self.opened.errback(Failure())
        else:
            self.opened.callback(session)

    def message_received(self, message: str | bytes) -> None:
        """Fail: this is too early."""
        self.decode_failed(PacketDecodeError("a message before the open packet"))

    def decode_failed(self, problem: Exception) -> None:
        """Fail: this is another protocol."""
        self._fail(not_engine_io(str(problem), error=problem))

    def transport_closed(self) -> None:
        """Fail."""
        message = "the server closed the WebSocket before the session was open"
        self._fail(ConnectFailed(ConnectCause.CONNECTION_LOST, message))

    def transport_failed(self, error: Exception) -> None:
        """Fail."""
        self._fail(connect_failed(error))

    def _fail(self, error: ConnectFailed) -> None:
        if not self.opened.called:
            self.opened.errback(error)
