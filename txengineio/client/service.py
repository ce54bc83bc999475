"""A service that keeps a session up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, unique
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import Buffer, Unpack, override

from txengineio.application import Application, EngineIOProtocol, factory_of
from txengineio.checks import check_whole_number
from txengineio.client.connect import Connection, check_remember_upgrade
from txengineio.client.http.http_client import cookie_jar
from txengineio.client.options import ClientArguments, ClientOptions
from txengineio.client.session import ClientSession
from txengineio.client.target import DEFAULT_PATH, parse_target
from txengineio.errors import (
    CloseReason,
    ConnectFailed,
    LocalProtocolError,
    SessionClosed,
)
from txengineio.protocol.packets import message_data
from txengineio.protocol.states import ReadyState
from txengineio.reactor import AnyReactor, reactor_or_global
from txengineio.session.events import EventEmitter

__all__ = ["EngineIOClientService"]


@unique
class _State(Enum):
    """What a service is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    """The next attempt is due later."""
    STOPPING = "stopping"


ClientProtocol = EngineIOProtocol[ClientSession]

_default_policy = backoffPolicy()

_Waiter = tuple[Deferred[ClientProtocol], int | None]
_Message = tuple[str | bytes, Deferred[None]]


class EngineIOClientService(Service, EventEmitter):
    """Keeps a session with a server up: connects, and connects again.

    Each session has a protocol of its own from the factory, which is told how the
    session ended as always. The service tells what happens to it by events:
    ``connected`` (the protocol), ``disconnected`` (a `SessionClosed`),
    ``connect_failed`` (the error, and the number of failures in a row) and ``retry``
    (the seconds until then).

    Args:
        url: As for `connect`.
        factory: As for `connect`.
        reactor: By default the global one.
        retry_policy: Called with the number of failures in a row, at least 1; returns
            the seconds until the next attempt. By default the ``backoffPolicy`` of
            ``twisted.application.internet``: more and more, up to a minute, and never
            twice the same.
        max_queued: How many messages `send` keeps while there is no session; with 0
            it refuses them.
        path: As for `connect`.
        query: As for `connect`.
        options: See `ClientOptions`.

    Raises:
        InvalidOption: The factory is none, an option does not exist, or a value makes
            no sense.
    """

    EVENTS = frozenset({"connected", "disconnected", "connect_failed", "retry"})

    _log = Logger()

    def __init__(  # noqa: PLR0913  # as of `connect`
        self,
        url: str,
        factory: Application,
        *,
        reactor: AnyReactor | None = None,
        retry_policy: Callable[[int], float] | None = None,
        max_queued: int = 0,
        path: str = DEFAULT_PATH,
        query: Mapping[str, str] | None = None,
        **options: Unpack[ClientArguments],
    ) -> None:
        EventEmitter.__init__(self)
        self._options = ClientOptions.from_mapping(options)
        self._target = parse_target(
            url, path=path, query=query, revision=self._options.revision
        )
        # One for all sessions: a load balancer finds the same server again.
        self._jar = cookie_jar(self._target, self._options.cookies)
        self._factory = factory_of(factory, "factory")
        check_remember_upgrade(self._factory, self._options)
        self._clock = reactor_or_global(reactor)
        self._retry_policy = retry_policy or _default_policy
        self._max_queued = check_whole_number("max_queued", max_queued, 0)
        self._state = _State.STOPPED
        self._failures = 0
        self._protocol: ClientProtocol | None = None
        self._connecting: Deferred[Any] | None = None
        self._retry_call: IDelayedCall | None = None
        self._waiters: list[_Waiter] = []
        self._queue: deque[_Message] = deque()
        self._stopping: list[Deferred[None]] = []

    # --- for the application ----------------------------------------------------------

    @property
    def protocol(self) -> ClientProtocol | None:
        """The protocol of the session, while there is one."""
        return self._protocol

    def when_connected(
        self, fail_after_failures: int | None = None
    ) -> Deferred[ClientProtocol]:
        """Return a Deferred that fires with the protocol once there is a session.

        Args:
            fail_after_failures: Fail with the last error after so many attempts from
                now on; by default only when the service is stopped, with
                `SessionClosed`.
        """
        if self._protocol is not None:
            return succeed(self._protocol)
        if self._state in (_State.STOPPED, _State.STOPPING):
            return fail(_stopped())
        deferred: Deferred[ClientProtocol] = Deferred()
        self._waiters.append((deferred, fail_after_failures))
        return deferred

    def send(self, message: str | Buffer) -> Deferred[None]:
        """Send a message in the current session, or queue it for the next one.

        Args:
            message: As for `ClientSession.send`.

        Returns:
            Fires when the message has been handed on. It fails with `SessionClosed`
            if the message was refused, as there was no session and no room in the
            queue; if the session ended while the message was on its way, so that
            nobody knows whether it arrived; and if the service was stopped before.

        Raises:
            TypeError: The message is neither text nor bytes-like.
        """
        data = message_data(message)
        sent: Deferred[None] = Deferred()
        self._queue.append((data, sent))
        self._hand_over()
        if self._queue and self._is_stopped:
            self._queue.pop()
            return fail(_stopped())
        if len(self._queue) > self._max_queued:
            self._queue.pop()
            return fail(_stopped("there is no session now, and no room in the queue"))
        return sent

    @property
    def _is_stopped(self) -> bool:
        return self._state in (_State.STOPPED, _State.STOPPING)

    def _hand_over(self) -> None:
        """Send the queued messages in the session, in order."""
        while self._queue and self._protocol is not None:
            session = self._protocol.session
            if session.ready_state is not ReadyState.OPEN:
                return
            data, sent = self._queue.popleft()
            if session.send(data):
                session.when_flushed().chainDeferred(sent)
            else:
                sent.errback(session.closed or _stopped("the session is closing"))

    # --- Service ----------------------------------------------------------------------

    @override
    def startService(self) -> None:
        if self.running:
            return
        super().startService()
        if self._state is _State.STOPPED:
            self._connect()

    @override
    def stopService(self) -> Deferred[None]:
        """Close the session, once all messages have left; stop connecting.

        Returns:
            Fires when it is closed.
        """
        super().stopService()
        if self._state is _State.STOPPED:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        if self._state is not _State.STOPPING:
            previous, self._state = self._state, _State.STOPPING
            self._fail_everybody(_stopped())
            if previous is _State.CONNECTED and self._protocol is not None:
                self._protocol.session.close()
            elif self._connecting is not None:
                self._connecting.cancel()
            else:
                self._cancel_retry()
                self._has_stopped()
        return stopped

    def _cancel_retry(self) -> None:
        if self._retry_call is not None:
            self._retry_call.cancel()
            self._retry_call = None

    def _has_stopped(self) -> None:
        self._state = _State.STOPPED
        stopping, self._stopping = self._stopping, []
        for stopped in stopping:
            stopped.callback(None)
        if self.running and self._state is _State.STOPPED:
            # Started again meanwhile.
            self._connect()

    # --- connecting -------------------------------------------------------------------

    def _connect(self) -> None:
        self._retry_call = None
        self._state = _State.CONNECTING
        self._connecting = connecting = Connection(
            self._target, self._factory, self._options, self._jar, self._clock
        ).open()
        connecting.addCallbacks(self._connected, self._not_connected)
        connecting.addErrback(self._broken)

    def _connected(self, protocol: ClientProtocol) -> None:
        self._connecting = None
        self._protocol = protocol
        if self._state is _State.STOPPING:
            protocol.session.close()
        else:
            self._state = _State.CONNECTED
            self._failures = 0
            self.emit("connected", protocol)
            waiters, self._waiters = self._waiters, []
            for deferred, _ in waiters:
                deferred.callback(protocol)
            self._hand_over()
        protocol.session.when_closed().addCallback(self._disconnected, protocol)

    def _disconnected(self, _reason: CloseReason, protocol: ClientProtocol) -> None:
        self._protocol = None
        closed = protocol.session.closed
        self._log.info("disconnected: {closed}", closed=closed)
        if self._state is _State.STOPPING:
            self.emit("disconnected", closed)
            self._has_stopped()
        else:
            self._state = _State.WAITING
            self.emit("disconnected", closed)
            self._retry()

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        if self._state is _State.STOPPING:
            self._has_stopped()
            return
        if failure.check(ConnectFailed):
            self._log.info("not connected: {error}", error=failure.value)
        else:
            self._log.failure("not connected", failure=failure)
        self._state = _State.WAITING
        waiters, self._waiters = self._waiters, []
        impatient = []
        for deferred, attempts in waiters:
            if attempts is not None and attempts <= 1:
                impatient.append(deferred)
            else:
                self._waiters.append((deferred, attempts and attempts - 1))
        for deferred in impatient:
            deferred.errback(failure.value)
        self.emit("connect_failed", failure.value, self._failures + 1)
        self._retry()

    def _retry(self) -> None:
        if not self._has_to_retry():
            return
        self._failures += 1
        delay = self._delay()
        if self._has_to_retry():
            self._retry_call = self._clock.callLater(delay, self._connect)
            self.emit("retry", delay)

    def _has_to_retry(self) -> bool:
        # Code of the application may have stopped the service, or started it again.
        return self._state is _State.WAITING and self._retry_call is None

    def _delay(self) -> float:
        try:
            return max(float(self._retry_policy(self._failures)), 0.0)
        except Exception:
            # Without another attempt, the service would wait for ever.
            self._log.failure("the retry policy has failed; the default one is used")
            return _default_policy(self._failures)

    def _fail_everybody(self, closed: SessionClosed) -> None:
        waiters, self._waiters = self._waiters, []
        queue, self._queue = self._queue, deque()
        for connected, _ in waiters:
            connected.errback(closed)
        for _, sent in queue:
            sent.errback(closed)

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("a session could not be handled", failure=failure)


def _stopped(problem: str = "the service is stopped") -> SessionClosed:
    return SessionClosed(CloseReason.FORCED_CLOSE, LocalProtocolError(problem))
