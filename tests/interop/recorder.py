"""Our client in the tests: it keeps what it receives."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet import reactor as global_reactor  # noqa: TID251  # real sockets
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.tcp import BaseClient
from typing_extensions import override

from txengineio import CloseReason, ConnectFailed, EngineIOProtocol, connect

__all__ = [
    "DEADLINE",
    "MODES",
    "Recorder",
    "Recorders",
    "each_mode",
    "each_transport",
    "failure_of",
    "in_time",
    "open_session",
    "reactor",
    "sleep",
]

reactor = cast(Any, global_reactor)

DEADLINE = 60.0
TURNS = 1000

MODES: dict[str, dict[str, Any]] = {
    "polling": {"transports": ("polling",)},
    "websocket": {"transports": ("websocket",)},
    "upgrade": {},
}
each_mode = pytest.mark.parametrize("mode", MODES)
each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Recorder(EngineIOProtocol):
    """Keeps what it receives; lets a test wait for it."""

    factory: Recorders

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.lost: Deferred[CloseReason] = Deferred()
        self._heartbeats: list[tuple[int, Deferred[None]]] = []
        self._beats = 0
        self._wanted: tuple[int, Deferred[None]] | None = None

    @override
    def connectionMade(self) -> None:
        self.session.on("heartbeat", self._heartbeat)
        self.factory.built.append(self)

    def _heartbeat(self) -> None:
        self._beats += 1
        for count, waiting in self._heartbeats:
            if count == self._beats:
                waiting.callback(None)

    def has_heartbeats(self, count: int) -> Deferred[None]:
        """Return a Deferred that fires after so many heartbeats more."""
        waiting: Deferred[None] = Deferred()
        self._heartbeats.append((self._beats + count, waiting))
        return waiting

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.messages.append(message)
        if self._wanted is not None and len(self.messages) >= self._wanted[0]:
            (_, waiting), self._wanted = self._wanted, None
            waiting.callback(None)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.value.reason)

    def upgraded(self) -> Deferred[None]:
        """Return a Deferred that fires when the session has moved to WebSocket."""
        moved: Deferred[None] = Deferred()
        if self.session.upgraded:
            moved.callback(None)
        else:
            self.session.on("upgrade", lambda _transport: moved.callback(None))
        return moved

    async def received(self, count: int) -> list[str | bytes]:
        """Wait for so many messages; return them all."""
        if len(self.messages) < count:
            waiting: Deferred[None] = Deferred()
            self._wanted = count, waiting
            await in_time(waiting)
        return self.messages


class Recorders(Factory):
    noisy = False
    protocol: Any = Recorder

    def __init__(self) -> None:
        self.built: list[Recorder] = []


def in_time(deferred: Deferred[Any], seconds: float = DEADLINE) -> Deferred[Any]:
    return deferred.addTimeout(seconds, reactor)


async def sleep(seconds: float) -> None:
    await deferLater(reactor, seconds)


async def open_session(url: str, **options: Any) -> Recorder:
    """Connect."""
    protocol = await in_time(connect(url, Recorders(), **options))
    assert isinstance(protocol, Recorder)
    return protocol


async def failure_of(url: str, transport: str, **options: Any) -> ConnectFailed:
    """Connect by one transport, which must fail; return why."""
    factory = Recorders()
    with pytest.raises(ConnectFailed) as failed:
        await in_time(connect(url, factory, transports=(transport,), **options))
    assert factory.built == []
    # To close a connection takes a turn of the reactor or two.
    for _ in range(TURNS):
        if open_connections():
            await sleep(0.01)
    assert open_connections() == []
    return failed.value


def open_connections() -> list[BaseClient]:
    """Return the connections that clients in this process have, or try to make."""
    selectables = [*reactor.getReaders(), *reactor.getWriters()]
    return [each for each in selectables if isinstance(each, BaseClient)]
