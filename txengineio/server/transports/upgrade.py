"""Moving a session from polling to WebSocket without losing a message.

The client opens a WebSocket with the session's id and sends a probe; polling goes on
meanwhile. Once the probe is answered, every poll is answered with a noop, so that none
is pending when the client sends the upgrade packet, which settles the move. Anything
else that happens on the WebSocket before cancels the attempt; the session stays as it
was.

Spec: Engine.IO v4, "Upgrade".
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from txengineio.protocol.packets import PROBE, PacketData, PacketType
from txengineio.protocol.states import (
    ProbeAction,
    ProbeInput,
    ProbeState,
    Role,
    probe_input,
    probe_step,
)
from txengineio.server.session import ITakesRequests, Session
from txengineio.server.transports.websocket import ServerWebSocket
from txengineio.session.interfaces import IUpgradeAttempt

__all__ = ["NOOP_INTERVAL", "UpgradeAttempt"]

NOOP_INTERVAL: Final = 0.1
"""Seconds between looks for a parked poll while an upgrade is probed.

The reference implementation's cadence. Answering a poll at once would be no faster: a
client that has not seen the answer to its probe yet simply polls again.
"""


@implementer(IUpgradeAttempt)
class UpgradeAttempt:
    """One WebSocket's attempt to take a polling session over.

    Args:
        session: The session; it is on polling.
        polling: Its transport.
        websocket: The WebSocket, open, that knows no session yet.
    """

    __slots__ = (
        "_noop_call",
        "_polling",
        "_session",
        "_state",
        "_timeout",
        "_websocket",
    )

    _log = Logger()

    def __init__(
        self,
        session: Session,
        polling: ITakesRequests,
        websocket: ServerWebSocket,
    ) -> None:
        self._session = session
        self._polling = polling
        self._websocket = websocket
        self._state = ProbeState.OPENED
        self._timeout: IDelayedCall | None = None
        self._noop_call: IDelayedCall | None = None

    def start(self) -> None:
        """Listen to the WebSocket; the time that the attempt may take begins."""
        engine = self._session.engine
        self._session.upgrade_attempt = self
        self._websocket.receiver = self
        self._polling.came_back()
        self._timeout = engine.clock.callLater(
            engine.options.upgrade_timeout, self._timed_out
        )
        self._count("started")

    # --- IUpgradeAttempt --------------------------------------------------------------

    def message_received(self, message: str | bytes) -> None:
        """Cancel: messages belong on the transport that is in use."""
        self._take(ProbeInput.OTHER_PACKET)

    def packet_received(self, packet_type: PacketType, data: PacketData) -> None:
        """Go on with the upgrade, or cancel it."""
        self._take(probe_input(packet_type, data))

    def decode_failed(self, problem: Exception) -> None:
        """Cancel."""
        self._take(ProbeInput.OTHER_PACKET)

    def transport_closed(self) -> None:
        """Cancel."""
        self._take(ProbeInput.ABORTED)

    def transport_failed(self, error: Exception) -> None:
        """Cancel."""
        self._take(ProbeInput.ABORTED)

    def session_ended(self) -> None:
        """Cancel: there is nothing left to move."""
        self._take(ProbeInput.ABORTED)

    # --- the attempt ------------------------------------------------------------------

    def _timed_out(self) -> None:
        self._timeout = None
        self._take(ProbeInput.ABORTED)

    def _take(self, event: ProbeInput) -> None:
        action, self._state = probe_step(Role.SERVER, self._state, event)
        if action is ProbeAction.ANSWER_PROBE:
            if self._websocket.writable:
                self._answer_probe()
            else:
                # It sends probes and reads no answer: more of them would only pile up.
                self._take(ProbeInput.ABORTED)
        elif action is ProbeAction.COMPLETE:
            self._complete()
        elif action is ProbeAction.CANCEL:
            self._cancel()

    def _answer_probe(self) -> None:
        self._websocket.send_packets([(PacketType.PONG, PROBE, False, None)])
        if self._noop_call is None:
            self._send_noop_later()
        else:
            self._noop_call.reset(NOOP_INTERVAL)
        self._session.emit("upgrading", self._websocket)

    def _send_noop_later(self) -> None:
        # Cheaper than a LoopingCall, and most upgrades are over before it is due.
        clock = self._session.engine.clock
        self._noop_call = clock.callLater(NOOP_INTERVAL, self._send_noop)

    def _send_noop(self) -> None:
        self._send_noop_later()
        try:
            self._polling.answer_with_noop()
        except Exception:
            self._log.failure("an upgrade failed")
            self._take(ProbeInput.ABORTED)

    def _complete(self) -> None:
        self._stop_waiting()
        self._count("completed")
        self._websocket.attach(self._session)
        self._session.move_to(self._websocket)

    def _cancel(self) -> None:
        self._stop_waiting()
        self._count("failed")
        if self._session.closed is None:
            self._log.info(
                "session {session}… stays on {transport}: its upgrade failed",
                session=self._session.short_id,
                transport=self._session.transport.name,
            )
        self._session.upgrade_attempt = None
        self._websocket.session_ended()

    def _count(self, step: str) -> None:
        statistics = self._session.engine.statistics
        if statistics is not None:
            statistics.upgrades[step] += 1
            # What comes next may be on another transport.
            statistics.settle(self._polling.name, self._session.traffic)

    def _stop_waiting(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
        if self._noop_call is not None:
            self._noop_call.cancel()
            self._noop_call = None
