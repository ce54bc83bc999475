"""An echo server of python-engineio, for our client: ``aiohttp_server.py JSON``.

The argument is a `Launch` as JSON. python-engineio keeps its limit of 16 packets in a
POST here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import engineio
from aiohttp import web


def make_application(options: dict[str, Any]) -> web.Application:
    server = engineio.AsyncServer(
        async_mode="aiohttp",
        ping_interval=options["ping_interval"],
        ping_timeout=options["ping_timeout"],
        max_http_buffer_size=options["max_http_buffer_size"],
    )

    @server.on("connect")
    async def connect(_sid: str, environ: dict[str, Any]) -> bool:
        return "refuse=yes" not in environ["QUERY_STRING"]

    # One after the other: each would have a task of its own, and overtake others.
    @server.on("message")
    async def message(sid: str, data: Any) -> None:
        command, _, count = (
            data.partition(" ") if isinstance(data, str) else ("", "", "")
        )
        if command == "!close":
            await server.disconnect(sid)
        elif command == "!count":
            for number in range(int(count)):
                await server.send(sid, f"n{number}")
        else:
            await server.send(sid, data)

    application = web.Application(client_max_size=options["max_http_buffer_size"])
    server.attach(application)
    return application


async def serve(launch: dict[str, Any]) -> None:
    runner = web.AppRunner(make_application(launch["engine"]))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", launch["port"])
    await site.start()
    port = runner.addresses[0][1]
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), stopped.set)
    await stopped.wait()
    # Polls that are still parked would be waited for.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
