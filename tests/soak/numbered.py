"""Clients that number what they send, of several kinds, on three ways each."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import engineio
from engineio.payload import Payload
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from tests.frames import TEXT, make_frame
from tests.soak.clients import Client, Connection, Gone
from tests.soak.history import Session
from tests.soak.messages import parse_message
from tests.soak.supervised import PING_INTERVAL
from txengineio import ClientSession, ConnectFailed, EngineIOProtocol, connect

__all__ = ["KINDS", "NotOpened", "Peer"]

_TRANSPORTS = {
    "polling": ("polling",),
    "websocket": ("websocket",),
    "upgrade": ("polling", "websocket"),
}
_PATIENCE = 30.0

# The client gives up on a response with more packets than this.
Payload.max_decode_packets = 10_000


class NotOpened(Exception):
    """No session could be opened."""


class Peer(ABC):
    """One session of a client.

    Args:
        session: Where it writes down what happens.
        port: Where the server is.
        way: ``polling``, ``websocket`` or ``upgrade``.
    """

    def __init__(self, session: Session, port: int, way: str) -> None:
        self.session = session
        self._port = port
        self._way = way
        self._happens = asyncio.Event()

    @abstractmethod
    async def open(self) -> None:
        """Open the session.

        Raises:
            NotOpened: That does not work.
        """

    @abstractmethod
    async def send(self, messages: Sequence[str]) -> None:
        """Send messages; if it is over, they are lost."""

    @abstractmethod
    async def close(self) -> None:
        """End the session, or what is left of it."""

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports that may be used."""
        return _TRANSPORTS[self._way]

    def opened(self, sid: str) -> None:
        """Write down that it is open."""
        self.session.sid = sid
        self.session.opened = time.monotonic()

    def received(self, message: str | bytes) -> None:
        """Write down what has come."""
        try:
            self.session.received.append(parse_message(message))
        except ValueError:
            self.session.damaged.append(repr(message)[:200])
        self._happens.set()

    def ended(self, detail: str) -> None:
        """Write down that it is over."""
        self.session.ends.append(time.monotonic())
        self.session.detail = self.session.detail or detail
        self._happens.set()

    async def settle(self) -> None:
        """Wait until everything is back, or it is over."""
        session = self.session
        async with asyncio.timeout(_PATIENCE):
            while len(session.received) < session.sent and not session.ends:
                self._happens.clear()
                await self._happens.wait()


class RawPeer(Peer):
    """A few lines of HTTP, which know what was acknowledged.

    Args:
        session: See `Peer`.
        port: See `Peer`.
        way: See `Peer`.
        keeps: Whether all POSTs go over one connection, not each over a new one.
    """

    def __init__(
        self, session: Session, port: int, way: str, *, keeps: bool = False
    ) -> None:
        super().__init__(session, port, way)
        self._client = _Numbered(self, port)
        self._connections: list[Connection] = []
        self._keeps = keeps
        self._poster: Connection | None = None
        self._websocket: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        # One POST at a time, and none while the session moves.
        self._posting = asyncio.Lock()

    @override
    async def open(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                first = await self._connect()
                if self._way == "websocket":
                    await self._client.open_websocket(first)
                    self._has_moved_to(first)
                else:
                    await self._client.open_polling(first)
        except (Gone, OSError, TimeoutError) as error:
            self._close_connections()
            raise NotOpened(repr(error)) from error
        self.opened(self._client.sid)
        self._reading = asyncio.create_task(self._read(first))

    async def _connect(self) -> Connection:
        connection = await self._client.connect()
        self._connections.append(connection)
        return connection

    def _has_moved_to(self, connection: Connection) -> None:
        self._websocket = connection
        self.session.has_moved = True

    async def _read(self, first: Connection) -> None:
        try:
            if self._way == "upgrade":
                await self._upgrade()
            while self._websocket is None:
                if await self._client.poll(first):
                    async with self._posting:
                        await self._post(["3"])
            while True:
                packet = await self._websocket.read_packet()
                if packet == "2":
                    self._websocket.write(make_frame(TEXT, b"3"))
                self._client.take(packet)
        except (Gone, OSError, TimeoutError) as error:
            self._is_over(error)

    async def _upgrade(self) -> None:
        # No poll is parked, so there is none to wait for.
        connection = await self._connect()
        await self._client.open_websocket(connection)
        connection.write(make_frame(TEXT, b"2probe"))
        while await connection.read_packet() != "3probe":
            pass
        async with self._posting:
            if self.session.ends:
                # A POST has failed meanwhile: what was lost went by polling.
                raise Gone
            connection.write(make_frame(TEXT, b"5"))
            self._has_moved_to(connection)

    @override
    async def send(self, messages: Sequence[str]) -> None:
        packets = [f"4{each}" for each in messages]
        try:
            async with self._posting:
                if self._websocket is None:
                    await self._post(packets)
                    self.session.acknowledged += len(packets)
                    return
            for each in packets:
                self._websocket.write(make_frame(TEXT, each.encode()))
        except (Gone, OSError, TimeoutError) as error:
            self._is_over(error)

    async def _post(self, packets: list[str]) -> None:
        body = "\x1e".join(packets).encode()
        if self._poster is None:
            self._poster = await self._connect()
        async with asyncio.timeout(_PATIENCE):
            target = self._client.target("polling")
            self._poster.write_request("POST", target, body)
            answer = await self._poster.read_body()
        if answer != "ok":
            raise Gone(answer)
        if not self._keeps:
            self._connections.remove(self._poster)
            self._poster.close()
            self._poster = None

    def _is_over(self, error: Exception) -> None:
        # A poll and a POST may both find out.
        if not self.session.ends:
            self.ended(repr(error))

    @override
    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if not self.session.ends:
            await self._say_goodbye()
        self._close_connections()

    async def _say_goodbye(self) -> None:
        if self._websocket is None:
            try:
                await self._post(["1"])
            except (Gone, OSError, TimeoutError) as error:
                self._is_over(error)
                return
        self.ended("it has left")

    def _close_connections(self) -> None:
        for each in self._connections:
            each.close()


class _Numbered(Client):
    """What there is to a session's requests; messages go to its peer."""

    def __init__(self, peer: RawPeer, port: int) -> None:
        super().__init__(port=port, random=Random())
        self._peer = peer

    @override
    def take(self, packet: str) -> None:
        if packet[:1] == "4":
            self._peer.received(packet[1:])
        else:
            super().take(packet)


class OwnPeer(Peer):
    """The client of this project."""

    @override
    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        connecting = connect(
            self.url,
            _Building(self),
            transports=self.transports,
            request_timeout=_PATIENCE,
        )
        try:
            self._protocol = await connecting.asFuture(loop)
        except ConnectFailed as error:
            raise NotOpened(repr(error)) from error

    @override
    async def send(self, messages: Sequence[str]) -> None:
        session = self._protocol.session
        for each in messages:
            # Once it is over, there is nobody to send to.
            if not self.session.ends:
                session.send(each if len(each) % 2 else each.encode())
        self.session.has_moved = session.upgraded or self._way == "websocket"

    @override
    async def close(self) -> None:
        self._protocol.session.close()
        await self._protocol.session.when_closed().asFuture(asyncio.get_running_loop())


class _Building(Factory):
    """Builds what tells the peer."""

    noisy = False

    def __init__(self, peer: OwnPeer) -> None:
        self._peer = peer

    @override
    def buildProtocol(self, addr: IAddress | None) -> _Telling:
        return _Telling(self._peer)


class _Telling(EngineIOProtocol[ClientSession]):
    """Tells the peer."""

    def __init__(self, peer: OwnPeer) -> None:
        self._peer = peer

    @override
    def connectionMade(self) -> None:
        self._peer.opened(self.session.id)

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self._peer.received(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._peer.ended(str(reason.value))


class PythonPeer(Peer):
    """python-engineio's client, on asyncio."""

    def __init__(self, session: Session, port: int, way: str) -> None:
        super().__init__(session, port, way)
        # When a POST has failed, it waits for the end of its poll.
        session.patience = PING_INTERVAL + 1
        self._client = engineio.AsyncClient(
            handle_sigint=False, request_timeout=_PATIENCE
        )
        self._client.on("message", self.received)
        self._client.on("disconnect", self.ended)

    @override
    async def open(self) -> None:
        try:
            await self._client.connect(self.url, transports=[*self.transports])
        except engineio.exceptions.ConnectionError as error:
            raise NotOpened(repr(error)) from error
        self.opened(self._client.sid)
        self.session.has_moved = self._client.transport() == "websocket"

    @override
    async def send(self, messages: Sequence[str]) -> None:
        for each in messages:
            await self._client.send(each if len(each) % 2 else each.encode())

    @override
    async def close(self) -> None:
        await self._client.disconnect()


KINDS: dict[str, Callable[[Session, int, str], Peer]] = {
    "raw": RawPeer,
    "kept": partial(RawPeer, keeps=True),
    "own": OwnPeer,
    "python": PythonPeer,
}
