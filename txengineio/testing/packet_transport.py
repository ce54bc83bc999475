"""What carries a session's packets, without bytes: it records them."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from txengineio.errors import Refusal, TransportError
from txengineio.protocol.packets import Packet, PacketType
from txengineio.server.session import ICarriesSession, ITakesRequests
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import OutgoingPacket

__all__ = ["RecordingPolling", "RecordingTransport", "recording_transport"]


@implementer(ICarriesSession)
class RecordingTransport:
    """A transport that only records what it is asked to do.

    Args:
        name: ``websocket`` or ``polling``.
        writable: As the attribute.
        flushes_at_once: As the attribute.
        closes_at_once: As the attribute.

    Attributes:
        name: As given.
        writable: Whether packets can be sent now.
        supports_binary: True.
        flushes_at_once: Whether what it is given is handed on at once; if not, a test
            calls ``session.send_queue.batch_flushed()``.
        closes_at_once: Whether the peer has got its goodbye at once; if not, a test
            calls ``session.transport_done()``.
        calls: The methods that were called, but for those that send.
        batches: The packets of each call of `send_packets`, as type and data.
        silent: Whether the peer gives no sign of life.
    """

    session: BaseSession

    def __init__(
        self,
        name: str = "websocket",
        *,
        writable: bool = True,
        flushes_at_once: bool = True,
        closes_at_once: bool = True,
    ) -> None:
        self.name = name
        self.writable = writable
        self.supports_binary = True
        self.flushes_at_once = flushes_at_once
        self.closes_at_once = closes_at_once
        self.calls: list[str] = []
        self.batches: list[list[Packet]] = []
        self.silent = False
        self._peer_reads = True
        self._kept: list[list[Packet]] = []

    @property
    def sent(self) -> list[Packet]:
        """The packets that the peer has got, as type and data."""
        return [packet for batch in self.batches for packet in batch]

    @property
    def messages(self) -> list[str | bytes]:
        """The messages that the peer has got."""
        return [
            data
            for packet_type, data in self.sent
            if packet_type is PacketType.MESSAGE and data is not None
        ]

    def stop_reading(self) -> None:
        """Stop the peer's reading: the next batch gets stuck."""
        self._peer_reads = False

    def start_reading(self) -> None:
        """Let the peer read on, and what was kept back leave."""
        self._peer_reads = True
        if self._kept:
            self.batches += self._kept
            self._kept = []
            self.writable = True
            self.session.send_queue.batch_flushed()
            self.session.send_queue.flush()

    # --- ICarriesSession --------------------------------------------------------------

    def attach(self, session: BaseSession) -> None:
        """Carry a session from now on."""
        self.session = session

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """Record packets."""
        assert self.writable
        batch = [packet[:2] for packet in packets]
        if not self._peer_reads:
            self._kept.append(batch)
            self.writable = False
            return False
        self.batches.append(batch)
        return self.flushes_at_once

    def send_frame(self, frame: bytes) -> bool:
        """Take no frames: packets are recorded, not their bytes."""
        return False

    def certificate(self) -> None:
        """Return None: there is no TLS."""

    def close(self) -> bool:
        """Record it."""
        self.calls.append("close")
        return self.closes_at_once

    def session_ended(self) -> None:
        """Record it."""
        self.calls.append("session_ended")

    def replaced(self) -> None:
        """Record it."""
        self.calls.append("replaced")

    def pause_reading(self) -> None:
        """Record it."""
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        """Record it."""
        self.calls.append("resume_reading")


@implementer(ITakesRequests)
class RecordingPolling(RecordingTransport):
    """A `RecordingTransport` of the name ``polling``: nobody sends it requests."""

    def __init__(self) -> None:
        super().__init__("polling")

    def handle(self, request: IncomingRequest) -> None:
        """Refuse a request."""
        raise Refusal("a session that only records takes no requests", status=400)

    def post_begun(self, request: IncomingRequest) -> None:
        """Refuse a request."""
        self.handle(request)

    def post_answered(self, request: IncomingRequest) -> None:
        """Do nothing: there are no requests."""

    def post_lost(self, request: IncomingRequest, error: TransportError) -> bool:
        """Do nothing: there are no requests."""
        return False

    def came_back(self) -> None:
        """Do nothing: there are no requests."""

    def answer_with_noop(self) -> None:
        """Do nothing: there are no requests."""


def recording_transport(name: str) -> RecordingTransport:
    """Return what records the packets of a session on ``polling`` or ``websocket``."""
    return RecordingPolling() if name == "polling" else RecordingTransport(name)
