"""The application on python-engineio, served by aiohttp or by uvicorn."""

import argparse
import asyncio
import socket
from functools import cache

import engineio
import uvicorn
from aiohttp import web

_BACKLOG = 1024
_COMMANDS = ("B", "L")
_TICK = 0.005


class Lateness:
    """How late a timer is, at most."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = 0.0
        self._schedule()

    def _schedule(self) -> None:
        self._expected = self._loop.time() + _TICK
        self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._most = max(self._most, self._loop.time() - self._expected)
        self._schedule()

    def take(self) -> float:
        """Return the lateness in seconds, and begin anew."""
        most, self._most = self._most, 0.0
        return most


@cache
def lateness() -> Lateness:
    """Return the timer, which runs from now on."""
    return Lateness()


def build(mode: str, ping_interval: float, ping_timeout: float) -> engineio.AsyncServer:
    """Build the server with the application's handler."""
    server = engineio.AsyncServer(
        async_mode=mode,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        # In order, and cheaper than the default of a task for each message.
        async_handlers=False,
    )

    async def message(sid: str, data: str | bytes) -> None:
        if isinstance(data, str) and data.startswith(_COMMANDS):
            if data == "L":
                await server.send(sid, f"L{lateness().take()}")
                return
            for other in list(server.sockets):
                await server.send(other, data)
        else:
            await server.send(sid, data)

    server.on("message", message)
    return server


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ping-interval", type=float, default=25.0)
    parser.add_argument("--ping-timeout", type=float, default=20.0)
    parser.add_argument("--server", choices=["aiohttp", "uvicorn"], required=True)
    arguments = parser.parse_args()
    times = arguments.ping_interval, arguments.ping_timeout
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    if arguments.server == "aiohttp":
        app = web.Application()
        build("aiohttp", *times).attach(app)
        web.run_app(app, sock=listener, access_log=None, print=None)
    else:
        asgi = engineio.ASGIApp(build("asgi", *times))
        config = uvicorn.Config(
            asgi,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            # Engine.IO has a heartbeat of its own.
            ws_ping_interval=None,
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
