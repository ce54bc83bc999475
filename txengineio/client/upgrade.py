"""Moving a session from polling to WebSocket without losing a message: the client.

The client opens a WebSocket with the session's id and sends a probe; polling goes on
meanwhile. Once the probe is answered, polling comes to rest: the poll and the POST that
are under way finish, and no others begin. Then no message can be caught between the
transports; the client sends the upgrade packet, and everything else after it. Anything
else that happens before cancels the attempt, and polling goes on.

The protocol has no answer to the upgrade packet. A server that gives up while the
packet is on its way closes the WebSocket. That ends the session, so that nothing is
lost in silence.

Spec: Engine.IO v4, "Upgrade".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.client.polling import PollingTransport
from txengineio.client.session import ClientSession
from txengineio.client.websocket import ClientWebSocket
from txengineio.errors import TransportError
from txengineio.protocol.packets import PROBE, PacketData, PacketType
from txengineio.protocol.states import (
    ProbeAction,
    ProbeInput,
    ProbeState,
    Role,
    probe_input,
    probe_step,
)
from txengineio.session.interfaces import IUpgradeAttempt

__all__ = ["UpgradeAttempt"]

OpenWebSocket = Callable[[], Deferred[ClientWebSocket]]


@implementer(IUpgradeAttempt)
class UpgradeAttempt:
    """An attempt to move one session.

    Args:
        session: The session; it is on polling.
        polling: Its transport.
        clock: Where time comes from.
        timeout: Seconds after which the attempt is cancelled.
    """

    __slots__ = (
        "_clock",
        "_error",
        "_opening",
        "_polling",
        "_session",
        "_state",
        "_timeout",
        "_timeout_call",
        "_websocket",
    )

    _log = Logger()

    def __init__(
        self,
        session: ClientSession,
        polling: PollingTransport,
        clock: IReactorTime,
        timeout: float,
    ) -> None:
        self._session = session
        self._polling = polling
        self._clock = clock
        self._timeout = timeout
        self._state = ProbeState.OPENED
        self._timeout_call: IDelayedCall | None = None
        self._opening: Deferred[Any] | None = None
        self._websocket: ClientWebSocket | None = None
        self._error: BaseException | None = None

    def start(self, open_websocket: OpenWebSocket) -> None:
        """Open a WebSocket, whose packets come here at first."""
        self._session.upgrade_attempt = self
        self._timeout_call = self._clock.callLater(self._timeout, self._timed_out)
        self._opening = open_websocket()
        self._opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, websocket: ClientWebSocket) -> None:
        self._opening = None
        self._websocket = websocket
        websocket.send_packets([(PacketType.PING, PROBE, False, None)])

    def _not_opened(self, failure: Failure) -> None:
        self._opening = None
        if not failure.check(CancelledError):
            self._abort(failure.value)

    # --- IPacketReceiver: what happens on the WebSocket -------------------------------

    def message_received(self, message: str | bytes) -> None:
        """Cancel: the server has not switched yet."""
        self._take(ProbeInput.OTHER_PACKET)

    def packet_received(self, packet_type: PacketType, data: PacketData) -> None:
        """Go on with the upgrade, or cancel it."""
        self._take(probe_input(packet_type, data))

    def decode_failed(self, problem: Exception) -> None:
        """Cancel."""
        self._error = problem
        self._take(ProbeInput.OTHER_PACKET)

    def transport_closed(self) -> None:
        """Cancel."""
        self._abort(TransportError("the server has closed the WebSocket"))

    def transport_failed(self, error: Exception) -> None:
        """Cancel."""
        self._abort(error)

    def session_ended(self) -> None:
        """Cancel: the session is ending."""
        self._take(ProbeInput.ABORTED)

    # --- the attempt ------------------------------------------------------------------

    def _timed_out(self) -> None:
        self._timeout_call = None
        self._abort(TransportError(f"not upgraded within {self._timeout} seconds"))

    def _abort(self, error: BaseException | None) -> None:
        self._error = error
        self._take(ProbeInput.ABORTED)

    def _take(self, event: ProbeInput) -> None:
        action, self._state = probe_step(Role.CLIENT, self._state, event)
        if action is ProbeAction.PAUSE_POLLING:
            self._session.emit("upgrading", self._websocket)
            if self._state is ProbeState.PROBED:
                self._polling.pause(self._polling_paused)
        elif action is ProbeAction.COMPLETE:
            self._complete()
        elif action is ProbeAction.CANCEL:
            self._cancel()

    def _polling_paused(self) -> None:
        self._take(ProbeInput.POLLING_PAUSED)

    def _complete(self) -> None:
        websocket = self._websocket
        assert websocket is not None
        self._stop_waiting()
        websocket.send_packets([(PacketType.UPGRADE, None, False, None)])
        websocket.attach(self._session)
        self._session.move_to(websocket)

    def _cancel(self) -> None:
        self._stop_waiting()
        error = self._error or TransportError("unexpected packet on the WebSocket")
        self._log.info(
            "session {sid}…: upgrade cancelled: {error}",
            sid=self._session.id[:6],
            error=error,
        )
        self._session.upgrade_attempt = None
        websocket, self._websocket = self._websocket, None
        if websocket is not None:
            websocket.session_ended()
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        self._polling.unpause()
        self._session.emit("upgrade_error", error)

    def _stop_waiting(self) -> None:
        if self._timeout_call is not None:
            self._timeout_call.cancel()
            self._timeout_call = None
