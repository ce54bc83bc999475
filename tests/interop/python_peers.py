"""Sessions of both python-engineio clients, behind one face."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp
import engineio
import requests
from engineio.payload import Payload
from typing_extensions import override

__all__ = ["PEERS", "Message", "Peer"]

# The client gives up on a response with more packets than this; by default 16, which is
# less than what gathers while it is busy.
Payload.max_decode_packets = 10_000

IDLE_DEADLINE = 10.0
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}

Message = str | bytes


class Peer(Protocol):
    """One session of either client, and what happened to it."""

    transports: list[str]
    closed: asyncio.Future[str]
    received: asyncio.Queue[Message]

    async def connect(self, url: str, path: str) -> None: ...
    async def send(self, message: Message) -> None: ...
    async def disconnect(self) -> None: ...
    def sid(self) -> str: ...
    def handshake(self) -> dict[str, Any]: ...


class _Happenings:
    """What either client reports: used by the two kinds of peers."""

    client: Any

    def __init__(self, mode: str, on_open: list[Message]) -> None:
        self.transports: list[str] = []
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self._sid = ""
        self._mode = mode
        self._on_open = on_open

    def _connected(self) -> None:
        self._sid = self.client.sid
        self.transports.append(self.client.transport())

    def _finished(self) -> None:
        if self.client.state == "connected" and self._mode == "upgrade":
            self.transports.append(self.client.transport())

    def _disconnected(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    def sid(self) -> str:
        return self._sid

    def handshake(self) -> dict[str, Any]:
        """Return what the client keeps of the open packet, named as there."""
        return {
            "sid": self.client.sid,
            "upgrades": self.client.upgrades,
            "pingInterval": self.client.ping_interval * 1000,
            "pingTimeout": self.client.ping_timeout * 1000,
        }


class _WriterQueue(queue.Queue[Any]):
    """What a client's writing thread takes packets from; knows when that waits."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = threading.Event()

    @override
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block:
            return super().get(block)
        self._waiting.set()
        try:
            return super().get(timeout=timeout)
        finally:
            self._waiting.clear()

    def wait_until_idle(self) -> None:
        with self.all_tasks_done:
            self.all_tasks_done.wait_for(
                lambda: not self.unfinished_tasks, IDLE_DEADLINE
            )
        self._waiting.wait(IDLE_DEADLINE)


class _OrderedClient(engineio.Client):  # type: ignore[misc]  # has no annotations
    """The client, but it calls one handler after the other, not each in a thread."""

    def create_queue(self) -> _WriterQueue:
        return _WriterQueue()

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        if target is self.handlers.get("message"):
            return target(*args, **kwargs)
        return super().start_background_task(target, *args, **kwargs)


class ThreadsPeer(_Happenings):
    """`engineio.Client`, which blocks: it is called in other threads."""

    def __init__(
        self, mode: str, on_open: list[Message], connection: dict[str, str]
    ) -> None:
        super().__init__(mode, on_open)
        loop = asyncio.get_running_loop()
        http = requests.Session()
        # No proxies, and no other authorities, from the environment.
        http.trust_env = False
        if "ca" in connection:
            http.verify = connection["ca"]
        if "cert" in connection:
            http.cert = (connection["cert"], connection["key"])
        self.client = _OrderedClient(http_session=http, handle_sigint=False)
        self.client.on("connect", self._opened)
        self.client.on("message", self._hand_over(loop, self.received.put_nowait))
        self.client.on("disconnect", self._hand_over(loop, self._disconnected))

    @staticmethod
    def _hand_over(
        loop: asyncio.AbstractEventLoop, function: Callable[..., object]
    ) -> Callable[..., None]:
        def handler(*args: Any) -> None:
            loop.call_soon_threadsafe(function, *args)

        return handler

    def _opened(self) -> None:
        self._connected()
        for message in self._on_open:
            self.client.send(message)

    async def connect(self, url: str, path: str) -> None:
        transports = TRANSPORTS[self._mode]
        await asyncio.to_thread(
            self.client.connect, url, transports=transports, engineio_path=path
        )
        self._finished()

    async def send(self, message: Message) -> None:
        self.client.send(message)

    async def disconnect(self) -> None:
        if self.client.state == "connected" and not self.closed.done():
            # While it writes, the client would leave without a goodbye.
            await asyncio.to_thread(self.client.queue.wait_until_idle)
        await asyncio.to_thread(self.client.disconnect)


class AsyncioPeer(_Happenings):
    """`engineio.AsyncClient`."""

    def __init__(
        self, mode: str, on_open: list[Message], connection: dict[str, str]
    ) -> None:
        super().__init__(mode, on_open)
        self._http = aiohttp.ClientSession(connector=_connector(connection))
        self.client = engineio.AsyncClient(http_session=self._http, handle_sigint=False)
        self.client.on("connect", self._opened)
        self.client.on("message", self.received.put_nowait)
        self.client.on("disconnect", self._disconnected)

    async def _opened(self) -> None:
        self._connected()
        for message in self._on_open:
            await self.client.send(message)

    async def connect(self, url: str, path: str) -> None:
        transports = TRANSPORTS[self._mode]
        await self.client.connect(url, transports=transports, engineio_path=path)
        self._finished()

    async def send(self, message: Message) -> None:
        await self.client.send(message)

    async def disconnect(self) -> None:
        if self.client.state == "connected" and not self.closed.done():
            # While it writes, the client would leave without a goodbye.
            await asyncio.wait_for(self.client.queue.join(), IDLE_DEADLINE)
        await self.client.disconnect()
        await self._http.close()


def _connector(connection: dict[str, str]) -> aiohttp.BaseConnector:
    if "unix" in connection:
        return aiohttp.UnixConnector(connection["unix"])
    if "ca" in connection:
        context = ssl.create_default_context(cafile=connection["ca"])
        if "cert" in connection:
            context.load_cert_chain(connection["cert"], connection["key"])
        return aiohttp.TCPConnector(ssl=context)
    return aiohttp.TCPConnector()


PEERS: dict[str, Callable[[str, list[Message], dict[str, str]], Peer]] = {
    "threads": ThreadsPeer,
    "asyncio": AsyncioPeer,
}
