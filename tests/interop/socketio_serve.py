"""A Socket.IO server for the tests: one application, on each of our three servers.

Reads a `Launch` as its last argument, whose options are the server's, and which of them
as its first; prints its port as JSON. It ends by SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from functools import wraps
from inspect import isawaitable
from typing import Any

from socketio import AsyncNamespace, Namespace, exceptions
from twisted.internet import asyncioreactor
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import File

from tests.interop.launch import LOOPBACK, Launch
from txengineio import ClientScript, socketio

KINDS = ("Server", "ThreadedServer", "AsyncServer")
SHORT = 0.5


class Application:
    """What clients may ask for, written once for handlers of either kind."""

    def __init__(self, sio: Any) -> None:
        self.sio = sio
        self.auth: dict[str, Any] = {}
        self.left: list[str] = []
        self.reasons: dict[str, str] = {}

    def connect(self, sid: str, environ: Any, auth: Any) -> Any:
        self.auth[sid] = auth
        if auth and auth.get("refuse"):
            raise exceptions.ConnectionRefusedError("not you", {"code": 7})
        return self.sio.enter_room(sid, "everybody")

    def connect_admin(self, sid: str, environ: Any, auth: Any) -> None:
        self.auth[sid] = auth

    def who(self, sid: str) -> Any:
        return self.auth[sid]

    def back(self, sid: str, *values: Any) -> Any:
        return self.sio.emit("back", values, to=sid)

    def whoami(self, sid: str) -> str:
        return "admin"

    def echo(self, sid: str, *values: Any) -> Any:
        return values

    def ask(self, sid: str) -> Any:
        return self.sio.call("question", 5, to=sid)

    def news(self, sid: str, data: Any) -> Any:
        return self.sio.emit("news", data, room="everybody", skip_sid=sid)

    def remember(self, sid: str, value: Any) -> Any:
        return self.sio.save_session(sid, {"value": value})

    def recall(self, sid: str) -> Any:
        return self.sio.get_session(sid)

    def transport(self, sid: str) -> Any:
        return self.sio.transport(sid)

    def kick(self, sid: str) -> Any:
        return self.sio.disconnect(sid)

    def departures(self, sid: str) -> list[str]:
        left, self.left = self.left, []
        return left

    def disconnect(self, sid: str, reason: str) -> None:
        self.left.append(reason)
        self.reasons[sid] = reason

    def anything(self, event: str, sid: str, *values: Any) -> Any:
        return ["caught", event, *values]


class Place(Namespace):  # type: ignore[misc]  # no annotations
    """A namespace whose handlers are methods of a class."""

    def on_connect(self, sid: str, environ: Any, auth: Any) -> None:
        self.enter_room(sid, "place")

    def on_shout(self, sid: str, text: str) -> str:
        self.emit("shouted", text, room="place")
        return text.upper()


class AsyncPlace(AsyncNamespace):  # type: ignore[misc]
    """The same for an `AsyncServer`."""

    async def on_connect(self, sid: str, environ: Any, auth: Any) -> None:
        await self.enter_room(sid, "place")

    async def on_shout(self, sid: str, text: str) -> str:
        await self.emit("shouted", text, room="place")
        return text.upper()


class Reasons(Resource):
    """Why clients are gone, as JSON, by their ids."""

    isLeaf = True

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application

    def render_GET(self, request: Any) -> bytes:
        return json.dumps(self._application.reasons).encode()


def as_coroutine(handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    async def call(*arguments: Any) -> Any:
        answer = handler(*arguments)
        return await answer if isawaitable(answer) else answer

    return call


def serve(kind: str, launch: Launch) -> None:
    if kind == "AsyncServer":
        asyncioreactor.install(asyncio.new_event_loop())
    # Only now: the import chooses the reactor.
    from twisted.internet import reactor as chosen  # noqa: PLC0415, TID251

    reactor: Any = chosen
    sio = getattr(socketio, kind)(**launch.engine)
    application = Application(sio)
    adapt = as_coroutine if kind == "AsyncServer" else lambda handler: handler
    events = "connect who back echo ask news remember recall transport kick departures"
    for event in [*events.split(), "disconnect"]:
        sio.on(event, adapt(getattr(application, event)))
    sio.on("*", adapt(application.anything))
    sio.on("connect", adapt(application.connect_admin), namespace="/admin")
    sio.on("whoami", adapt(application.whoami), namespace="/admin")
    sio.on("who", adapt(application.who), namespace="/admin")
    place = AsyncPlace if kind == "AsyncServer" else Place
    sio.register_namespace(place("/place"))
    root = Resource()
    root.putChild(b"socket.io", socketio.SocketIOResource(sio))
    root.putChild(b"reasons", Reasons(application))
    for name, folder in (launch.static or {}).items():
        root.putChild(name.encode(), File(folder))
    if launch.client_script is not None:
        sio.engine.use(ClientScript(launch.client_script))
    port = reactor.listenTCP(launch.port, Site(root), interface=LOOPBACK)
    reactor.addSystemEventTrigger("before", "shutdown", sio.engine.drain, SHORT)
    sys.stdout.write(json.dumps({"port": port.getHost().port}) + "\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    log.startLogging(sys.stderr, setStdout=False)
    serve(sys.argv[1], Launch.from_json(sys.argv[2]))
