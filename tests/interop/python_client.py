"""What a session has to carry, with python-engineio.

Reads ``{client: "threads" | "asyncio", url, mode, names, echoes, …}`` as JSON from
standard input, and prints one line of JSON with the facts of each scenario. The
scenarios are those of `node/session.mjs`, and the commands those of `application`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import engineio

from tests.interop.python_peers import PEERS, Message, Peer

SCENARIO_DEADLINE = 30.0
PROGRAM_DEADLINE = 110.0
ORDERED = 1000
LARGE = 900_000


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
