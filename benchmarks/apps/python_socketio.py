"""The application on python-socketio, served by aiohttp or by uvicorn."""

import argparse
import socket

import socketio
import uvicorn
from aiohttp import web

from benchmarks.apps.socketio_events import PATH, add_coroutines

_BACKLOG = 1024


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ping-interval", type=float, default=25.0)
    parser.add_argument("--ping-timeout", type=float, default=20.0)
    parser.add_argument("--server", choices=["aiohttp", "uvicorn"], required=True)
    arguments = parser.parse_args()
    sio = add_coroutines(
        socketio.AsyncServer(
            async_mode="aiohttp" if arguments.server == "aiohttp" else "asgi",
            ping_interval=arguments.ping_interval,
            ping_timeout=arguments.ping_timeout,
            # In order, and cheaper than the default of a task for each event.
            async_handlers=False,
        )
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    if arguments.server == "aiohttp":
        app = web.Application()
        sio.attach(app, socketio_path=PATH)
        web.run_app(app, sock=listener, access_log=None, print=None)
    else:
        config = uvicorn.Config(
            socketio.ASGIApp(sio, socketio_path=PATH),
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
