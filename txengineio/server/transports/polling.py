"""HTTP long-polling: one parked GET and one POST at a time.

Spec: Engine.IO v4, "HTTP long-polling".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from txengineio.errors import (
    CloseReason,
    PacketDecodeError,
    TransportError,
)
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import Packet, PacketType
from txengineio.protocol.states import ReadyState
from txengineio.protocol.text import encode_utf8
from txengineio.server.session import ICarriesSession, Session
from txengineio.server.transports.answers import (
    BINARY,
    POSTED,
    TEXT,
    complete,
    compressed,
)
from txengineio.server.transports.bodies import bounded
from txengineio.server.web._twisted import is_congested
from txengineio.server.web.body_limits import too_large
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.responses import OK
from txengineio.session.interfaces import OutgoingPacket
from txengineio.session.timers import Schedule

__all__ = ["PollingTransport"]


_BAD_REQUEST: Final = 400
_METHOD_NOT_ALLOWED: Final = 405
_TOO_LARGE: Final = 413

_POST_OVERLAP: Final = "data request overlap from client"
_POLL_LOST: Final = "poll connection closed prematurely"
_POST_LOST: Final = "data request connection closed prematurely"

_NOOP: Final[OutgoingPacket] = (PacketType.NOOP, None, False, None)
_CLOSE: Final[OutgoingPacket] = (PacketType.CLOSE, None, False, None)


@implementer(ICarriesSession)
class PollingTransport:
    """Carries a session's packets in the answers to GETs and the bodies of POSTs.

    Attributes:
        name: ``polling``.
        session: The session; `attach` sets it.
        writable: Whether a GET is parked.
        supports_binary: Whether the client takes binary payloads (revision 3).
        due_bucket: Kept by what expects the client back after the handshake.
    """

    __slots__ = (
        "_closing",
        "_codec",
        "_first",
        "_held_posts",
        "_newcomers",
        "_parked",
        "_paused",
        "_receiving",
        "_unread",
        "due_bucket",
        "session",
        "supports_binary",
        "writable",
    )

    name = "polling"

    _log = Logger()

    session: Session

    def __init__(self, codec: Codec, supports_binary: bool) -> None:
        self.supports_binary = supports_binary
        self.writable = False
        self._codec = codec
        self._parked: IncomingRequest | None = None
        self._closing = False
        self._first = True
        self._paused = False
        self._receiving: IncomingRequest | None = None
        self._held_posts: list[IncomingRequest] = []
        self._unread: Any = None
        self.due_bucket: int | None = None
        self._newcomers: Schedule | None = None

    def attach(self, session: Session) -> None:
        """Carry a session from now on."""
        self.session = session

    # --- requests ---------------------------------------------------------------------

    def handle(self, request: IncomingRequest) -> None:
        """Take a request that belongs to the session."""
        if self._newcomers is not None:
            self.came_back()
        if request.method == b"GET":
            self.poll(request)
        elif request.method == b"POST":
            self._post(request)
        else:
            request.answer(_METHOD_NOT_ALLOWED, {"Allow": "GET, POST"})

    def expect_back(self, newcomers: Schedule, timeout: float) -> None:
        """Give the session up unless its client comes back within so many seconds.

        A client polls again at once. One that does not, be it a scanner, a flood or a
        browser that was closed, is not worth a heartbeat's wait.
        """
        self._newcomers = newcomers
        newcomers.schedule(self, timeout)

    def came_back(self) -> None:
        """Learn that the client goes on after the handshake."""
        if self._newcomers is not None:
            newcomers, self._newcomers = self._newcomers, None
            newcomers.cancel(self)

    def due(self) -> None:
        """Give up; what was told to expect the client calls this."""
        self._newcomers = None
        # One that is closing has a time-out of its own.
        if self.session.ready_state is ReadyState.OPEN:
            self.session.end(CloseReason.PING_TIMEOUT)

    def poll(self, request: IncomingRequest) -> None:
        """Park a GET, and answer it as soon as there is something to say."""
        if self._parked is not None:
            self._overlap(request, "overlap from client")
            return
        if not self._answer_left():
            # Whoever asks again and again, and reads nothing, would fill the memory.
            self._overlap(request, "poll before the last answer was read")
            return
        if self.session.closed is not None:
            # By a callback of what the last answer carried.
            request.answer(_BAD_REQUEST)
            return
        self.park(request)
        if self._closing:
            self._answer_poll([_NOOP, _CLOSE])
            self.session.transport_done()
        else:
            self.session.flush()

    def park(self, request: IncomingRequest) -> None:
        """Keep a GET for what the session sends next."""
        self._parked = request
        self.writable = True
        request.on_lost(self._poll_lost)

    def _poll_lost(self, request: IncomingRequest) -> None:
        if request is self._parked:
            self._unpark()
            self._fail(_POLL_LOST, peer_left=True)

    def _unpark(self) -> IncomingRequest | None:
        request, self._parked = self._parked, None
        self.writable = False
        return request

    def post_begun(self, request: IncomingRequest) -> int:
        """Learn that the body of a POST begins; return the status that refuses it."""
        self.came_back()
        if self._receiving is not None or self._held_posts:
            self._fail(_POST_OVERLAP)
            return _BAD_REQUEST
        self._receiving = request
        return 0

    def post_refused(self, request: IncomingRequest) -> None:
        """Learn that a POST has begun that others have answered."""
        if request is self._receiving:
            self._receiving = None

    def post_lost(self, request: IncomingRequest, error: TransportError) -> bool:
        """Learn that a POST will never be complete; say if the session ends for it."""
        if request is not self._receiving:
            return False
        self._receiving = None
        self.session.transport_failed(error)
        return True

    def _post(self, request: IncomingRequest) -> None:
        if request is self._receiving:
            self._receiving = None
        elif self._receiving is not None or self._held_posts:
            self._overlap(request, _POST_OVERLAP)
            return
        limit = self.session.engine.options.max_http_buffer_size
        size = request.body_size()
        if size > limit:
            # In somebody else's site it is here, however large it is.
            request.refuse_and_close(_TOO_LARGE)
            self.session.transport_failed(too_large(size, limit))
            return
        if self.session.traffic is not None:
            self.session.traffic.bytes_in += size
        try:
            packets = self._read(request)
        except TransportError as error:
            self.session.transport_failed(error)
            request.answer(_BAD_REQUEST)
            return
        except PacketDecodeError as problem:
            self.session.decode_failed(problem)
            request.answer(_BAD_REQUEST)
            return
        status = self._dispatch(bounded(packets, size, self._max_packets()))
        if status == OK:
            self._acknowledge(request)
        else:
            request.answer(status)

    def _max_packets(self) -> int:
        return self.session.engine.options.max_packets_per_payload

    def _read(self, request: IncomingRequest) -> Iterator[Packet]:
        body = request.read_body()
        if request.says_binary:
            if self._codec.revision == 4:  # noqa: PLR2004
                raise TransportError("invalid content")
            return self._codec.decode_payload(body)
        try:
            return self._codec.decode_payload(body.decode())
        except UnicodeDecodeError as exc:
            raise PacketDecodeError(f"POST body is not UTF-8: {exc}") from exc

    def _dispatch(self, packets: Iterator[Packet]) -> int:
        """Hand over the packets in order; return the status of the answer."""
        session = self.session
        session.cork()
        try:
            for packet_type, data in packets:
                if packet_type is PacketType.MESSAGE and data is not None:
                    session.message_received(data)
                else:
                    if packet_type is PacketType.CLOSE:
                        # What answers earlier packets comes before the goodbye.
                        session.uncork()
                        self.answer_with_noop()
                    session.packet_received(packet_type, data)
        except PacketDecodeError as problem:
            session.decode_failed(problem)
            return _BAD_REQUEST
        except TransportError as error:
            session.transport_failed(error)
            return _TOO_LARGE
        finally:
            session.uncork()
        return OK

    def _acknowledge(self, request: IncomingRequest) -> None:
        if self._paused:
            # The client sends no more before it has its answer.
            self._held_posts.append(request)
            request.on_lost(self._post_lost)
        else:
            self._respond(request, POSTED, b"ok")

    def _post_lost(self, request: IncomingRequest) -> None:
        if request in self._held_posts:
            self._held_posts.remove(request)
            self._fail(_POST_LOST, peer_left=True)

    def _overlap(self, request: IncomingRequest, message: str) -> None:
        self._fail(message)
        request.answer(_BAD_REQUEST)

    def _fail(self, message: str, *, peer_left: bool = False) -> None:
        error = TransportError(message, peer_left=peer_left)
        self.session.transport_failed(error)

    # --- IPacketTransport -------------------------------------------------------------

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """Answer the parked GET."""
        channel = None if self._parked is None else self._parked.channel
        self._answer_poll(packets)
        if not is_congested(channel):
            return True
        self._unread = channel
        return False

    def _answer_left(self) -> bool:
        """Whether nothing of the last answer is in this process any more."""
        if self._unread is None:
            return True
        if is_congested(self._unread):
            return False
        self._unread = None
        self.session.batch_flushed()
        return True

    def send_frame(self, frame: bytes) -> bool:
        """Do nothing: frames are for WebSockets."""
        return False

    def close(self) -> bool:
        """Answer the parked GET with a goodbye, or the next one if none is parked."""
        if self._parked is None:
            self._closing = True
            return False
        return True

    def session_ended(self) -> None:
        """Answer the parked GET with a goodbye, and what is held back."""
        self._unread = None
        self.came_back()
        self._abort_upload()
        if self._parked is not None:
            self._answer_poll([_CLOSE])
        self._release_posts()

    def replaced(self) -> None:
        """Answer the parked GET with nothing, so that the client lets it go."""
        if self._unread is not None:
            # Nobody asks any more what became of it.
            self._unread = None
            self.session.batch_flushed()
        self._abort_upload()
        self.answer_with_noop()
        self._release_posts()

    def pause_reading(self) -> None:
        """Keep the next acknowledgement back."""
        self._paused = True

    def resume_reading(self) -> None:
        """Acknowledge what was kept back."""
        self._paused = False
        self._release_posts()

    def answer_with_noop(self) -> None:
        """Answer the parked GET, if there is one, without a packet of the session."""
        if self._parked is not None:
            self._answer_poll([_NOOP])

    def _abort_upload(self) -> None:
        if self._receiving is not None:
            request, self._receiving = self._receiving, None
            request.abort()

    def _release_posts(self) -> None:
        held, self._held_posts = self._held_posts, []
        for request in held:
            self._respond(request, POSTED, b"ok")

    # --- answers ----------------------------------------------------------------------

    def _answer_poll(self, packets: Sequence[OutgoingPacket]) -> None:
        request = self._unpark()
        if request is None:
            return
        headers, body = self._encode([packet[:2] for packet in packets])
        compression = self.session.engine.options.http_compression
        if (
            compression is not None
            and len(body) >= compression.threshold
            and any(packet[2] for packet in packets)
        ):
            headers, body = compressed(request, compression, headers, body)
        if self.session.traffic is not None:
            self.session.traffic.bytes_out += len(body)
        self._respond(request, headers, body)

    def _encode(self, packets: Sequence[Packet]) -> tuple[Mapping[str, str], bytes]:
        """Return the body that carries the packets, and its headers."""
        payload = self._codec.encode_payload(packets, self.supports_binary)
        if isinstance(payload, str):
            return TEXT, encode_utf8(payload)
        return BINARY, payload

    def _respond(
        self, request: IncomingRequest, headers: Mapping[str, Any], body: bytes
    ) -> None:
        if request.is_gone:
            return
        first, self._first = self._first, False
        headers = complete(request, self.session, headers, len(body), first)
        request.answer(OK, headers, body)
