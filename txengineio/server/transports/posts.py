"""The POSTs of a session: one at a time, and not before the last was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from txengineio.errors import PacketDecodeError, TransportError
from txengineio.protocol.packets import Packet
from txengineio.server.session import ITakesRequests, Session
from txengineio.server.transports.answers import acknowledge
from txengineio.server.transports.bodies import bounded, hand_over
from txengineio.server.transports.payloads import Payloads
from txengineio.server.transports.polling_states import (
    POST_STEPS,
    PostAction,
    PostInput,
    PostState,
)
from txengineio.server.transports.refusals import OversizeBody, SessionRefusal
from txengineio.server.web.body_limits import BodyRefused, too_large
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["Posts"]

_OVERLAP: Final = "data request overlap from client"
_LOST: Final = "data request connection closed prematurely"
_OVER: Final = "the session has ended"

# Looking a member up in its enum takes longer than the step.
_COMPLETE: Final = PostInput.COMPLETE
_WHOLE: Final = PostInput.WHOLE
_HANDLED: Final = PostInput.HANDLED
_HANDLED_LATE: Final = PostInput.HANDLED_LATE
_HANDLE: Final = PostAction.HANDLE
_ACKNOWLEDGE: Final = PostAction.ACKNOWLEDGE


class Posts:
    """Which POST of a session is here, by `POST_STEPS`.

    Args:
        payloads: How packets are read.

    Attributes:
        session: The session; the transport sets it.
    """

    __slots__ = ("_payloads", "_request", "_state", "session")

    session: Session

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads
        self._state = PostState.AWAY
        # The POST that is arriving, or whose acknowledgement is held back.
        self._request: IncomingRequest | None = None

    def _take(self, event: PostInput) -> PostAction:
        action, self._state = POST_STEPS[self._state][event]
        return action

    # --- one that comes ---------------------------------------------------------------

    def begun(self, request: IncomingRequest) -> None:
        """Note that a POST has begun whose body is not here, or waits for others.

        Raises:
            SessionRefusal: It overlaps another one.
        """
        action = self._take(PostInput.BEGUN)
        if action is not PostAction.AWAIT:
            raise self._refusal(action)
        self._request = request

    def handle(self, request: IncomingRequest, transport: ITakesRequests) -> None:
        """Give the packets of a POST to the session, and acknowledge it.

        Args:
            request: The POST; it is complete.
            transport: Lets the parked GET end before a goodbye.

        Raises:
            SessionRefusal: It overlaps another one, or cannot be read.
        """
        event = _COMPLETE if request is self._request else _WHOLE
        action, self._state = POST_STEPS[self._state][event]
        if action is not _HANDLE:
            raise self._refusal(action)
        self._request = None
        session = self.session
        try:
            hand_over(self._read(request), session, transport)
        except PacketDecodeError as problem:
            session.decode_failed(problem)
            raise SessionRefusal(problem) from problem
        except BodyRefused as error:
            session.transport_failed(error)
            raise SessionRefusal(error, error.status) from error
        event = _HANDLED_LATE if session.reading_paused else _HANDLED
        action, self._state = POST_STEPS[self._state][event]
        if action is _ACKNOWLEDGE:
            acknowledge(request, session)
        else:
            self._request = request
            request.on_lost(self._held_lost)

    def _read(self, request: IncomingRequest) -> Iterator[Packet]:
        """Return the packets of a POST, whose size and number are limited."""
        session = self.session
        options = session.engine.options
        size = request.body_size()
        if size > options.max_http_buffer_size:
            # In a site of another kind it is here already, however large it is.
            raise OversizeBody(session, too_large(size, options.max_http_buffer_size))
        if session.traffic is not None:
            session.traffic.bytes_in += size
        packets = self._payloads.read(request)
        # A packet has a byte at least: no need to count them in so few bytes.
        limit = options.max_packets_per_payload
        return packets if size <= limit else bounded(packets, limit)

    def _refusal(self, action: PostAction) -> SessionRefusal:
        if action is PostAction.REFUSE:
            return SessionRefusal(_OVER)
        error = TransportError(_OVERLAP)
        self.session.transport_failed(error)
        return SessionRefusal(error)

    # --- one that is here -------------------------------------------------------------

    def answered(self, request: IncomingRequest) -> None:
        """Note that other code has answered a POST that has begun."""
        if request is self._request:
            self._request = None
            self._take(PostInput.ANSWERED)

    def lost(self, request: IncomingRequest, error: TransportError) -> bool:
        """Drop a POST that will never be complete; say if the session ends for it."""
        if request is not self._request:
            return False
        self._request = None
        if self._take(PostInput.LOST) is not PostAction.FAIL:
            return False
        self.session.transport_failed(error)
        return True

    def _held_lost(self, request: IncomingRequest) -> None:
        self.lost(request, TransportError(_LOST, peer_left=True))

    def resumed(self) -> None:
        """Acknowledge what was held back: the application takes more again."""
        if self._take(PostInput.RESUMED) is PostAction.ACKNOWLEDGE:
            request, self._request = self._request, None
            assert request is not None
            acknowledge(request, self.session)

    def ended(self) -> IncomingRequest | None:
        """Let go of the POST that is here: the session is over, or has moved.

        Returns:
            One that is still to be acknowledged.
        """
        action = self._take(PostInput.ENDED)
        request, self._request = self._request, None
        if request is not None and action is PostAction.ABORT:
            request.abort()
            return None
        return request
