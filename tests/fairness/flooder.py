"""Clients that send as much as they can; `test_floods` runs this as a process.

Its arguments are the port, the number of clients, the name of what they send, and
"tls" if they do so over TLS. It says "ready" when all of them have begun, and goes on
until it is killed.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fairness.floods import FLOODS, OPENING, Flood


async def flood(port: int, flood: Flood, tls: bool, ready: asyncio.Queue[None]) -> None:
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    if flood.is_websocket:
        writer.write(OPENING)
        await reader.readuntil(b"\r\n\r\n")
    reading = asyncio.create_task(discard(reader))
    writer.write(flood.data)
    ready.put_nowait(None)
    while not reading.done():
        await writer.drain()
        writer.write(flood.data)


async def discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def main() -> None:
    port, number, name, *tls = sys.argv[1:]
    ready: asyncio.Queue[None] = asyncio.Queue()
    floods = [
        asyncio.create_task(flood(int(port), FLOODS[name], bool(tls), ready))
        for _ in range(int(number))
    ]
    for _ in floods:
        await ready.get()
    print("ready", flush=True)
    await asyncio.gather(*floods)


asyncio.run(main())
