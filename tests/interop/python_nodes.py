"""Sessions on several nodes of one cluster, with python-engineio.

Reads and prints what `node/nodes.mjs` does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.interop.python_peers import PEERS, Peer

BROADCASTS = 100
MODES = ("polling", "websocket", "upgrade")
DEADLINE = 60.0


async def everywhere(urls: list[str]) -> list[Peer]:
    peers = []
    for url in urls:
        for mode in MODES:
            peer = PEERS["asyncio"](mode, [], {})
            await peer.connect(url, "engine.io")
            peers.append(peer)
    return peers


async def take(peer: Peer, count: int) -> list[Any]:
    return [await peer.received.get() for _ in range(count)]


async def broadcast(urls: list[str]) -> dict[str, Any]:
    peers = await everywhere(urls)
    seen = []
    for sender in (peers[0], peers[4], peers[8]):
        await sender.send(f"!broadcast {BROADCASTS}")
        seen += [await take(peer, BROADCASTS) for peer in peers]
    left = [peer.received.qsize() for peer in peers]
    for peer in peers:
        await peer.disconnect()
    return {"seen": seen, "left": left}


async def orders(urls: list[str]) -> dict[str, Any]:
    peers = await everywhere(urls)
    one, two, three = peers[0], peers[3], peers[6]

    async def ask(question: str) -> Any:
        await one.send(question)
        return await one.received.get()

    facts = {
        "told": await ask(f"!send {two.sid()} hello"),
        "heard": await two.received.get(),
        "unknown": await ask(f"!send {two.sid()}_ hello"),
        "closed": await ask(f"!close_other {three.sid()}"),
    }
    facts["reason"] = await three.closed
    facts["again"] = await ask(f"!close_other {three.sid()}")
    for peer in peers:
        await peer.disconnect()
    return facts


async def main() -> None:
    request = json.load(sys.stdin)
    scenarios = {"broadcast": broadcast, "orders": orders}
    results = {}
    for name in request["names"]:
        results[name] = await asyncio.wait_for(
            scenarios[name](request["urls"]), DEADLINE
        )
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
