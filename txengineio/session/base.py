"""A session, whichever side it is on: what is received, and how it ends.

The session outlives its transports: it starts on one, may move to another, and keeps
what could not be sent in between. Whatever ends it goes through `Session.end`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.application import EngineIOProtocol
from txengineio.errors import (
    BufferOverflow,
    CloseReason,
    SessionClosed,
    TransportError,
    advice_in,
)
from txengineio.observing.observers import OBSERVERS
from txengineio.protocol.codec import Codec
from txengineio.protocol.packets import PacketData, PacketType
from txengineio.protocol.states import (
    PACKET_ACTIONS,
    PacketAction,
    ReadyState,
    Role,
    SessionInput,
    next_ready_state,
)
from txengineio.session.callbacks import call_guarded, guard, log_exception
from txengineio.session.consumer import Consumer
from txengineio.session.heartbeat import HeartbeatState, heartbeat_for
from txengineio.session.interfaces import (
    IPacketReceiver,
    IPacketTransport,
    ISessionOwner,
    IUpgradeAttempt,
)
from txengineio.session.receive_queue import MAX_PENDING_MESSAGES, ReceiveQueue
from txengineio.session.send_queue import SendQueue
from txengineio.session.traffic import Traffic

__all__ = ["GOODBYE_TIMEOUT", "SHOWN", "BaseSession"]

SHOWN: Final = 6
"""Characters of a session's id that people get to see: the id is a credential.

The name of a node, which others' ids begin with, too, comes on top.
"""

GOODBYE_TIMEOUT = 30.0
"""Seconds that a closing session waits for the poll that takes its goodbye."""

_OPEN = ReadyState.OPEN
_AWAITED = HeartbeatState.AWAITED
_BEATS = (PacketAction.HEARTBEAT, PacketAction.ANSWER_PING)


@implementer(IPacketReceiver)
class BaseSession(Consumer):
    """What the sessions of a server and of a client have in common.

    Attributes:
        role: Which side of the connection this is.
        id: The session's id: a credential, never to be shown whole.
        engine: The owner of the session.
        protocol: The application's; None before the session is open, and again when all
            waiters know that it is over.
        transport: The current transport; its ``name`` is ``polling`` or ``websocket``.
        ready_state: Where the session is in its life.
        closed: Why the session is over; None as long as it is not.
        send_queue: What was sent and has not left yet.
        traffic: What the session has carried; None where nobody counts.
        upgraded: Whether it has moved from polling to WebSocket.
        upgrade_attempt: The attempt to move it that is under way.
        reading_paused: Whether the application is so late that nothing more is read.
    """

    role: ClassVar[Role]

    FREQUENT = frozenset(
        {"packet", "data", "message", "packet_create", "flush", "drain"}
    )

    EVENTS = FREQUENT | {"open", "heartbeat", "upgrading", "upgrade", "error", "close"}

    __slots__ = (
        "_actions",
        "_close_call",
        "_codec",
        "_heartbeat",
        "_receive_queue",
        "_when_closed",
        "closed",
        "due_bucket",
        "engine",
        "heartbeat_state",
        "id",
        "protocol",
        "reading_paused",
        "ready_state",
        "send_queue",
        "traffic",
        "transport",
        "upgrade_attempt",
        "upgraded",
    )

    _log = Logger()

    def __init__(
        self,
        sid: str,
        *,
        engine: ISessionOwner,
        codec: Codec,
        transport: IPacketTransport,
    ) -> None:
        super().__init__()
        self.id = sid
        self.engine = engine
        self.transport = transport
        self.ready_state = ReadyState.OPENING
        self.closed: SessionClosed | None = None
        self.traffic: Traffic | None = None
        self.send_queue = SendQueue(self)
        self.protocol: EngineIOProtocol | None = None
        self.upgraded = False
        self.upgrade_attempt: IUpgradeAttempt | None = None
        self.heartbeat_state = HeartbeatState.QUIET
        self.due_bucket: int | None = None
        self.reading_paused = False
        self._codec = codec
        self._actions = PACKET_ACTIONS[self.role, codec.revision]
        self._heartbeat = heartbeat_for(self.role, codec.revision)
        self._receive_queue: ReceiveQueue | None = None
        self._when_closed: list[Deferred[CloseReason]] | None = None
        self._close_call: IDelayedCall | None = None

    @property
    def short_id(self) -> str:
        """What people get to see of the id: it tells sessions from others."""
        return self.id[:SHOWN]

    @property
    def ping_interval(self) -> float:
        """Seconds between two heartbeats."""
        raise NotImplementedError

    @property
    def ping_timeout(self) -> float:
        """Seconds that the peer has to show that it is alive."""
        raise NotImplementedError

    @property
    def max_pending_messages(self) -> int:
        """Messages that may wait for the application before reading is paused."""
        return MAX_PENDING_MESSAGES

    @property
    def protocol_revision(self) -> int:
        """The protocol revision that the session speaks: 3 or 4."""
        return self._codec.revision

    # --- life -------------------------------------------------------------------------

    def _enter(self, event: SessionInput) -> None:
        self.ready_state = next_ready_state(self.ready_state, event)

    def opened(self) -> None:
        """Mark the session as open: nothing was sent or received on it yet."""
        self._enter(SessionInput.OPENED)
        for observer in tuple(OBSERVERS):
            call_guarded(observer, self)

    def start(self, protocol: EngineIOProtocol) -> None:
        """Begin to hand over to the application; the session is open."""
        self.protocol = protocol
        ended = self.closed
        self.send_queue.cork()
        try:
            self.emit("open")
            waiting = call_guarded(protocol.makeConnection, self)
            # If it has ended meanwhile, the protocol knows.
            if waiting is not None and self.closed is ended:
                self._receive_queue = ReceiveQueue(
                    self, waiting, self.max_pending_messages
                )
        finally:
            self.send_queue.uncork()
        if ended is not None and self._receive_queue is None:
            # It ended in a handler of the connection event, before it had a protocol.
            self._tell_protocol()
            self.protocol = None

    def begin_to_close(self) -> None:
        """Take no messages any more, of either side; `close` must follow at once."""
        if self.closed is None:
            self._enter(SessionInput.CLOSE_CALLED)

    def close(self, discard: bool = False) -> Deferred[CloseReason]:
        """End the session, once all messages have left.

        What the peer sends meanwhile is dropped; its POSTs are acknowledged all the
        same, as by the reference.

        Args:
            discard: Drop what was sent but has not left, and wait for nothing.

        Returns:
            As `when_closed`.
        """
        if self.closed is None:
            self._enter(SessionInput.CLOSE_CALLED)
            if discard:
                if self._receive_queue is not None:
                    self._receive_queue.clear()
                self.end(CloseReason.FORCED_CLOSE)
            elif self.send_queue.waiting is None:
                self.drained_for_close()
        return self.when_closed()

    def when_closed(self) -> Deferred[CloseReason]:
        """Return a Deferred that fires with the reason when the session is over."""
        if self.closed is not None:
            return succeed(self.closed.reason)
        deferred: Deferred[CloseReason] = Deferred()
        self._when_closed = [*(self._when_closed or ()), deferred]
        return deferred

    def end(
        self,
        reason: CloseReason,
        description: Exception | None = None,
        *,
        said_goodbye: bool = False,
    ) -> None:
        """End the session now: the one way out, whatever the cause.

        Afterwards the registry does not know it, no call is scheduled for it and no
        request waits. A session that has ended stays as it is.
        """
        if self.send_queue.corked and reason is not CloseReason.FORCED_CLOSE:
            # Replies to earlier input go out before the end.
            self.send_queue.uncork()
        if self.closed is not None:
            return
        self._enter(SessionInput.ENDED)
        self.closed = closed = SessionClosed(
            reason, description, said_goodbye=said_goodbye
        )
        if description is not None:
            # Sessions come and go without a line in the log; only faults leave one.
            peer_left = getattr(description, "peer_left", False)
            self._log.emit(
                LogLevel.debug if peer_left else LogLevel.info,
                "session {session}… on {transport} ended: {reason}: {problem}{advice}",
                session=self.short_id,
                transport=self.transport.name,
                reason=reason.value,
                problem=str(description),
                advice=advice_in(description),
            )
        self._stop_waiting()
        # Deregister first: once the last poll is answered, the next request on that
        # connection may be served.
        self.engine.session_ended(self, reason)
        try:
            self.transport.session_ended()
        except Exception:
            # Nevertheless the session is over, and all handlers are told so.
            self._log.failure("a transport could not be closed")
        if description is not None:
            self.emit("error", description)
        # The write buffer can still be read here, and nowhere later.
        self.emit("close", reason, description)
        self.send_queue.end(closed)
        if self._receive_queue is None and self.protocol is not None:
            self._tell_protocol()
        self._fire_when_closed(reason)

    def overflowed(self, problem: BufferOverflow) -> None:
        """End the session: too much waits for its peer."""
        self.end(CloseReason.BUFFER_OVERFLOW, problem)

    def _tell_protocol(self) -> None:
        assert self.protocol is not None
        call_guarded(self.protocol.connectionLost, Failure(self.closed))

    def _fire_when_closed(self, reason: CloseReason) -> None:
        waiting, self._when_closed = self._when_closed, None
        for deferred in waiting or ():
            deferred.callback(reason)
        if self._receive_queue is None:
            # It refers to this: the cycle would wait for the garbage collector.
            self.protocol = None

    def _stop_waiting(self) -> None:
        self.engine.timers.cancel(self)
        if self._close_call is not None:
            self._close_call.cancel()
            self._close_call = None
        attempt, self.upgrade_attempt = self.upgrade_attempt, None
        if attempt is not None:
            attempt.session_ended()

    # --- closing politely -------------------------------------------------------------

    def drained_for_close(self) -> None:
        """Go on with closing: nothing is left to send."""
        if self.closed is not None or self._close_call is not None:
            return
        if self.transport.close():
            self.end(CloseReason.FORCED_CLOSE)
        else:
            self._close_call = self.engine.clock.callLater(
                GOODBYE_TIMEOUT, self.transport_done
            )

    def transport_done(self) -> None:
        """End the session: the peer has its goodbye, or the wait for that is over."""
        if self._close_call is not None and not self._close_call.active():
            self._close_call = None
        self.end(CloseReason.FORCED_CLOSE)

    # --- receiving: called by the transport, and by what is due -----------------------

    def heartbeat_returned(self, now: float) -> None:
        """Count the peer's answer to a ping; only where counts are asked for."""

    def due(self) -> None:
        """Act: the time of the heartbeat has come."""
        self._heartbeat.due(self)

    def message_received(  # noqa: C901  # each message comes here
        self, message: str | bytes
    ) -> None:
        """Take a message."""
        if self.ready_state is not _OPEN:
            return
        if (traffic := self.traffic) is not None:
            traffic.messages_in += 1
        if self.handlers is not None and self._closed_by_handlers_of(message):
            return
        if self.heartbeat_state is _AWAITED:
            self._heartbeat.sign_of_life(self)
        if self._receive_queue is not None:
            self._receive_queue.append(message)
        elif self.protocol is not None:
            # As `call_guarded` does it.
            receive = self.protocol.messageReceived
            try:
                result = receive(message)
            except Exception:
                log_exception(receive)
                return
            if result is not None:
                self._wait_for(guard(result))

    def _wait_for(self, waiting: Deferred[None] | None) -> None:
        """Collect messages until the application is done with one."""
        # If it has ended meanwhile, the protocol knows.
        if waiting is not None and self.closed is None:
            self._receive_queue = ReceiveQueue(self, waiting, self.max_pending_messages)

    def _closed_by_handlers_of(self, message: str | bytes) -> bool:
        self.emit("packet", PacketType.MESSAGE, message)
        self.emit("data", message)
        self.emit("message", message)
        return self.closed is not None

    def _closed_by_handlers(self, packet_type: PacketType, data: PacketData) -> bool:
        self.emit("packet", packet_type, data)
        return self.closed is not None

    def packet_received(self, packet_type: PacketType, data: PacketData) -> None:
        """Take a packet of any type but message."""
        action = self._actions[packet_type]
        if self.ready_state is not _OPEN:
            # While a session closes, only its peer's goodbye counts.
            if action is PacketAction.PEER_CLOSED:
                self.end(CloseReason.TRANSPORT_CLOSE, said_goodbye=True)
            return
        if self.handlers is not None and self._closed_by_handlers(packet_type, data):
            return
        if action in _BEATS:
            self._heartbeat.beat(self)
            self.emit("heartbeat")
            return
        if self.heartbeat_state is _AWAITED:
            self._heartbeat.sign_of_life(self)
        if action is PacketAction.PEER_CLOSED:
            self.end(CloseReason.TRANSPORT_CLOSE, said_goodbye=True)
        elif action is PacketAction.WRONG_DIRECTION:
            error = TransportError("invalid heartbeat direction")
            self.end(CloseReason.TRANSPORT_ERROR, error)

    def decode_failed(self, problem: Exception) -> None:
        """Handle input that is not a packet."""
        self.end(CloseReason.PARSE_ERROR, problem)

    def transport_closed(self) -> None:
        """Handle the end of the transport: the peer has closed it, or is gone."""
        self.end(CloseReason.TRANSPORT_CLOSE)

    def transport_failed(self, error: Exception) -> None:
        """Handle the failure of the transport."""
        self.end(CloseReason.TRANSPORT_ERROR, error)

    # --- an application that takes its time: called by the receive queue --------------

    def deliver(self, message: str | bytes) -> Deferred[None] | None:
        """Hand over a message that has waited."""
        assert self.protocol is not None
        self.send_queue.cork()
        try:
            return call_guarded(self.protocol.messageReceived, message)
        finally:
            self.send_queue.uncork()

    def receive_queue_full(self) -> None:
        """Stop reading from the peer."""
        self.reading_paused = True
        self.transport.pause_reading()

    def receive_queue_emptied(self) -> None:
        """Go on without a receive queue."""
        self._receive_queue = None
        if self.closed is not None:
            self._tell_protocol()
            self.protocol = None
        elif self.reading_paused:
            self.reading_paused = False
            # What the peer has answered meanwhile is still unread.
            self._heartbeat.rearm(self)
            self.transport.resume_reading()

    # --- upgrading --------------------------------------------------------------------

    def move_to(self, transport: IPacketTransport) -> None:
        """Continue on another transport; the upgrade attempt calls this.

        Spec: Engine.IO v4, "Upgrade".
        """
        self.upgrade_attempt = None
        # Before the switch: callbacks for what the old transport carried must be given
        # that transport.
        self.transport.replaced()
        if self.closed is not None:
            # One of those callbacks has ended the session, before the new transport
            # belonged to it.
            transport.session_ended()
            return
        self.transport = transport
        self.upgraded = True
        self._heartbeat.rearm(self)
        if self.reading_paused:
            transport.pause_reading()
        self.emit("upgrade", transport)
        self.send_queue.flush()
        if self.ready_state is ReadyState.CLOSING and self.send_queue.waiting is None:
            # The old transport may have been waiting for a poll to say goodbye to.
            self.end(CloseReason.FORCED_CLOSE)
