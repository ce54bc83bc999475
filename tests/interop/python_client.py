"""What a session has to carry, with python-engineio.

Reads ``{client: "threads" | "asyncio", url, mode, names, echoes, …}`` as JSON from
standard input, and prints one line of JSON with the facts of each scenario. The
scenarios are those of `node/session.mjs`, and the commands those of `application`.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Protocol

import aiohttp
import engineio
import requests
from engineio.payload import Payload
from typing_extensions import override

# The client gives up on a response with more packets than this; by default 16, which is
# less than what gathers while it is busy.
Payload.max_decode_packets = 10_000

SCENARIO_DEADLINE = 30.0
PROGRAM_DEADLINE = 110.0
IDLE_DEADLINE = 10.0
ORDERED = 1000
LARGE = 900_000
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


class Connections:
    """Makes the sessions of one scenario, and ends them after it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._new_peer = PEERS[request["client"]]
        self._url: str = request["url"]
        self._connection: dict[str, str] = request.get("connection") or {}
        self._peers: list[Peer] = []
        self.mode: str = request["mode"]
        self.echoes: dict[str, list[Any]] = request.get("echoes") or {}

    async def connect(
        self,
        query: str = "",
        path: str = "engine.io",
        on_open: list[Message] | None = None,
    ) -> Peer:
        peer = self._new_peer(self.mode, on_open or [], self._connection)
        self._peers.append(peer)
        await peer.connect(self._url + query, path)
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            await peer.disconnect()


async def take(peer: Peer, count: int) -> list[Message]:
    messages: list[Message] = []
    for _ in range(count):
        message = asyncio.ensure_future(peer.received.get())
        happenings: set[asyncio.Future[Any]] = {message, peer.closed}
        await asyncio.wait(happenings, return_when=asyncio.FIRST_COMPLETED)
        if not message.done():
            message.cancel()
            raise RuntimeError(f"closed after {len(messages)}: {peer.closed.result()}")
        messages.append(message.result())
    return messages


async def ask(peer: Peer, question: Message) -> Message:
    await peer.send(question)
    return (await take(peer, 1))[0]


def plain(message: Message) -> object:
    return {"binary": message.hex()} if isinstance(message, bytes) else message


def unplain(message: Any) -> Message:
    return message if isinstance(message, str) else bytes.fromhex(message["binary"])


def digest(message: Message) -> dict[str, Any]:
    content = message.encode() if isinstance(message, str) else message
    kind = "text" if isinstance(message, str) else "binary"
    return {"kind": kind, "length": len(content), "sha256": sha256(content).hexdigest()}


async def opening(connections: Connections) -> Any:
    peer = await connections.connect()
    return {
        "handshake": peer.handshake(),
        "transports": peer.transports,
        "trouble": [],
        "transport": await ask(peer, "!transport"),
        "request": await ask(peer, "!request"),
        "upgrades": await ask(peer, "!upgrades"),
    }


async def echoes(connections: Connections) -> Any:
    peer = await connections.connect()
    received = {}
    for name, messages in connections.echoes.items():
        for message in messages:
            await peer.send(unplain(message))
        received[name] = [plain(message) for message in await take(peer, len(messages))]
    return received


async def views(connections: Connections) -> Any:
    peer = await connections.connect()
    await peer.send("!views")
    return [plain(message) for message in await take(peer, 4)]


async def large(connections: Connections) -> Any:
    peer = await connections.connect()
    binary = bytes.fromhex("0123456789abcdef") * (LARGE // 8)
    return {
        "text": digest(await ask(peer, "€" * (LARGE // 3))),
        "binary": digest(await ask(peer, binary)),
        "text_from_server": digest(await ask(peer, f"!big {LARGE}")),
        "binary_from_server": digest(await ask(peer, f"!binary {LARGE}")),
    }


async def burst(connections: Connections) -> Any:
    peer = await connections.connect()
    await peer.send(f"!count {ORDERED}")
    return await take(peer, ORDERED)


async def ordered(connections: Connections) -> Any:
    wait = " upgrade" if connections.mode == "upgrade" else ""
    numbered: list[Message] = [f"c{number}" for number in range(ORDERED)]
    half = ORDERED // 2
    on_open = [f"!stream {ORDERED}{wait}", *numbered[:half]]
    peer = await connections.connect(on_open=on_open)
    for start in range(half, ORDERED, 10):
        await asyncio.sleep(0.002)
        for message in numbered[start : start + 10]:
            await peer.send(message)
    received = [str(message) for message in await take(peer, 2 * ORDERED)]
    return {
        "echoed": [message for message in received if message.startswith("c")],
        "streamed": [message for message in received if message.startswith("s")],
        "sent_at_upgrade": half if wait else None,
        "transports": peer.transports,
        "trouble": [],
    }


async def heartbeats(connections: Connections) -> Any:
    peer = await connections.connect()
    answered = int(await ask(peer, "!heartbeats 3"))
    # The client does not tell of pings: what the server counts are its answers.
    return {"seen": answered, "answered": answered, "state": "open"}


async def greeting(connections: Connections) -> Any:
    peer = await connections.connect("?greeting=a,b,c")
    return [*await take(peer, 3), await ask(peer, "d")]


async def greeting_then_close(connections: Connections) -> Any:
    peer = await connections.connect("?greeting=a,b,c&then=close")
    received = await take(peer, 3)
    return {"client": await peer.closed, "received": received}


async def close_by_client(connections: Connections) -> Any:
    peer = await connections.connect()
    await ask(peer, "still there")
    await peer.disconnect()
    return {"client": await peer.closed, "server": await ending(connections, peer)}


async def close_by_server(connections: Connections) -> Any:
    peer = await connections.connect()
    await peer.send("!close")
    return {"client": await peer.closed, "server": await ending(connections, peer)}


async def close_by_server_at_once(connections: Connections) -> Any:
    peer = await connections.connect(on_open=["!close"])
    return {"client": await peer.closed, "server": await ending(connections, peer)}


async def ending(connections: Connections, peer: Peer) -> Any:
    """Ask over a second session why the first one ended."""
    return await ask(await connections.connect(), f"!reason {peer.sid()}")


async def refused(connections: Connections) -> Any:
    return await refusal(connections.connect())


async def wrong_path(connections: Connections) -> Any:
    return await refusal(connections.connect(path="nowhere"))


async def unknown_session(connections: Connections) -> Any:
    return await refusal(connections.connect(f"?sid={'A' * 20}"))


async def refusal(attempt: Awaitable[Peer]) -> Any:
    try:
        await attempt
    except engineio.exceptions.ConnectionError as error:
        message, *body = error.args
        digits = [int(word) for word in str(message).split() if word.isdigit()]
        status = digits[0] if digits else None
        return {
            "client": "refused",
            "status": status,
            "body": body[0] if body else None,
        }
    return {"client": "connected"}


SCENARIOS: dict[str, Callable[[Connections], Awaitable[Any]]] = {
    scenario.__name__: scenario
    for scenario in (
        opening,
        echoes,
        views,
        large,
        burst,
        ordered,
        heartbeats,
        greeting,
        greeting_then_close,
        close_by_client,
        close_by_server,
        close_by_server_at_once,
        refused,
        wrong_path,
        unknown_session,
    )
}


async def attempt(name: str, request: dict[str, Any]) -> Any:
    connections = Connections(request)
    try:
        return await asyncio.wait_for(SCENARIOS[name](connections), SCENARIO_DEADLINE)
    except Exception as error:
        return {"failed": f"{name}: {error!r}"}
    finally:
        await connections.close()


async def main(request: dict[str, Any]) -> None:
    results = {name: await attempt(name, request) for name in request["names"]}
    sys.stdout.write(json.dumps(results) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # A client that waits for something else than the tests do must not stay behind.
    watchdog = threading.Timer(PROGRAM_DEADLINE, os._exit, [3])
    watchdog.daemon = True
    watchdog.start()
    asyncio.run(main(json.load(sys.stdin)))
    os._exit(0)
