"""Connections to Redis: each is made again as long as it is wanted.

This is the only module that knows txredisapi, of which it takes the protocols. Its
factories are not used: they give up for good when the check of a password fails, keep
commands without bound while there is no connection, restore no subscription, and need
the global reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final

import txredisapi
from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.internet.interfaces import (
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.broker.attempts import Attempts, line_of
from txengineio.cluster.redis.interfaces import ConnectionUser, RedisAway, RedisRefused
from txengineio.cluster.redis.urls import RedisURL
from txengineio.net.direct_writes import can_write_directly, write_directly

__all__ = ["LOGIN_TIMEOUT", "RedisConnection", "ask_once"]

LOGIN_TIMEOUT: Final = 10.0
"""Seconds from the connection to the answer to the last command before it is used."""

_TOGETHER: Final = 0.001
"""Seconds within which what is said leaves together, with the next turn of the reactor.

Redis then reads it together, too, which costs it a tenth for each message.
"""

_BYTES: Final[Mapping[str, Any]] = {"charset": None, "convertNumbers": False}
"""Bytes stay bytes, whatever they look like."""


class _Parser:
    """Reads what a server says, which may be no Redis; before a protocol."""

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        protocol: Any = super()
        try:
            protocol.dataReceived(data, unpause)
        except txredisapi.InvalidData as error:
            self.misunderstood(RedisRefused(f"what answers there is no Redis: {error}"))

    def misunderstood(self, problem: RedisRefused) -> None:
        """Drop the connection."""
        raise NotImplementedError


class _Kept(_Parser):
    """Tells a `RedisConnection` of itself; before a protocol."""

    factory: _Factory

    def connectionMade(self) -> None:
        protocol: Any = super()
        protocol.connectionMade()
        self.factory.user.made(self)

    @override
    def misunderstood(self, problem: RedisRefused) -> None:
        self.factory.user.drop(problem)

    def connectionLost(self, why: Failure) -> None:
        self.factory.user.lost(why)
        protocol: Any = super()
        protocol.connectionLost(why)  # Commands that have no answer fail.


class _DirectTransport:
    """A transport that does not wait for the next turn of the reactor to write.

    A broadcast reaches Redis before this node sends it to sessions of its own, which
    may take a second. Until then the other nodes would have nothing to do.

    Args:
        transport: The transport.
        seconds: Tells the time.
    """

    def __init__(self, transport: Any, seconds: Callable[[], float]) -> None:
        self._transport = transport
        self._seconds = seconds
        self._written_at = -inf

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write now, unless that was done a moment ago."""
        now = self._seconds()
        if 0 <= now - self._written_at < _TOGETHER:
            self._transport.write(data)
        else:
            self._written_at = now
            write_directly(self._transport, data)


class _Commands(_Kept, txredisapi.RedisProtocol):  # type: ignore[misc]
    """A connection for commands."""


class _Subscriber(_Kept, txredisapi.SubscriberProtocol):  # type: ignore[misc]
    """A connection that hears what is published."""

    @override
    def messageReceived(self, pattern: object, channel: bytes, message: bytes) -> None:
        self.factory.user.heard(channel, message)


class _Question(_Parser, txredisapi.RedisProtocol):  # type: ignore[misc]
    """A connection for one command."""

    problem: RedisRefused | None = None

    @override
    def misunderstood(self, problem: RedisRefused) -> None:
        self.problem = problem
        self.transport.abortConnection()


class _Factory(Factory):
    noisy = False

    def __init__(self, user: RedisConnection, protocol: type[Any]) -> None:
        self.user = user
        self._protocol = protocol

    @override
    def buildProtocol(self, addr: object) -> Any:
        protocol = self._protocol(**_BYTES)
        protocol.factory = self
        return protocol


class RedisConnection:
    """A connection to Redis; see `Connection`.

    Args:
        endpoint: Leads to Redis.
        url: As whom to talk to it.
        clock: Tells when to try again.
        user: Is told what happens.
        channels: What to subscribe to; it takes no commands then.

    Attributes:
        is_up: Whether it can be used now.
    """

    _log = Logger()

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        url: RedisURL,
        clock: IReactorTime,
        user: ConnectionUser,
        channels: Sequence[bytes] = (),
    ) -> None:
        self.is_up = False
        self._url = url
        self._clock = clock
        self._user = user
        self._channels = channels
        factory = _Factory(self, _Subscriber if channels else _Commands)
        self._attempts = Attempts(endpoint, factory, clock, user.down)
        self._protocol: Any = None
        self._problem: RedisAway | RedisRefused | None = None
        self.start = self._attempts.start

    def stop(self) -> Deferred[None]:
        """Do not connect any more; fires when there is no connection."""
        if self._protocol is None:
            return self._attempts.stop(None)
        return self._attempts.stop(self._protocol.transport.loseConnection)

    def abort(self) -> None:
        """Drop the connection as it is; the next one is made soon."""
        if self._protocol is not None:
            self._protocol.transport.abortConnection()

    def execute(self, *command: bytes | str | int) -> Deferred[Any]:
        """Send a command; see `Connection.execute`."""
        if not self.is_up:
            return fail(RedisAway("there is no connection to Redis"))
        return _execute(self._protocol, *command)

    # --- what the protocol tells ------------------------------------------------------

    def made(self, protocol: Any) -> None:
        """Log in on a connection that was made."""
        self._protocol = protocol
        self._problem = None
        transport = protocol.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        if can_write_directly(transport):
            protocol.transport = _DirectTransport(transport, self._clock.seconds)
        logged_in = Deferred.fromCoroutine(self._log_in(protocol))
        logged_in.addTimeout(LOGIN_TIMEOUT, self._clock)
        logged_in.addCallbacks(self._logged_in, self._not_logged_in)

    async def _log_in(self, protocol: Any) -> None:
        url = self._url
        if url.password is not None:
            names = () if url.username is None else (url.username,)
            await _execute(protocol, "AUTH", *names, url.password)
        if url.db:
            await _execute(protocol, "SELECT", url.db)
        if url.service is not None:
            role = await _execute(protocol, "ROLE")
            if role[0] != b"master":
                raise RedisAway("the Sentinels name a server that is no master")
        # One by one: txredisapi tells the answers to several apart only when idle.
        for channel in self._channels:
            await _execute(protocol, "SUBSCRIBE", channel)
        await _execute(protocol, "PING")

    def _logged_in(self, _result: object) -> None:
        self.is_up = True
        self._attempts.succeeded()
        self._user.up()

    def _not_logged_in(self, failure: Failure) -> None:
        if self._protocol is None:
            # It was lost meanwhile.
            return
        problem = failure.value
        if isinstance(problem, RedisAway | RedisRefused):
            self._problem = problem
        elif failure.check(TimeoutError):
            self._problem = RedisAway(f"Redis does not answer for {LOGIN_TIMEOUT:g} s")
        else:
            self._log.failure("a connection to Redis is dropped", failure=failure)
        self.abort()

    def drop(self, problem: RedisRefused) -> None:
        """Drop a connection, as there is a problem with the server."""
        self._problem = problem
        self.abort()

    def heard(self, channel: bytes, data: bytes) -> None:
        """Pass on what was published."""
        try:
            self._user.heard(channel, data)
        except Exception:
            self._log.failure(
                "what was published on {channel!r} failed", channel=channel
            )

    def lost(self, why: Failure) -> None:
        """Note that there is no connection any more."""
        self._protocol = None
        self.is_up = False
        self._attempts.lost(self._problem or RedisAway(line_of(why)))


async def ask_once(
    endpoint: IStreamClientEndpoint, password: str | None, *command: bytes | str
) -> Any:
    """Send one command by a connection of its own.

    Args:
        endpoint: Leads to who answers.
        password: Its password; None for none.
        command: The command.

    Returns:
        The answer, whose text is bytes.

    Raises:
        RedisRefused: The answer is an error, or none of Redis.
        RedisAway: The connection is lost before the answer.
    """
    factory = Factory.forProtocol(partial(_Question, **_BYTES))
    factory.noisy = False
    protocol: Any = await endpoint.connect(factory)
    try:
        if password is not None:
            await _execute(protocol, "AUTH", password)
        return await _execute(protocol, *command)
    except RedisAway:
        raise protocol.problem or RedisAway("the connection is lost") from None
    finally:
        protocol.transport.loseConnection()


def _execute(protocol: Any, *command: bytes | str | int) -> Deferred[Any]:
    """Send a command; see `Connection.execute`."""
    try:
        answered: Deferred[Any] = protocol.execute_command(*command)
    except txredisapi.ConnectionError:
        return fail(RedisAway("the connection to Redis is lost"))
    return answered.addErrback(_translate)


def _translate(failure: Failure) -> None:
    if failure.check(txredisapi.ResponseError):
        raise RedisRefused(line_of(failure)) from failure.value
    if failure.check(txredisapi.ConnectionError):
        raise RedisAway("the connection to Redis is lost") from failure.value
    failure.raiseException()
