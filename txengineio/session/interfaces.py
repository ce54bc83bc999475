"""The interfaces around a session: what each side may ask of the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

from txengineio.errors import CloseReason
from txengineio.protocol.packets import PacketData, PacketType
from txengineio.session.backlog import Buffers
from txengineio.session.timers import Schedule

__all__ = [
    "IPacketReceiver",
    "IPacketTransport",
    "ISessionOwner",
    "IUpgradeAttempt",
    "OutgoingPacket",
]

OutgoingPacket = tuple[PacketType, PacketData, bool, bytes | None]
"""Type, data, whether to compress, and the WebSocket frame if encoded already."""


class IPacketReceiver(Interface):
    """What is told of a peer's actions: a session, or an attempt to upgrade one."""

    def message_received(message: str | bytes) -> None:
        """Take a message."""

    def packet_received(packet_type: PacketType, data: PacketData) -> None:
        """Take a packet of any type but message."""

    def decode_failed(problem: Exception) -> None:
        """Handle input that is not a packet."""

    def transport_closed() -> None:
        """Handle the end of the transport: the peer has closed it, or is gone."""

    def transport_failed(error: Exception) -> None:
        """Handle the failure of the transport."""


class IUpgradeAttempt(IPacketReceiver):
    """What a session may tell an attempt to upgrade it."""

    def session_ended() -> None:
        """Give up: there is nothing left to move."""


class IPacketTransport(Interface):
    """What carries a session's packets."""

    name: str = Attribute("``polling`` or ``websocket``.")
    writable: bool = Attribute(
        "Whether packets can be sent now. When they can again, the transport calls "
        "``flush`` of the session's ``send_queue``."
    )
    supports_binary: bool = Attribute("Whether the client takes binary data as bytes.")

    def send_packets(packets: Sequence[OutgoingPacket]) -> bool:
        """Send packets; only while writable.

        Returns:
            Whether they are out of this process's hands. If not, the transport calls
            ``batch_flushed`` of the session's ``send_queue`` once they are.
        """

    def send_frame(frame: bytes) -> bool:
        """Send a WebSocket frame that is complete, if that is possible now.

        Returns:
            Whether it was done. As after `send_packets`, ``writable`` tells whether it
            is out of this process's hands.
        """

    def close() -> bool:
        """Say goodbye to the peer after everything that was sent.

        Returns:
            Whether that is done. If not, the transport tells the session later.
        """

    def session_ended() -> None:
        """Release everything; tell the peer now if it listens, else not at all."""

    def replaced() -> None:
        """Release everything: another transport has taken the session over."""

    def pause_reading() -> None:
        """Take no more from the peer than what is already here."""

    def resume_reading() -> None:
        """Undo `pause_reading`."""


class ISessionOwner(Protocol):
    """The owner of a session: an engine, or one connection of a client."""

    @property
    def clock(self) -> IReactorTime:
        """Where time comes from."""

    @property
    def timers(self) -> Schedule:
        """When heartbeats are due."""

    @property
    def buffers(self) -> Buffers:
        """The memory that its sessions keep back."""

    @property
    def handlers(self) -> Mapping[str, list[Callable[..., object]]] | None:
        """The handlers of its events; None while there are none."""

    def emit(self, event: str, *arguments: object) -> None:
        """Call the handlers of one of its events."""

    def session_ended(self, session: Any, reason: CloseReason) -> None:
        """Forget a session; only the session itself calls this, once."""
