"""HTTP long-polling, the client's side: one GET that waits, one POST at a time.

Spec: Engine.IO v4, "HTTP long-polling".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.client.deadline import Deadline
from txengineio.client.failures import answer_error
from txengineio.client.http.http_client import Answer, HttpClient
from txengineio.errors import PacketDecodeError, TransportError
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import Packet, PacketData, PacketType
from txengineio.protocol.text import decode_utf8, encode_utf8
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import IPacketTransport, OutgoingPacket

__all__ = ["PollingTransport", "read_payload"]

_OK: Final = 200
_TEXT: Final = "text/plain;charset=UTF-8"
_BINARY: Final = "application/octet-stream"

_OVERHEAD: Final = 12
"""Bytes that a packet of any revision may need beside its data."""

_DEFAULT_MAX_PAYLOAD: Final = 1_000_000
"""The default limit of servers that do not announce theirs."""

_CLOSE: Final = (PacketType.CLOSE, None)


def read_payload(codec: Codec, answer: Answer) -> Iterator[Packet]:
    """Return the packets in the answer to a poll.

    Raises:
        PacketDecodeError: The body is not UTF-8; see `Codec.decode_payload`.
    """
    if codec.revision == 3 and answer.content_type.startswith(_BINARY):  # noqa: PLR2004
        return codec.decode_payload(answer.body)
    return codec.decode_payload(decode_utf8(answer.body))


@implementer(IPacketTransport)
class PollingTransport:
    """Carries a session's packets in the bodies of POSTs and the answers to GETs.

    Args:
        http: Makes the requests.
        resource: Path and query of the session's requests.
        codec: Of the session's revision.
        max_payload: Bytes that the server takes in one POST, if it says so.
        max_packets: Packets in one POST, at most.
        clock: Where time comes from.
        request_timeout: Seconds that the server has to answer a POST.

    Attributes:
        name: ``polling``.
        session: The session; set by `attach`.
        writable: Whether a POST can be made now.
        supports_binary: Whether binary data may go out as such (revision 3).
    """

    __slots__ = (
        "_closing",
        "_codec",
        "_count",
        "_deadline",
        "_done",
        "_http",
        "_max_packets",
        "_max_payload",
        "_paused",
        "_poll",
        "_post",
        "_queue",
        "_reading_paused",
        "_request_timeout",
        "_resource",
        "session",
        "supports_binary",
        "writable",
    )

    name = "polling"

    _log = Logger()

    session: BaseSession

    def __init__(  # noqa: PLR0913  # each is a fact of its own
        self,
        http: HttpClient,
        resource: str,
        codec: Codec,
        *,
        max_payload: int | None,
        max_packets: int,
        clock: IReactorTime,
        request_timeout: float,
    ) -> None:
        self.writable = True
        self.supports_binary = True
        self._http = http
        self._resource = resource
        self._codec = codec
        self._max_payload = max_payload or _DEFAULT_MAX_PAYLOAD
        self._max_packets = max_packets
        self._deadline = Deadline(clock)
        self._request_timeout = request_timeout
        self._count = 0
        self._poll: Deferred[Any] | None = None
        self._post: Deferred[Any] | None = None
        self._queue: list[Packet] = []
        self._paused: Callable[[], None] | None = None
        self._reading_paused = False
        self._closing = False
        self._done = False

    def attach(self, session: BaseSession) -> None:
        """Carry a session from now on."""
        self.session = session

    def start(self, packets: Iterator[Packet]) -> None:
        """Hand over what came with the open packet, and begin to poll."""
        self._dispatch(packets)
        self._continue()

    # --- receiving --------------------------------------------------------------------

    def _continue(self) -> None:
        """Poll again, unless there is a reason not to."""
        if self._poll is not None or self._done:
            return
        if self._paused is not None:
            self._check_paused()
        elif not self._reading_paused:
            self._poll = poll = self._http.get(self._next_url())
            poll.addBoth(self._poll_ended)

    def _next_url(self) -> str:
        # Another URL each time, so that no proxy answers from a cache.
        self._count += 1
        return f"{self._resource}&t={self._count:x}"

    def _poll_ended(self, result: Answer | Failure) -> None:
        self._poll = None
        try:
            if not isinstance(result, Failure):
                self._polled(result)
            elif not self._closing:
                self._request_failed(result, "xhr poll error")
        except Exception:
            self._broken()

    def _polled(self, answer: Answer) -> None:
        if self._done or self._closing:
            # After the goodbye, only the server's answer to it counts.
            return
        if answer.status != _OK:
            self._fail("xhr poll error", answer_error(answer))
            return
        try:
            packets = read_payload(self._codec, answer)
        except PacketDecodeError as problem:
            self.session.decode_failed(problem)
            return
        self._dispatch(packets)
        self._continue()

    def _dispatch(self, packets: Iterator[Packet]) -> None:
        """Hand over the packets in order."""
        session = self.session
        session.send_queue.cork()
        try:
            for packet_type, data in packets:
                if packet_type is PacketType.MESSAGE and data is not None:
                    session.message_received(data)
                else:
                    session.packet_received(packet_type, data)
        except PacketDecodeError as problem:
            session.decode_failed(problem)
        finally:
            session.send_queue.uncork()

    # --- sending ----------------------------------------------------------------------

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        """POST the packets, in as many requests as it takes."""
        self._queue += [packet[:2] for packet in packets]
        self.writable = False
        self._post_next()
        return False

    def _post_next(self) -> None:
        count = self._fitting()
        packets, self._queue = self._queue[:count], self._queue[count:]
        self._send(packets, self._posted)

    def _send(
        self, packets: Sequence[Packet], answered: Callable[[Answer], None]
    ) -> None:
        payload = self._codec.encode_payload(packets, self.supports_binary)
        if isinstance(payload, str):
            body, content_type = encode_utf8(payload), _TEXT
        else:
            body, content_type = payload, _BINARY
        # Moved with each POST, and left alone afterwards: cheaper than cancelling it.
        self._deadline.schedule(self, self._request_timeout)
        self._post = post = self._http.post(self._next_url(), body, content_type)
        post.addBoth(self._post_ended, answered)

    def due(self) -> None:
        """Give up the POST that is under way: the server has not answered in time."""
        if self._post is not None:
            timeout = f"no answer within {self._request_timeout:g} seconds"
            self._fail("xhr post error", TimeoutError(string=timeout))

    def _fitting(self) -> int:
        """Count the packets for the next POST: at least one, whatever its size."""
        size = 0
        for count, (_, data) in enumerate(self._queue):
            size += _OVERHEAD + _encoded_size(data)
            if count and (size > self._max_payload or count == self._max_packets):
                return count
        return len(self._queue)

    def _post_ended(
        self, result: Answer | Failure, answered: Callable[[Answer], None]
    ) -> None:
        self._post = None
        try:
            if isinstance(result, Failure):
                self._request_failed(result, "xhr post error")
            else:
                answered(result)
        except Exception:
            self._broken()

    def _posted(self, answer: Answer) -> None:
        if self._done:
            return
        if answer.status != _OK:
            self._fail("xhr post error", answer_error(answer))
        elif self._queue:
            self._post_next()
        else:
            self.writable = self._paused is None
            self.session.send_queue.batch_flushed()
            self._check_paused()
            self.session.send_queue.flush()

    # --- IPacketTransport -------------------------------------------------------------

    def send_frame(self, frame: bytes) -> bool:
        """Do nothing: frames are for WebSockets."""
        return False

    def close(self) -> bool:
        """POST a goodbye; the session waits for its answer."""
        self._closing = True
        self.writable = False
        self._send([_CLOSE], self._said_goodbye)
        return False

    def _said_goodbye(self, _answer: Answer) -> None:
        # Whatever the answer: a server that does not know the session need not end it.
        if not self._done:
            self.session.transport_done()

    def session_ended(self) -> None:
        """Drop the requests that are under way; close the connections."""
        self._done = True
        self.writable = False
        self._paused = None
        self._deadline.cancel(self)
        for request in (self._poll, self._post):
            if request is not None:
                request.cancel()
        self._http.close()

    def replaced(self) -> None:
        """Close the connections: a WebSocket has taken the session over."""
        self.session_ended()

    def certificate(self) -> Any:
        """Return the server's certificate, unless an agent has the connections."""
        return self._http.certificate()

    def pause_reading(self) -> None:
        """Stop polling."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """Poll again."""
        self._reading_paused = False
        self._continue()

    # --- while the session is moved to another transport ------------------------------

    def pause(self, paused: Callable[[], None]) -> None:
        """Come to rest: begin no other request, and wait for those that are under way.

        Args:
            paused: Called once nothing is under way any more.
        """
        self._paused = paused
        self.writable = False
        self._check_paused()

    def _check_paused(self) -> None:
        if self._paused is not None and self._poll is None and self._post is None:
            self._paused()

    def unpause(self) -> None:
        """Go on: the session stays here."""
        self._paused = None
        if not self._done:
            self.writable = self._post is None
            self.session.send_queue.flush()
            self._continue()

    # --- failures ---------------------------------------------------------------------

    def _request_failed(self, failure: Failure, message: str) -> None:
        # A request that is cancelled has ended with its session.
        if not self._done and not failure.check(CancelledError):
            self._fail(message, failure.value)

    def _fail(self, message: str, error: BaseException | None) -> None:
        self.session.transport_failed(TransportError(message, error))

    def _broken(self) -> None:
        failure = Failure()
        self._log.failure("an answer could not be handled", failure=failure)
        self._fail("internal error", failure.value)


def _encoded_size(data: PacketData) -> int:
    if data is None:
        return 0
    if isinstance(data, str):
        return len(data) if data.isascii() else len(encode_utf8(data))
    # Count base64, whatever the revision: that is the larger form.
    return (len(data) + 2) // 3 * 4
