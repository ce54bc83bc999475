"""HTTP long-polling: one parked GET and one POST at a time.

Spec: Engine.IO v4, "HTTP long-polling".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zope.interface import implementer

from txengineio.errors import TransportError
from txengineio.protocol.packets import PacketType
from txengineio.server.session import ITakesRequests, Session
from txengineio.server.transports.answers import (
    Congestion,
    acknowledge,
    compressed,
    respond,
)
from txengineio.server.transports.newcomers import Newcomer
from txengineio.server.transports.payloads import Payloads
from txengineio.server.transports.polling_states import (
    POLL_STEPS,
    PollAction,
    PollInput,
    PollState,
)
from txengineio.server.transports.posts import Posts
from txengineio.server.transports.refusals import SessionRefusal, WrongMethod
from txengineio.server.web._twisted import is_congested
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.interfaces import OutgoingPacket

__all__ = ["PollingTransport"]


_LOST: Final = "poll connection closed prematurely"
_PROBLEMS: Final = {
    PollAction.REFUSE_OVERLAP: "overlap from client",
    PollAction.REFUSE_UNREAD: "poll before the last answer was read",
}
_OVER: Final = "the session has ended"

_NOOP: Final[OutgoingPacket] = (PacketType.NOOP, None, False, None)
_CLOSE: Final[OutgoingPacket] = (PacketType.CLOSE, None, False, None)

# Looking a member up in its enum takes longer than the step.
_GET: Final = PollInput.GET
_ANSWER: Final = PollInput.ANSWER
_PARK: Final = PollAction.PARK
_ANSWER_FIRST: Final = PollAction.ANSWER_FIRST
_ANSWERS: Final = (PollAction.ANSWER, _ANSWER_FIRST)


@implementer(ITakesRequests)
class PollingTransport:
    """Carries a session's packets in the answers to GETs and the bodies of POSTs.

    What it does with a GET is in `POLL_STEPS`; of POSTs, `Posts` keeps order.

    Args:
        payloads: How packets are written and read.
        request: The GET that opens the session; its answer has the first packets.

    Attributes:
        name: ``polling``.
        newcomer: What gives the session up if its client does not come back after the
            handshake; None if nobody waits for that.
        session: The session; `attach` sets it.
        supports_binary: Whether the client takes binary payloads (revision 3).
    """

    __slots__ = (
        "_parked",
        "_payloads",
        "_posts",
        "_state",
        "_unread",
        "newcomer",
        "session",
        "supports_binary",
    )

    name = "polling"

    session: Session

    def __init__(self, payloads: Payloads, request: IncomingRequest) -> None:
        self.supports_binary = payloads.supports_binary
        self._payloads = payloads
        self.newcomer: Newcomer | None = None
        self._posts = Posts(payloads)
        self._state = PollState.OPENING
        # The connection that has not taken the whole of the last answer.
        self._unread: Congestion | None = None
        self._parked: IncomingRequest | None = request
        request.on_lost(self._poll_lost)

    @property
    def writable(self) -> bool:
        """Whether a GET is parked."""
        return self._parked is not None

    def attach(self, session: Session) -> None:
        """Carry a session from now on."""
        self.session = self._posts.session = session

    # --- requests: ITakesRequests -----------------------------------------------------

    def handle(self, request: IncomingRequest) -> None:
        """Take a request that belongs to the session."""
        if self.newcomer is not None:
            self.came_back()
        if request.method == b"GET":
            self._poll(request)
        elif request.method == b"POST":
            self._posts.handle(request, self)
        else:
            raise WrongMethod(request.method)

    def came_back(self) -> None:
        """Note that the client goes on after the handshake."""
        newcomer, self.newcomer = self.newcomer, None
        if newcomer is not None:
            newcomer.forget()

    def post_begun(self, request: IncomingRequest) -> None:
        """Note that a POST has begun."""
        self.came_back()
        self._posts.begun(request)

    def post_answered(self, request: IncomingRequest) -> None:
        """Note that other code has answered a POST that has begun."""
        self._posts.answered(request)

    def post_lost(self, request: IncomingRequest, error: TransportError) -> bool:
        """Drop a POST that will never be complete; say if the session ends for it."""
        return self._posts.lost(request, error)

    def _poll(self, request: IncomingRequest) -> None:
        if self._unread is not None and self._unread.is_over:
            self._take(PollInput.LEFT)
        action, self._state = POLL_STEPS[self._state][_GET]
        if action is _PARK:
            self._parked = request
            request.on_lost(self._poll_lost)
            self.session.send_queue.flush()
        elif action is PollAction.SAY_GOODBYE:
            self._answer(request, [_NOOP, _CLOSE])
            self.session.transport_done()
        else:
            raise self._refusal(action)

    def _poll_lost(self, request: IncomingRequest) -> None:
        if request is self._parked:
            self._take(PollInput.LOST)

    def _refusal(self, action: PollAction) -> SessionRefusal:
        """Return the refusal of a GET, which may have cost the session."""
        if action is PollAction.REFUSE:
            return SessionRefusal(_OVER)
        error = TransportError(_PROBLEMS[action])
        self.session.transport_failed(error)
        return SessionRefusal(error)

    def _take(
        self, event: PollInput, packets: Sequence[OutgoingPacket] = ()
    ) -> PollAction:
        """Do what the table says about anything but a GET; say what it was.

        Args:
            event: What has happened.
            packets: What the GET that is parked is answered with, if it is.
        """
        action, self._state = POLL_STEPS[self._state][event]
        if action in _ANSWERS:
            request, self._parked = self._parked, None
            assert request is not None
            self._answer(request, packets, action is _ANSWER_FIRST)
        elif action is PollAction.CONFIRM:
            self._unread = None
            self.session.send_queue.batch_flushed()
        elif action is PollAction.FAIL:
            self._parked = None
            self.session.transport_failed(TransportError(_LOST, peer_left=True))
        return action

    def _answer(
        self,
        request: IncomingRequest,
        packets: Sequence[OutgoingPacket],
        first: bool = False,
    ) -> None:
        session = self.session
        headers, body = self._payloads.write([packet[:2] for packet in packets])
        compression = session.engine.options.http_compression
        if (
            compression is not None
            and len(body) >= compression.threshold
            and any(packet[2] for packet in packets)
        ):
            headers, body = compressed(request, compression, headers, body)
        if session.traffic is not None:
            session.traffic.bytes_out += len(body)
        respond(request, session, headers, body, first)

    # --- packets: IPacketTransport ----------------------------------------------------

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """Answer the parked GET."""
        channel = None if self._parked is None else self._parked.channel
        self._take(_ANSWER, packets)
        if not is_congested(channel):
            return True
        self._take(PollInput.STUCK)
        if self._state is not PollState.UNREAD:
            # Another GET has come meanwhile, or the session has ended.
            return True
        self._unread = Congestion(channel)
        return False

    def send_frame(self, frame: bytes) -> bool:
        """Do nothing: frames are for WebSockets."""
        return False

    def close(self) -> bool:
        """Answer the parked GET with a goodbye, or the next one if none is parked."""
        return self._take(PollInput.CLOSE) is not PollAction.WAIT_TO_CLOSE

    def session_ended(self) -> None:
        """Answer the parked GET with a goodbye, and what is held back."""
        self._unread = None
        if self.newcomer is not None:
            self.came_back()
        self._let_go(PollInput.SESSION_ENDED, _CLOSE)
        # It refers to this: the cycle would wait for the garbage collector.
        del self.session, self._posts.session

    def replaced(self) -> None:
        """Answer the parked GET with nothing, so that the client lets it go."""
        self._let_go(PollInput.REPLACED, _NOOP)

    def _let_go(self, event: PollInput, packet: OutgoingPacket) -> None:
        held = self._posts.ended()
        self._take(event, [packet])
        if held is not None:
            acknowledge(held, self.session)

    def pause_reading(self) -> None:
        """Keep the next acknowledgement back: `Posts` asks the session itself."""

    def resume_reading(self) -> None:
        """Acknowledge what was kept back."""
        self._posts.resumed()

    def answer_with_noop(self) -> None:
        """Answer the parked GET, if there is one, without a packet of the session."""
        self._take(_ANSWER, [_NOOP])
